"""Extraction in several processes, started by torchrun or accelerate launch: each rank writes one shard.

The ranks do not communicate: the rank that finds all shards finished writes the logical file over them. So a rank may
also be started alone, with RANK and WORLD_SIZE set by hand, on another machine or at another time.
"""

from __future__ import annotations

from pathlib import Path

from feature_extraction.encoder import Encoder
from feature_extraction.extract import extract
from feature_extraction.images import MOST_PIXELS
from feature_extraction.machine import rank_and_world
from vlhyper.errors import UserError
from vlhyper.features import Skip, open_features
from vlhyper.features.merge import is_logical, join_shards
from vlhyper.features.writer import read_skipped


def extract_share(
    encoder: Encoder,
    images: dict[str, Path],
    out: Path,
    store: str,
    batch_size: int,
    workers: int,
    most_pixels: int = MOST_PIXELS,
) -> list[Skip]:
    """Run `extract` on this process's share of `images`; return the images of the share that could not be read.

    Raises UserError where `out` is a complete file: shards cannot be added to it.
    """
    rank, world = rank_and_world()
    if world == 1:
        return extract(encoder, images, out, store, batch_size, workers, most_pixels)
    if out.exists() and not is_logical(out):
        raise UserError(
            f"{out}: already a complete file, not shards; choose another --out and join the two with `vlhyper merge`"
        )
    shards = [shard_path(out, each, world) for each in range(world)]
    # Images added later must not move others to another shard, so only the images missing in `out` are distributed.
    whole = out.exists() and all(shard.exists() for shard in shards)
    old = _settled(out) if whole and _made_of(out, shards) else set()
    new = [item for item in images.items() if item[0] not in old]
    mine = dict(new[len(new) * rank // world : len(new) * (rank + 1) // world])
    extract(encoder, mine, shards[rank], store, batch_size, workers, most_pixels)
    # Only after all ranks have finished their share of these images; until then `out` keeps its old content.
    if all(shard.exists() for shard in shards) and images.keys() <= set().union(*map(_settled, shards)):
        join_shards(shards, out)
    return [skip for skip in read_skipped(shards[rank]) if Path(skip.image).stem in images]


def _settled(path: Path) -> set[str]:
    """The ids of a finished file, and the ids of its skipped images."""
    return {*open_features(path).ids, *(Path(skip.image).stem for skip in read_skipped(path))}


def _made_of(out: Path, shards: list[Path]) -> bool:
    return {segment.path.name for segment in open_features(out).segments} <= {shard.name for shard in shards}


def shard_path(out: Path, rank: int, world: int) -> Path:
    return out.with_name(f"{out.stem}.shard-{rank}-of-{world}{out.suffix}")
