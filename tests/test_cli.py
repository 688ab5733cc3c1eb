"""What users type: commands, options, help, errors, exit codes."""

import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer
from run_cases import ENVIRONMENT, call, write_features

import vlhyper
from vlhyper.cli import GROUPS, build_app, main, run
from vlhyper.errors import JobError, UserError
from vlhyper.features import open_features
from vlhyper.program import _leave_on_signals, run_program

# Scripts are written against these names: a change here is a change of the contract.
COMMANDS = {
    "ask": "run image question overrides --encoder --json --map --others --task --weights",
    "caption": "run image overrides --encoder --json --map --others --task --weights",
    "check": "config overrides",
    "compare": "overrides --jobs --methods --out --rates --seeds --steps",
    "configs copy": "name --to",
    "demo": "--level --out --seed",
    "env": "--devices",
    "evaluate": "run overrides --chat --confidence --full --split --submission --task",
    "extract": (
        "images --batch-size --encoder --list --max-pixels --out --precision --store --strict --trust-weights "
        "--weights --workers"
    ),
    "fewshot": "run overrides --data --keep --method --out --seeds --shots --task --tune",
    "fewshot-plot": "folders --out",
    "freeze": "run --image --out --peft --task",
    "import-features": "source --encoder --out --store",
    "init": "folder --out",
    "inspect": "features --images --json --sheet",
    "merge": "shards --out",
    "params": "config overrides --all --json",
    "report": "runs --images --out --split",
    "score": (
        "task expanded --against --annotations --answer-key --answers --chat --choices --clip-model --clip-weights "
        "--complete --confidence --half --id-key --images --instances --items --json --metrics --partial --power "
        "--predictions --questions --report --split --submission --variant --vocabulary"
    ),
    "serve": "run overrides --encoder --max-mb --max-pixels --port --weights",
    "setup spice": "--repository",
    "table": "table runs --out --split",
    "train": "config overrides --from --out",
}


@cache
def program(use="to be looked at"):
    """Built once for each use, as that takes a while: a command that was run keeps what it made of itself."""
    return typer.main.get_command(build_app())


def commands(command=None, path=()):
    """Every command by the words that lead to it."""
    command = command or program()
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    else:
        for name, one in inner.items():
            yield from commands(one, (*path, name))


def words(command) -> str:
    arguments = [one.name for one in command.params if one.param_type_name == "argument"]
    options = sorted(word for one in command.params if one.param_type_name == "option" for word in one.opts)
    return " ".join([*arguments, *options])


def test_commands_and_options_are_frozen():
    assert {path: words(command) for path, command in commands()} == COMMANDS


def example(path: str) -> list[str]:
    """The words of the example in the help of a command."""
    paragraphs = inspect.cleandoc(dict(commands())[path].help).split("\n\n")
    [text] = [text for text in paragraphs if text.startswith("Example: ")]
    return shlex.split(text.removeprefix("Example: "))


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_every_command_shows_an_example_it_takes(path):
    command, words = dict(commands())[path], example(path)
    length = 1 + len(path.split())
    assert words[:length] == ["vlhyper", *path.split()]
    assert command.make_context(path, words[length:]).params
    assert all(one.help for one in command.params)


@pytest.mark.parametrize("path", ["", "configs", "setup"])
def test_the_help_of_a_list_of_commands_shows_the_example_of_one(path, capsys):
    run([*path.split(), "--help"])
    [words] = re.findall(r"Example: vlhyper (\S+)", capsys.readouterr().out)
    assert words in GROUPS["Start"]


@pytest.mark.parametrize("path", ["inspect", "merge", "import-features"])
def test_the_examples_work_as_they_are_written(path, tmp_path, monkeypatch):
    for name in ("coco.h5", "coco.shard-0-of-2.h5", "coco.shard-1-of-2.h5"):
        write_features(tmp_path / name, [name])
    if path != "inspect":
        (tmp_path / "coco.h5").unlink()
    (tmp_path / "coco/val2014").mkdir(parents=True)
    (tmp_path / "data_clip_RN101_att").mkdir()
    with h5py.File(tmp_path / "data_clip_RN101_att/1.h5", "w") as file:
        file["1/features"] = np.zeros((49, 8), np.float16)
    monkeypatch.chdir(tmp_path)
    # As a shell expands them.
    words = [
        file for word in example(path)[1:] for file in (map(str, sorted(Path().glob(word))) if "*" in word else [word])
    ]
    run(words)
    assert open_features("coco.h5").ids == {
        "inspect": ["coco.h5"],
        "merge": ["coco.shard-0-of-2.h5", "coco.shard-1-of-2.h5"],
        "import-features": ["1"],
    }.get(path)


def test_no_usage_line_shows_a_hidden_argument(capsys):
    run(["score", "--help"])
    assert capsys.readouterr().out.startswith("Usage: vlhyper score [OPTIONS] {task}\n")
    run(["train", "--help"])
    assert capsys.readouterr().out.startswith("Usage: vlhyper train [OPTIONS] {config} [KEY.SUB=VALUE]...\n")


def test_values_that_replace_the_configs_are_explained_alike_by_every_command():
    overrides = [one for _, command in commands() for one in command.params if one.name == "overrides"]
    assert len(overrides) == sum("overrides" in arguments for arguments in COMMANDS.values())
    assert {(one.help, one.metavar, one.nargs) for one in overrides} == {
        (
            "Values that replace those of the config. Relative paths are resolved from the current directory; in the "
            "config file, from its folder.",
            "KEY.SUB=VALUE",
            -1,
        )
    }


def test_a_file_that_begins_with_an_underscore_is_no_command():
    assert not any(name.startswith(("_", "-")) for name, _ in commands())


@pytest.mark.parametrize("columns", ["80", "60"])
@pytest.mark.parametrize("path", ["", "configs", "setup"])
def test_the_list_of_commands_shows_every_summary_whole(path, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    command = program()
    command = command.commands[path] if path else command
    run([*path.split(), "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) < int(columns) and "..." not in shown.replace("ARGS]...", "")
    for one in command.commands.values():
        summary = one.help.split("\n\n")[0]
        assert " ".join(summary.split()) in " ".join(shown.split())


@pytest.mark.parametrize("path", ["", "configs", "setup", *COMMANDS])
def test_help_has_a_short_name_in_every_command(path, capsys):
    shown = []
    for option in ("-h", "--help"):
        with pytest.raises(SystemExit) as end:
            program("to be run").main([*path.split(), option], prog_name="vlhyper")
        assert end.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != ""


def test_the_version_is_printed_without_torch():
    barred = "import sys; sys.modules['torch'] = sys.modules['h5py'] = None; from vlhyper.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", barred, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"vlhyper {vlhyper.__version__}\n"


def test_commands_are_listed_by_what_they_are_for_and_none_is_forgotten(capsys):
    run(["--help"])
    sections = dict(re.findall(r"^(\w+):\n((?:  .*\n)+)", capsys.readouterr().out, re.MULTILINE))
    listed = {title: re.findall(r"^  (\S+)", rows, re.MULTILINE) for title, rows in sections.items()}
    there = {title: [name for name in names if name in listed.get(title, ())] for title, names in GROUPS.items()}
    assert listed == {"Options": listed["Options"], **{title: names for title, names in there.items() if names}}
    assert {name for names in there.values() for name in names} == {path.split()[0] for path in COMMANDS}


def completed(monkeypatch, capsys, line: str) -> list[str]:
    """What the program tells bash when the tab key is pressed behind this line."""
    monkeypatch.setenv("_VLHYPER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setattr(sys, "argv", ["vlhyper"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vlhyper ev", ["evaluate"]),
        ("vlhyper setup ", ["spice"]),
        ("vlhyper train vl_hyperpelt --o", ["--out"]),
        ("vlhyper check uni", ["unified"]),
        ("vlhyper check text_o", ["text_only"]),
        ("vlhyper check vl/text_o", ["vl/text_only"]),
        ("vlhyper check text.", ["text.yaml"]),
        ("vlhyper check ./te", ["./text.yaml"]),
        ("vlhyper configs copy vqa_v", ["vqa_v2"]),
        ("vlhyper score snl", ["snli-ve"]),
        ("vlhyper fewshot run --task im", ["imdb"]),
        ("vlhyper fewshot run --method lor", ["lora", "lora_shared"]),
        ("vlhyper evaluate run --task snl", ["snli-ve"]),
        ("vlhyper inspect x", []),
    ],
)
def test_the_shell_completes_commands_options_and_names(line, offered, monkeypatch, capsys, tmp_path):
    (tmp_path / "text.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert completed(monkeypatch, capsys, line) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_every_shell(shell, monkeypatch, capsys):
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: shell)
    with pytest.raises(SystemExit) as end:
        run(["--show-completion"])
    script = capsys.readouterr().out
    assert end.value.code == 0 and f"_VLHYPER_COMPLETE=complete_{shell}" in script


def test_help_is_there_within_a_second_and_without_torch():
    barred = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; from vlhyper.cli import main; main()"
    )
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-c", barred, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - began)
    assert all(path.split()[0] in done.stdout for path in COMMANDS)
    # The processor time of the children would not count what the disk takes; the best of three shuts out neighbours.
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert min(seconds) < max(1, load)


def said(monkeypatch, capsys, *arguments: str) -> tuple[int | str | None, list[str]]:
    """Exit code and lines on standard error of the program in this process."""
    monkeypatch.setattr(sys, "argv", ["vlhyper", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, capsys.readouterr().err.splitlines()


def failing(error):
    def command() -> None:
        """Fail. Example: vlhyper fail"""
        raise error

    app = typer.Typer()
    app.command("fail")(command)
    app.command("other")(lambda: None)
    return lambda: app


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("a.json: record 3:\n no answer"), 2, "vlhyper: a.json: record 3: no answer"),
        (JobError("a worker died"), 1, "vlhyper: a worker died"),
        (OSError(28, "No space left on device"), 1, "vlhyper: [Errno 28] No space left on device"),
        (MemoryError(), 1, "vlhyper: MemoryError"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "vlhyper: this command needs torch, which is not installed: pip install 'vlhyper[model]'",
        ),
        (
            ModuleNotFoundError("No module named 'jgo'", name="jgo"),
            2,
            "vlhyper: this command needs jgo, which is not installed: pip install 'vlhyper[spice]'",
        ),
        (
            ModuleNotFoundError("No module named 'jinja2'", name="jinja2"),
            2,
            "vlhyper: this command needs jinja2, which is not installed: pip install 'vlhyper[report]'",
        ),
    ],
)
def test_an_error_is_one_line_and_with_debug_a_traceback(monkeypatch, capsys, error, code, line):
    monkeypatch.setattr("vlhyper.cli.build_app", failing(error))
    assert said(monkeypatch, capsys, "fail") == (code, [line])
    monkeypatch.setattr(sys, "argv", ["vlhyper", "fail", "--debug"])
    with pytest.raises(type(error)) as raised:
        main()
    assert raised.value is error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "no such command 'trian'"),
        (["train"], "missing argument 'config'; see vlhyper train --help"),
        (["train", "a.yaml"], "missing option '--out'"),
        (["train", "a.yaml", "--ot", "x"], "no such option: --ot"),
        (["demo", "--seed", "x"], "invalid value for '--seed'"),
        (["setup"], "missing command; see vlhyper setup --help"),
        (["check", "no.yaml"], "no.yaml: no such file"),
        (["evaluate", "no"], "no: not a run folder"),
        (
            ["score", "vqa", "--predictions", "o/r_0.json", "o/r_1.json"],
            "in quotes, which .* --predictions 'o/r_*.json'",
        ),
        (["score", "--predictions", "r_0.csv", "r_1.csv", "vqa"], "r_1.csv: is one .* --predictions 'r_*.csv'"),
        (["score", "vqa", "gqa", "--predictions", "a.json"], "gqa: is one argument too many; .* 'rank_*.jsonl'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(monkeypatch, capsys, arguments, told):
    code, lines = said(monkeypatch, capsys, *arguments)
    assert code == 2
    assert len(lines) == 1 and lines[0].startswith("vlhyper: ") and fits(told, lines[0])


def fits(told: str, line: str) -> bool:
    """Whether the parts of what is told are in the line in this order."""
    parts = map(re.escape, told.split(" .* "))
    return re.search(".*".join(parts), line, re.IGNORECASE) is not None


def test_without_arguments_the_program_shows_its_help(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vlhyper"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (None, 0)
    assert "Start:" in capsys.readouterr().out


def test_the_module_is_the_same_program_and_ends_with_the_commands_code():
    done = call("params", "no.yaml")
    assert (done.code, done.err) == (2, "vlhyper: no.yaml: no such file; a config must exist\n")
    debug = call("params", "no.yaml", "--debug")
    assert debug.code == 1 and "Traceback" in debug.err


def test_a_reader_that_goes_away_is_no_cause_for_words():
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "vlhyper", "params", "--help"]
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, env={**os.environ, **ENVIRONMENT})
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_run_leaves_errors_as_they_are():
    with pytest.raises(UserError, match=r"no\.yaml"):
        run(["params", "no.yaml"])


@pytest.fixture
def handlers():
    """The handlers of signals as they were before."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    # A shell has interrupts ignored in what it starts in the background.
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"])
def test_a_signal_ends_a_program_after_its_clean_up(handlers, capsys, monkeypatch, name):
    number, cleaned = getattr(signal, name), []

    def build():
        app = typer.Typer()

        @app.command()
        def work():
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            finally:
                cleaned.append(name)

        return app

    with pytest.raises(SystemExit) as end:
        run_program("vlhyper", build, ["--"])
    assert end.value.code == 128 + number and cleaned == [name]
    said = capsys.readouterr().err.strip()
    assert said == ("" if name == "SIGINT" else f"vlhyper: stopped by {name}")
    # A second Ctrl-C, while Python ends, shows no traceback.
    assert (signal.getsignal(signal.SIGINT) is signal.SIG_DFL) == (name == "SIGINT")


def test_under_a_launcher_signals_are_left_to_it(handlers, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = signal.getsignal(signal.SIGTERM)
    _leave_on_signals("vlhyper")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_pipe_that_its_reader_closed_ends_a_program_quietly():
    command = "import sys; from vlhyper.program import run_program; import typer\ndef build():\n app = typer.Typer()\n"
    command += " app.command()(lambda: print('x' * 100000))\n return app\nrun_program('vlhyper', build, ['--'])"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", command], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writing)
    assert done.stderr == "" and done.returncode in (1, 141)
