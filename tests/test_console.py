"""Progress, lines and tables: what goes where."""

import io
import sys

import pytest

from vlhyper.console import print_table, progress, say, tracked


def test_what_is_said_goes_to_standard_error(capsys):
    say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_off_a_terminal_progress_is_plain_lines_of_how_far_it_came(capsys):
    with progress("reading", 3, "rows", every=0) as bar:
        bar()
        bar(2, note="loss 1.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["reading: 1/3 rows 0s", *["reading: 3/3 rows 0s loss 1.5"] * 2]


def test_between_two_lines_lies_some_time(capsys):
    with progress("reading", None, "rows") as bar:
        for _ in range(100):
            bar()
    assert capsys.readouterr().err.splitlines() == ["reading: 100 rows 0s"]


def test_resumed_work_begins_where_it_was(capsys):
    with progress("training", 10, start=7) as bar:
        bar()
    assert capsys.readouterr().err == "training: 8/10 0s\n"


def test_work_that_fails_does_not_say_it_is_done(capsys):
    with pytest.raises(RuntimeError), progress("reading", 3):
        raise RuntimeError
    assert capsys.readouterr().err == ""


def test_tracked_items_pass_unchanged(capsys):
    assert list(tracked("abc", "reading", unit="letters")) == ["a", "b", "c"]
    assert list(tracked(iter("ab"), "reading", total=2)) == ["a", "b"]
    assert capsys.readouterr().err.splitlines() == ["reading: 3/3 letters 0s", "reading: 2/2 0s"]


def test_on_a_terminal_there_is_a_bar_with_its_note(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("training", 4, "steps", start=1) as bar:
        bar(note="vqa 1.250")
        bar(2)
    shown = terminal.getvalue()
    assert "training" in shown and "4/4" in shown and "vqa 1.250" in shown and "━" in shown


def test_a_table_goes_to_standard_output_with_two_decimals(capsys):
    print_table(("task", "score"), [("vqa", 12.3456), ("a very long name " * 5, 7)], title="run one")
    out, err = capsys.readouterr()
    assert err == "" and "run one" in out
    assert "12.35" in out and "12.3456" not in out
    # Nothing is folded off a terminal.
    assert ("a very long name " * 5).strip() in out
