"""`vlhyper inspect`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    features: Annotated[Path, typer.Argument(help="Feature file to read.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet of the grids to this PNG file.")] = None,
    images: Annotated[list[Path] | None, typer.Option(help="Folder with the images for the contact sheet.")] = None,
) -> None:
    """Show what a feature file contains, how it was made, and whether every row is intact.

    Example: vlhyper inspect coco.h5 --sheet coco.png --images coco/val2014

    The exit code is 1 if a row is broken.
    """
    from vlhyper.features.inspection import inspect

    found = inspect(features)
    if json:
        print(found.to_json())
    else:
        found.print()
    if sheet is not None:
        from vlhyper.features.sheet import write_sheet

        write_sheet(features, sheet, images or [])
    if found.broken:
        raise typer.Exit(1)
