"""The configs of the repository: each is whole, and its first lines say what is true."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from vlhyper.cli import build_app
from vlhyper.fewshot.study import plan
from vlhyper.model.families import KNOWN
from vlhyper.model.spec import count
from vlhyper.readers.manifest import load_manifest
from vlhyper.run.bases import KEY
from vlhyper.run.config import load_config, stated_inputs
from vlhyper.tasks import find_task

ROOT = Path(__file__).resolve().parents[1]
EVERY = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "configs").rglob("*.yaml"))}
RUNS = {name: path for name, path in EVERY.items() if not path.stem.startswith(("base", "hub"))}
app = cache(lambda: typer.main.get_command(build_app()))
loaded = cache(lambda name: load_config(RUNS[name]))
manifest = cache(load_manifest)
every_run = pytest.mark.parametrize("name", RUNS)


def head_of(name: str) -> list[str]:
    """The first lines of a config, without the mark of a comment."""
    lines = RUNS[name].read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#").strip() for line in lines if line.startswith("#")]


def counted(name: str) -> str:
    """What a config trains, as its head says it: of a few-shot run with one of its tasks, of any other with all."""
    config = loaded(name)
    if "/fewshot/" in name:
        cells = [plan(RUNS[name], task).config for task in config.tasks]
        [counts] = {count(cell.model, stated_inputs(cell)).model_dump_json() for cell in cells}
        counts = count(cells[0].model, stated_inputs(cells[0]))
        return f"Trained: {counts.trained:,}, {counts.share:.2f} % of the whole."
    counts = count(config.model, stated_inputs(config))
    times = counts.total / KNOWN["t5-base"].parameters()
    shares = f"{counts.share:.2f} % of the whole, {counts.share_per_task:.2f} % per task"
    return f"Trained: {counts.trained:,}, {shares}, {times:.2f} × T5."


@every_run
def test_its_data_sets_and_their_splits_are_there(name):
    for task, entry in loaded(name).tasks.items():
        assert find_task(task)
        wanted = {entry.train, entry.validation, entry.test} - {None}
        # Questions of Visual Genome are trained on alone.
        assert wanted - manifest(entry.data).splits.keys() <= ({"test"} if task == "vg_qa" else set())


@every_run
def test_its_first_lines_say_what_it_trains_and_what_is_known_of_its_scores(name):
    head = head_of(name)
    assert [line for line in head if line.startswith("Trained: ")] == [counted(name)]
    assert sum(line.startswith("Paper: ") for line in head) == sum(line.startswith("Measured: ") for line in head) == 1


@every_run
def test_its_first_lines_give_commands_that_the_program_takes(name):
    program = app()
    commands = [line.removeprefix("accelerate launch -m ") for line in head_of(name)]
    commands = [shlex.split(line.replace("$task", "cola")) for line in commands if line.startswith("vlhyper ")]
    assert any({"train", "fewshot"} & set(words) and name in words for words in commands)
    for _, command, *words in commands:
        if command != "setup":
            program.commands[command].make_context(command, words)
    named = [word for words in commands for word in words if re.match(r"configs/.*\.yaml$", word)]
    assert set(named) <= RUNS.keys()


@every_run
def test_its_data_are_those_of_its_neighbours(name):
    own = yaml.safe_load(RUNS[name].read_text(encoding="utf-8"))
    assert "tasks" not in own and own[KEY]


def test_every_other_file_is_the_base_of_a_run():
    used = set()
    for path in EVERY.values():
        names = yaml.safe_load(path.read_text(encoding="utf-8")).get(KEY, [])
        used |= {(path.parent / one).resolve() for one in ([names] if isinstance(names, str) else names)}
    assert {name for name, path in EVERY.items() if path not in used} == {*RUNS, "configs/glue/hub.yaml"}


def test_the_hubs_data_can_stand_behind_any_run_of_glue(tmp_path):
    mine = tmp_path / "mine.yaml"
    bases = [str(EVERY[f"configs/glue/{name}.yaml"]) for name in ("hyperpelt", "hub")]
    mine.write_text(yaml.safe_dump({KEY: bases}))
    found, theirs = load_config(mine), load_config(bases[0])
    assert {Path(task.data).parent.name for task in found.tasks.values()} == {"hub"}
    for task in found.tasks.values():
        assert {task.train, task.validation, task.test} <= manifest(task.data).splits.keys()
    assert (found.model, found.training) == (theirs.model, theirs.training)
