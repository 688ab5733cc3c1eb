"""Every block of the documentation is followed, page by page, in a folder that has what the pages speak of.

A block with a title is the file of that name. Of a `console` block each command is run, and what is printed must be
what the page shows, where it shows something. Python is run by pytest-examples, which checks what is printed (`#>`). A
block below `<!-- not run: REASON -->` is read and not run: its vlhyper commands must exist, with these options.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from pytest_examples import EvalExample, find_examples

from vlhyper.cli import build_app, run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>\w*)(?P<settings>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: [^>]+ -->\s*\Z")
# Of commands of other programs nothing can be said here.
OTHERS = {"pip", "make", "git", "torchrun", "accelerate", "python", "cd"}
# No block of these is a command or a file: formulas, trees, messages.
SHOWN = {"", "text"}


class Block(NamedTuple):
    page: Path
    line: int
    kind: str
    title: str | None
    text: str
    followed: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        title = re.search(r'title="([^"]+)"', found["settings"])
        line = text.count("\n", 0, found.start()) + 1
        followed = NOT_RUN.search(text[: found.start()]) is None
        yield Block(page, line, found["kind"], title and title[1], found["text"], followed)


ALL = [block for page in PAGES for block in blocks(page)]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and what is printed below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.replace("\\\n", " ").partition("\n")
        yield command, printed.strip()


@pytest.fixture(scope="module")
def told(lab, tmp_path_factory):
    """The folder in which pages are followed: the demo's files, made small."""
    from run_cases import forget_accelerate

    folder = tmp_path_factory.mktemp("documentation")
    demo = folder / "demo"
    shutil.copytree(lab.folder, demo)
    shutil.move(demo / "run.yaml", demo / "demo.yaml")
    forget_accelerate()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(["train", "demo/demo.yaml", "training.steps=2", "validation.every=0", "--out", "demo/model"])
    forget_accelerate()
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed(page, told, tmp_path, monkeypatch, capsys, fresh_process, eval_example):
    folder = tmp_path / "here"
    shutil.copytree(told, folder)
    monkeypatch.chdir(folder)
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if not block.followed:
            continue
        if block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.kind == "console":
            for command, printed in commands(block.text):
                words = shlex.split(command)
                assert words[0] == "vlhyper", f"{where}: {command} is not run; say so with <!-- not run: REASON -->"
                capsys.readouterr()
                assert run(words[1:]) is None, f"{where}: {command}"
                said = capsys.readouterr().out
                assert not printed or printed in plain(said), f"{where}: {command} printed\n{said}"
        elif block.kind == "python":
            follow_python(block, eval_example)
        else:
            assert block.kind in SHOWN, f"{where}: a block of {block.kind} needs a title or a reason not to be run"


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


def follow_python(block: Block, follow: EvalExample) -> None:
    [example] = [one for one in find_examples(str(block.page)) if one.start_line in (block.line, block.line + 1)]
    main = sys.modules["__main__"]
    try:
        follow.run_print_check(example)
    finally:
        sys.modules["__main__"] = main


@pytest.mark.parametrize(
    "block", [one for one in ALL if not one.followed], ids=lambda one: f"{one.page.stem}-{one.line}"
)
def test_what_is_not_run_names_commands_and_options_that_exist(block):
    program = typer.main.get_command(build_app())
    for command, _ in commands(block.text):
        words = shlex.split(command, comments=True)
        assert words[0] in {"vlhyper", *OTHERS}, command
        if words[0] == "vlhyper":
            parse(program, words[1:])


def parse(command, words: list[str]) -> None:
    """Hold words against a command and its options; its arguments are not looked at."""
    inner = getattr(command, "commands", {})
    if words and words[0] in inner:
        return parse(inner[words[0]], words[1:])
    known = {name for one in command.params for name in one.opts} | {"--help", "--debug"}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words


def test_the_site_is_built_without_a_warning(tmp_path):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert {path.parent.name for path in (tmp_path / "site").glob("*/index.html")} >= pages
    shown = (tmp_path / "site/commands/index.html").read_text(encoding="utf-8")
    assert "vlhyper fewshot" in shown and "--annotations" in shown
