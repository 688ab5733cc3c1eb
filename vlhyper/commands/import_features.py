"""`vlhyper import-features`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Store = Literal["float16", "float32"]


def command(
    source: Annotated[
        Path, typer.Argument(help="Folder of .h5, .npz or .npy files, one per image; or one .h5, .hdf5 or .tsv file.")
    ],
    out: Annotated[Path, typer.Option(help="Feature file to write.")],
    encoder: Annotated[
        str | None, typer.Option(help="Name of the encoder that made the features, recorded in the file.")
    ] = None,
    store: Annotated[Store, typer.Option(help="Number format of the file.")] = "float16",
) -> None:
    """Convert feature files of other projects (VL-Adapter, VL-T5, LXMERT …) into a feature file.

    Example: vlhyper import-features data_clip_RN101_att --out coco.h5

    Reads VL-Adapter's folders, VL-T5's .h5, LXMERT's .tsv, .hdf5 with ID_features or ID_grids, and folders of numpy
    files. Boxes and image sizes are kept. Damaged source files are reported and skipped; every row is checked against
    its source.
    """
    from vlhyper.console import say
    from vlhyper.features.importing import import_features
    from vlhyper.features.writer import read_skipped

    imported = import_features(source, out, encoder, store)
    say(
        f"{out}: {len(imported)} images of {imported.tokens} x {imported.width}, every row checked against {source}; "
        f"{len(read_skipped(out))} skipped"
    )
