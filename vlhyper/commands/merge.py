"""`vlhyper merge`: one feature file from several."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    shards: Annotated[list[Path], typer.Argument(help="Feature files of one encoder, weights and preprocessing.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Write one feature file from several: the shards of many processes, or files made at different times.

    vlhyper merge coco.shard-*.h5 --out coco.h5

    Rows keep their order, every row is checked, and an interrupted merge goes on when run again. The shards are left
    alone; delete them when the merge is done.
    """
    from vlhyper.console import say
    from vlhyper.features.merge import merge

    merged = merge(shards, out)
    say(f"{out}: {len(merged)} images of {merged.tokens} x {merged.width}, every row checked")
