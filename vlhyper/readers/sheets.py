"""The first sheet of an .xlsx workbook, as VLMEvalKit and spreadsheets write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from vlhyper.errors import UserError
from vlhyper.files import existing_file

# What a workbook may hold unpacked; one of a million short answers holds a tenth of it.
MOST_BYTES = 1 << 30


def sheet_records(path: Path) -> list[dict[str, str]]:
    """A record of texts for each row below the first, which names the columns; an empty cell is an empty text.

    Raises UserError for a file that is no workbook, and where openpyxl, which reads it, is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise UserError(f"{path}: reading .xlsx needs openpyxl; pip install openpyxl, or save it as csv") from None
    broken = f"{path}: not a readable .xlsx workbook; save the sheet as csv"
    try:
        with ZipFile(existing_file(path)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_BYTES:
                raise UserError(f"{path}: holds more than {MOST_BYTES >> 20} MB unpacked; save the sheet as csv")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            rows = book.worksheets[0].iter_rows(values_only=True)
            names = [str(name) for name in next(rows, ()) if name is not None]
            return [dict(zip(names, map(_cell, row), strict=False)) for row in rows if any(c is not None for c in row)]
        finally:
            book.close()
    except UserError:
        raise
    # openpyxl raises whatever its XML reader does.
    except (BadZipFile, OSError, KeyError, ValueError, IndexError, TypeError, SyntaxError, AttributeError):
        raise UserError(broken) from None


def _cell(value: Any) -> str:
    """Cells as a csv has them. Numbers of a sheet may be floats: 17.0 was 17."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
