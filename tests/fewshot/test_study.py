"""What a few-shot study consists of, before anything is trained."""

from pathlib import Path

import pytest

from vlhyper.errors import UserError
from vlhyper.fewshot.study import Cell, plan
from vlhyper.files import write_json
from vlhyper.model.spec import WEIGHTS, Inputs, count
from vlhyper.run.config import load_config, save_config

CONFIGS = Path(__file__).parents[2] / "configs"
TEXT = Inputs(tasks=("cb",))


@pytest.fixture
def glue(tmp_path):
    """The folder of a trained run of HyperPELT on GLUE with T5-base, but for its weights."""
    config = load_config(CONFIGS / "glue/hyperpelt.yaml")
    folder = tmp_path / "glue"
    folder.mkdir()
    save_config(config, folder / "config.yaml")
    inputs = Inputs(tasks=tuple(config.tasks))
    write_json(folder / "adapter_config.json", {"model": config.model.model_dump(), "inputs": inputs.model_dump()})
    (folder / WEIGHTS).touch()
    return folder


def test_task_embedding_and_prompt_train_as_many_numbers_as_in_the_paper(glue):
    embedding = plan(glue, "cb", tune="task-embedding")
    prompt = plan(glue, "cb", method="prompt_tuning")
    assert count(embedding.config.model, TEXT).trained == count(prompt.config.model, TEXT).trained == 37_632
    assert (embedding.title, prompt.title) == ("HyperPELT TaskEmbed", "Prompt-tuning")
    assert (embedding.config.start, prompt.config.start) == (str(glue), None)
    everything = plan(glue, "cb")
    assert (embedding.config.training.learning_rate, prompt.config.training.learning_rate) == (0.1, 0.3)
    # All that HyperPELT trains, with the embedding of one task in place of eight.
    assert count(everything.config.model, TEXT).trained == 4_384_024 - 7 * 37_632


def test_a_prompt_has_as_many_numbers_as_the_embedding_of_any_width(glue):
    config = load_config(CONFIGS / "glue/hyperpelt.yaml", ["model.embedding_width=384", "model.prefix_length=20"])
    inputs = {"tasks": list(config.tasks)}
    write_json(glue / "adapter_config.json", {"model": config.model.model_dump(), "inputs": inputs})
    assert count(plan(glue, "cb", method="prompt_tuning").config.model, TEXT).trained == 20 * 384
    assert "prompt_length" not in plan(glue, "cb", method="lora").config.model.model_dump()


def test_a_cell_is_a_run_of_one_task_with_settings_for_few_examples(glue):
    study = plan(glue, "cb", overrides=["training.steps=50"])
    four, many = study.of(Cell(4, 3)), study.of(Cell(100, 3))
    assert list(four.tasks) == ["cb"] and four.tasks["cb"].shots == 4 and four.tasks["cb"].data.endswith("data/cb.yaml")
    assert four.tasks["cb"].validation == "validation" and four.new_tasks == "mean"
    assert (four.training.steps, four.training.seed, four.training.precision) == (50, 3, "bf16")
    assert four.training.learning_rate == 1e-3
    # No example twice in a batch; prompts as long as the task's own, not as GLUE's.
    assert (four.training.batch, many.training.batch, four.training.max_source_tokens) == (4, 32, None)
    assert study.folder(Path("out"), Cell(16, 2)) == Path("out/cb/hyperpelt/shots-0016/seed-2")


def test_no_shots_are_evaluated_once_where_all_seeds_begin_alike(glue):
    assert list(plan(glue, "cb").cells([4, 0, 4], 2)) == [(0, 0), (4, 0), (4, 1)]
    assert list(plan(glue, "cb", overrides=["new_tasks=fresh"]).cells([0], 2)) == [(0, 0), (0, 1)]
    assert list(plan(glue, "cb", method="prompt_tuning").cells([0], 2)) == [(0, 0), (0, 1)]


def test_a_config_begins_untrained_with_its_own_settings(tmp_path):
    (tmp_path / "cb.yaml").write_text((CONFIGS.parent / "data/cb.yaml").read_text())
    text = "model: {method: prompt_tuning, prompt_length: 20}\ntasks: {cb: {data: cb.yaml, validation: validation}}\n"
    (tmp_path / "run.yaml").write_text(text + "training: {learning_rate: 0.5}\n")
    study = plan(tmp_path / "run.yaml", "cb")
    assert study.config.start is None and study.config.model.options
    assert (study.config.training.learning_rate, study.config.training.steps) == (0.5, 1000)
    assert study.config.tasks["cb"].data == str(tmp_path / "cb.yaml")


@pytest.mark.parametrize(
    ("task", "options", "told"),
    [
        ("cd", {}, "unknown task 'cd'"),
        ("cb", {"method": "promt_tuning"}, "unknown method 'promt_tuning'; did you mean 'prompt_tuning'?"),
        ("cb", {"data": "no/cb.yaml"}, "no/cb.yaml: no such file"),
        ("cb", {"method": "lora", "tune": "task-embedding"}, "tune: method 'lora' has no 'task embeddings'"),
        ("cb", {"overrides": ["tasks.boolq.data=x.yaml"]}, "few-shot runs have one task, cb"),
        ("caption", {}, "has no task 'caption' and no manifest of it lies beside its own; name one with --data"),
    ],
)
def test_a_mistake_is_one_line(glue, task, options, told):
    with pytest.raises(UserError) as refusal:
        plan(glue, task, **options)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_config_has_its_method_itself():
    with pytest.raises(UserError, match=r"hyperpelt\.yaml: --method replaces that of a run"):
        plan(CONFIGS / "glue/hyperpelt.yaml", "cola", method="lora")
