"""`vlhyper import-features`: features that other projects made, as one file of ours."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Store = Literal["float16", "float32"]


def command(
    source: Annotated[Path, typer.Argument(help="A folder of VL-Adapter .h5 files, or a VL-T5 .h5 file.")],
    out: Annotated[Path, typer.Option(help="The feature file to write.")],
    encoder: Annotated[str | None, typer.Option(help="What made the features, for the file's attributes.")] = None,
    store: Annotated[Store, typer.Option(help="Numbers in the file.")] = "float16",
) -> None:
    """Import VL-Adapter's folder of .h5 files or a VL-T5 .h5 file (boxes and sizes are kept).

    vlhyper import-features COCO/clip_features/data_clip_RN101_att --out coco.h5

    Torn source files are named and the rest is imported; every row is checked against what was read.
    """
    from vlhyper.console import say
    from vlhyper.features.importing import import_features
    from vlhyper.features.writer import read_skipped

    imported = import_features(source, out, encoder, store)
    say(
        f"{out}: {len(imported)} images of {imported.tokens} x {imported.width}, every row checked against {source}; "
        f"{len(read_skipped(out))} skipped"
    )
