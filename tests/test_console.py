"""Progress, lines and tables: what goes where."""

import io
import re
import sys

import pytest

import vlhyper.console
from vlhyper.console import progress, say, telling, tracked
from vlhyper.show.tables import print_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch, width: int = 100) -> Terminal:
    """A terminal in place of standard error; its value is all that was written to it."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    return terminal


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
    terminal = on_terminal(monkeypatch)
    with progress("training", 4, "steps", start=1) as bar:
        bar(note="vqa 1.250")
        bar(2)
    shown = terminal.getvalue()
    assert "training" in shown and "4/4" in shown and "vqa 1.250" in shown and "━" in shown


def test_lines_of_work_can_go_to_a_file(tmp_path, capsys):
    with telling(tmp_path / "new" / "lines.txt"), progress("training", 1, "steps") as bar:
        say("begins")
        bar()
    with telling(tmp_path / "new" / "lines.txt"):
        say("again")
    say("after")
    assert (tmp_path / "new" / "lines.txt").read_text() == "begins\ntraining: 1/1 steps 0s\nagain\n"
    assert capsys.readouterr().err == "after\n"


def test_a_table_goes_to_standard_output_with_two_decimals(capsys):
    print_table(("task", "score"), [("vqa", 12.3456), ("a very long name " * 5, 7)], title="run one")
    out, err = capsys.readouterr()
    assert err == "" and "run one" in out
    assert "12.35" in out and "12.3456" not in out
    # Nothing is folded off a terminal.
    assert ("a very long name " * 5).strip() in out


HIDE_CURSOR = "\x1b[?25l"


def last_frame(terminal) -> list[str]:
    """What stands on the screen at the end: each frame begins by wiping the lines of the one before."""
    frame = terminal.getvalue().split("\x1b[2K")[-1]
    return [line for line in re.sub(r"\x1b\[[?\d;]*\w", "", frame).splitlines() if line.strip()]


def test_work_within_work_shares_one_display(monkeypatch):
    terminal = on_terminal(monkeypatch)
    with progress("training", 4, "steps") as outer:
        outer(2)
        with progress("vqa: answering", 9, "rows") as inner:
            inner(9)
            say("step 2: vqa.overall 50.00")
            assert len(vlhyper.console._display.task_ids) == 2
        outer(2)
    shown = terminal.getvalue()
    # Each display hides the cursor when it begins.
    assert shown.count(HIDE_CURSOR) == 1
    assert "vqa: answering" in shown and "step 2: vqa.overall 50.00" in shown
    assert [line.split()[0] for line in last_frame(terminal)] == ["training"]


def test_work_that_fails_leaves_no_bar_behind(monkeypatch):
    terminal = on_terminal(monkeypatch)
    with progress("training", 4) as outer:
        with pytest.raises(RuntimeError), progress("vqa: answering", 9):
            raise RuntimeError
        outer(4)
    assert [line.split()[0] for line in last_frame(terminal)] == ["training"]
    with pytest.raises(RuntimeError), progress("training", 4):
        raise RuntimeError
    with progress("training", 4):
        pass
    assert terminal.getvalue().count(HIDE_CURSOR) == 3


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_the_note_is_cut_and_the_counts_are_not(monkeypatch, width):
    terminal = on_terminal(monkeypatch, width)
    with progress("training", 262144, "steps") as bar:
        bar(123456, note="caption 5.949 gqa 5.219 vg_qa 5.633 vqa 5.782")
    (line,) = last_frame(terminal)
    assert "123456/262144 steps" in line and "caption" in line and "vqa 5.782" not in line
