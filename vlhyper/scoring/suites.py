"""Submissions of several files, as the GLUE and SuperGLUE sites take them: a zip, checked and packed as a whole."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vlhyper.errors import UserError, nearest
from vlhyper.files import existing_file, replacing, writing
from vlhyper.readers.opening import folder_files
from vlhyper.scoring.scorer import Scorer
from vlhyper.scoring.scorers import SCORERS
from vlhyper.wording import named, some

# What each site takes beside the files that are checked here.
SUITES: dict[str, tuple[str, ...]] = {
    "glue": (),
    "superglue": (
        "COPA.jsonl",
        "MultiRC.jsonl",
        "ReCoRD.jsonl",
        "WiC.jsonl",
        "WSC.jsonl",
        "AX-b.jsonl",
        "AX-g.jsonl",
    ),
}
# GLUE's largest, QQP's, has 4 MB.
LARGEST = 64 << 20
# A zip holds a time; the same files give the same zip.
TIME = (1980, 1, 1, 0, 0, 0)


def members_of(suite: str) -> dict[str, Scorer]:
    """The files of a suite that can be checked, each with the scorer whose server takes it."""
    servers = [(scorer, scorer.server) for scorer in SCORERS.values() if scorer.server is not None]
    return {
        name: scorer for scorer, server in servers for name, upload in server.uploads.items() if upload.suite == suite
    }


@contextmanager
def files_of(path: Path) -> Iterator[dict[str, Path]]:
    """The files of a folder or a zip by name, or one file. A zip is unpacked for as long as they are needed.

    Raises UserError for a zip that is damaged, or has folders, which the sites do not look into.
    """
    if path.is_dir():
        yield {file.name: file for ending in ("*.tsv", "*.jsonl") for file in folder_files(path, ending)}
    elif not zipfile.is_zipfile(existing_file(path, "a submission")):
        yield {path.name: path}
    else:
        with TemporaryDirectory() as folder:
            try:
                yield _unpacked(path, Path(folder))
            except UserError as error:
                # The user's file, not the copy of it.
                raise UserError(str(error).replace(folder, str(path))) from None


def _unpacked(path: Path, folder: Path) -> dict[str, Path]:
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                # macOS adds files of its own.
                if member.is_dir() or member.filename.startswith(("__MACOSX/", ".")):
                    continue
                found[member.filename] = _member(path, archive, member, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"{path}: not a zip that can be read ({error}); pack it again") from None
    return found


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    name = member.filename
    if "/" in name or "\\" in name:
        raise UserError(f"{path}: {named(name)} is in a folder; the site wants all files at the top of the zip")
    if member.file_size > LARGEST:
        raise UserError(f"{path}: {named(name)} has {member.file_size:,} bytes; no file of a submission is so large")
    if (folder / name).exists():
        raise UserError(f"{path}: {named(name)} is in it twice; pack it again")
    (folder / name).write_bytes(archive.read(member))
    return folder / name


def check_names(suite: str, files: Mapping[str, Path], source: Path, partial: bool) -> None:
    """Raises UserError for files that the site does not take and, unless `partial`, for those that are missing."""
    known = [*members_of(suite), *SUITES[suite]]
    for name in files:
        if name not in known:
            raise UserError(f"{source}: {named(name)} is no file of {suite}{nearest(name, known)}")
    missing = [name for name in known if name not in files]
    if missing and not partial:
        raise UserError(
            f"{source}: it lacks {some(missing, len(missing))}; the site wants all {len(known)} files (its sample "
            "submission has one for each), or check those that are there with --partial"
        )


def pack(files: Mapping[str, Path], path: Path) -> None:
    """Write a zip of files, all at its top. The same files give the same bytes."""
    with writing(path), replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name].read_bytes(), zipfile.ZIP_DEFLATED)
