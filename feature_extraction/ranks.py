"""Several processes, as torchrun and accelerate launch start them: each its share, one shard a rank.

The ranks need no contact: whoever finds all shards finished writes the logical file over them. So a rank may also be
started alone, with RANK and WORLD_SIZE set by hand, on another machine or at another time.
"""

from __future__ import annotations

from pathlib import Path

from feature_extraction.encoder import Encoder
from feature_extraction.extract import extract
from feature_extraction.machine import rank_and_world
from vlhyper.errors import UserError
from vlhyper.features import Skip
from vlhyper.features.merge import is_logical, join_shards


def extract_share(
    encoder: Encoder, images: dict[str, Path], out: Path, store: str, batch_size: int, workers: int
) -> list[Skip]:
    """`extract` of this process's share of `images`; returns the images of the share that could not be read.

    Raises UserError where `out` is a whole file already: shards can't be added to it.
    """
    rank, world = rank_and_world()
    if world == 1:
        return extract(encoder, images, out, store, batch_size, workers)
    if out.exists() and not is_logical(out):
        raise UserError(f"{out}: is a whole file already; choose another --out and join the two by `vlhyper merge`")
    mine = list(images.items())[len(images) * rank // world : len(images) * (rank + 1) // world]
    shards = [shard_path(out, each, world) for each in range(world)]
    skipped = extract(encoder, dict(mine), shards[rank], store, batch_size, workers)
    if all(shard.exists() for shard in shards):
        join_shards(shards, out)
    return skipped


def shard_path(out: Path, rank: int, world: int) -> Path:
    return out.with_name(f"{out.stem}.shard-{rank}-of-{world}{out.suffix}")
