"""What is missing or wrong with a split's files, before any training."""

from __future__ import annotations

from pathlib import Path

from vlhyper.errors import UserError
from vlhyper.files import sha256
from vlhyper.readers.manifest import Download, Manifest
from vlhyper.readers.rows import load_rows


def check_manifest(
    manifest: Manifest, split: str, cache_dir: str | Path | None = None, digests: bool = False
) -> list[str]:
    """One line for each thing that is wrong with a split; none if all is well.

    Reads every record. Sizes are compared where the manifest tells them, checksums too with `digests`.
    Raises UserError for a split the manifest does not have.
    """
    if problems := check_files(manifest, split, digests):
        return problems
    try:
        load_rows(manifest, split, cache_dir)
    except UserError as error:
        return [str(error)]
    return []


def check_files(manifest: Manifest, split: str, digests: bool = False) -> list[str]:
    """What `check_manifest` finds without reading a record."""
    return manifest.missing(split) or _wrong_files(manifest, split, digests)


def _wrong_files(manifest: Manifest, split: str, digests: bool) -> list[str]:
    written = [path for paths in manifest.split(split).files.values() for path in paths if path in manifest.sources]
    faults = ((Path(manifest.root, path), manifest.sources[path]) for path in written)
    return [line for path, known in faults if (line := _wrong_file(path, known, digests))]


def _wrong_file(path: Path, known: Download, digests: bool) -> str | None:
    size = path.stat().st_size
    if known.bytes is not None and size != known.bytes:
        return f"{path} has {size:,} bytes, the published file {known.bytes:,}; fetch it again"
    if digests and known.sha256 is not None and sha256(path) != known.sha256:
        return f"{path} has another SHA-256 than the published file ({known.sha256}); fetch it again"
    return None
