"""Bringing the jars that SPICE needs, from Maven Central: resumed, checked, and in place only when they are whole."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlhyper.console import progress, say
from vlhyper.errors import JobError
from vlhyper.files import replacing, sha256

if TYPE_CHECKING:
    from jgo.maven import MavenContext

BLOCK = 1_000_000
TRIES = 4
TIMEOUT = 60


@dataclass(frozen=True)
class Jar:
    """One file by its Maven coordinates, and the SHA-256 of its bytes."""

    group: str
    name: str
    version: str
    digest: str
    classifier: str = ""


SPICE_JARS = (
    Jar(
        "edu.stanford.nlp",
        "stanford-corenlp",
        "3.6.0",
        "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742",
    ),
    Jar(
        "org.mozilla",
        "rhino-engine",
        "1.7.15",
        "b7bbb6724812a8ba6c650cf4a1e655a24af4d73a321add5a64a54c2d5963ce00",
    ),
    Jar("org.mozilla", "rhino", "1.7.15", "2427fdcbc149ca0a25ccfbb7c71b01f39ad42708773a47816cd2342861766b63"),
    Jar(
        "edu.stanford.nlp",
        "stanford-corenlp",
        "3.6.0",
        "d285157bd7887ee3018094b5dbae092e49088b023361ccdb550ee1daf9b2c9bd",
        "models",
    ),
)


def fetch_jars(jars: tuple[Jar, ...], folder: Path, repository: str | None = None) -> list[Path]:
    """Bring the jars into `folder` and return their paths; what is there and whole is not fetched again.

    repository: the address of a mirror instead of Maven Central. Raises JobError where a file cannot be had whole.
    """
    from jgo.maven import MavenContext

    context = MavenContext(remote_repos={"mirror": repository} if repository else None)
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch(jar, folder, context) for jar in jars]


def _fetch(jar: Jar, folder: Path, context: MavenContext) -> Path:
    component = context.project(jar.group, jar.name).at_version(jar.version)
    artifact = component.artifact(classifier=jar.classifier)
    target = folder / artifact.filename
    if target.is_file() and sha256(target) == jar.digest:
        say(f"{target.name} is there")
        return target
    if not _copy_of(jar, artifact.cached_path, target):
        address = next(iter(context.remote_repos.values())).rstrip("/")
        _download(f"{address}/{component.path_prefix.as_posix()}/{artifact.filename}", target, jar.digest)
    return target


def _copy_of(jar: Jar, cached: Path | None, target: Path) -> bool:
    """Take the file from the user's own Maven repository where it is there whole."""
    if cached is None or not cached.is_file() or sha256(cached) != jar.digest:
        return False
    with replacing(target) as part:
        shutil.copyfile(cached, part)
    say(f"{target.name} is taken from {cached}")
    return True


def _download(address: str, target: Path, digest: str) -> None:
    """Download to a `.part` file, go on from where it broke off, and rename it when its digest is right."""
    import requests

    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, TRIES + 1):
        try:
            _transfer(address, part)
            break
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if attempt == TRIES:
                raise JobError(f"{address}: {_reason(error)}; run the command again, it goes on from there") from None
            say(f"{target.name}: the connection broke off ({_reason(error)}); going on")
    if sha256(part) != digest:
        part.unlink()
        raise JobError(
            f"{address}: the file has another checksum than it should; it was removed, run the command again"
        )
    part.replace(target)


def _transfer(address: str, part: Path) -> None:
    """Append what is still missing to `part`. Raises JobError for an answer that is not one."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            # Nothing is missing; the digest tells whether what is there is right.
            return
        if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise JobError(f"{address}: the server says {answer.status_code} {answer.reason}")
        if answer.status_code == requests.codes.ok:
            have = 0
        size = answer.headers.get("Content-Length")
        total = None if size is None else (have + int(size)) // 1000
        with (
            part.open("ab" if have else "wb") as file,
            progress(part.stem, total, "kB", start=have // 1000) as bar,
        ):
            for block in answer.iter_content(BLOCK):
                file.write(block)
                bar(len(block) // 1000)


def _reason(error: Exception) -> str:
    return type(error).__name__
