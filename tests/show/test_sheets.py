"""Tables as Markdown, CSV and LaTeX, and in narrow terminals."""

import io
import re

import pytest

from vlhyper.show.sheets import Sheet, as_csv, as_latex, as_markdown, print_sheet, save_sheet

SHEET = Sheet(
    "Table 9",
    ("method", "source", "× T5", "Avg"),
    [("A & B_1", "paper", "1.02", "87.09"), ("A & B_1", "ours", "", "86.00 ± 0.50"), ("C|D", "ours", "", "– / 1.00")],
    ("method", "source", "times", "Avg"),
    [("A & B_1", "paper", 1.02, 87.085), ("A & B_1", "ours", None, 86.0), ("C|D", "ours", None, None)],
    ["A note of 100 %."],
)


def test_markdown_escapes_bars_and_aligns_figures():
    lines = as_markdown(SHEET).splitlines()
    assert lines[0] == "## Table 9"
    assert lines[2:4] == ["| method | source | × T5 | Avg |", "| --- | --- | ---: | ---: |"]
    assert lines[6] == r"| C\|D | ours |  | – / 1.00 |"
    assert lines[-1] == "- A note of 100 %."


def test_csv_has_unrounded_numbers_and_empty_fields():
    assert as_csv(SHEET).splitlines() == [
        "method,source,times,Avg",
        "A & B_1,paper,1.02,87.085",
        "A & B_1,ours,,86.0",
        "C|D,ours,,",
    ]


def test_latex_is_a_tabular_whose_signs_are_tex():
    text = as_latex(SHEET)
    assert [line for line in text.splitlines() if not line.startswith("%")] == [
        r"\begin{tabular}{llrr}",
        r"\toprule",
        r"method & source & $\times$ T5 & Avg \\",
        r"\midrule",
        r"A \& B\_1 & paper & 1.02 & 87.09 \\",
        r" & ours &  & 86.00 $\pm$ 0.50 \\",
        r"\midrule",
        r"C|D & ours &  & -- / 1.00 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert text.splitlines()[1] == "% A note of 100 %."


def test_three_files_are_written_beside_each_other(tmp_path):
    paths = save_sheet(SHEET, tmp_path / "new" / "table.1")
    assert [path.name for path in paths] == ["table.1.md", "table.1.csv", "table.1.tex"]
    assert paths[1].read_text(encoding="utf-8") == as_csv(SHEET)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("width", "tables"), [(160, 1), (80, 2), (60, 6)])
def test_in_a_narrow_terminal_the_figures_come_in_several_tables(width, tables, monkeypatch):
    figures = [f"{number}.00 ± 1.00" for number in range(6)]
    columns, row = ["method", "source", *map(str, range(6))], ["[b]Full fine-tuning", "ours", *figures]
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_sheet(Sheet("Table 9", columns, [row, ["[b]Full fine-tuning", "paper", *[""] * 6]], columns, []))
    text = re.sub("\x1b\\[[0-9;]*m", "", shown.getvalue())
    assert text.count("┏") == tables and max(map(len, text.splitlines())) <= width
    # No figure is broken, and no text is taken for markup.
    assert all(one in text for one in figures) and text.count("[b]Full") == tables
