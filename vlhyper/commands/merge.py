"""`vlhyper merge`."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    shards: Annotated[
        list[Path], typer.Argument(help="Feature files with the same encoder, weights and preprocessing.")
    ],
    out: Annotated[Path, typer.Option(help="Feature file to write.")],
) -> None:
    """Write one feature file from several, such as the shards of many processes.

    Example: vlhyper merge coco.shard-*.h5 --out coco.h5

    Rows keep their order and every row is checked. Run the same command again to continue an interrupted merge. The
    shards are not changed; delete them after the merge.
    """
    from vlhyper.console import say
    from vlhyper.features.merge import merge

    merged = merge(shards, out)
    say(f"{out}: {len(merged)} images of {merged.tokens} x {merged.width}, every row checked")
