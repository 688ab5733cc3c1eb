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
from vlhyper.features import Skip, open_features
from vlhyper.features.merge import is_logical, join_shards
from vlhyper.features.writer import read_skipped


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
    shards = [shard_path(out, each, world) for each in range(world)]
    # Images that are added later must not move the others to another shard: only what `out` lacks is shared out.
    whole = out.exists() and all(shard.exists() for shard in shards)
    old = _settled(out) if whole and _made_of(out, shards) else set()
    new = [item for item in images.items() if item[0] not in old]
    mine = dict(new[len(new) * rank // world : len(new) * (rank + 1) // world])
    extract(encoder, mine, shards[rank], store, batch_size, workers)
    # Not before all ranks have done their share of these images: until then `out` says what was there before.
    if all(shard.exists() for shard in shards) and images.keys() <= set().union(*map(_settled, shards)):
        join_shards(shards, out)
    return [skip for skip in read_skipped(shards[rank]) if Path(skip.image).stem in images]


def _settled(path: Path) -> set[str]:
    """The ids of a finished file, and those of the images that could not be read."""
    return {*open_features(path).ids, *(Path(skip.image).stem for skip in read_skipped(path))}


def _made_of(out: Path, shards: list[Path]) -> bool:
    return {segment.path.name for segment in open_features(out).segments} <= {shard.name for shard in shards}


def shard_path(out: Path, rank: int, world: int) -> Path:
    return out.with_name(f"{out.stem}.shard-{rank}-of-{world}{out.suffix}")
