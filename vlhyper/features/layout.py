"""The layout of feature files (`vlhyper-grid/1`): data sets, attributes, and which files belong together.

/features  (images, tokens, width)  float16 or float32, one chunk per image; a grid is row-major (y, then x)
/boxes     (images, tokens, 4)      float32, optional: x1 y1 x2 y2 in pixels
/sizes     (images, 2)              float32, optional: width and height of the image in pixels
/ids       (images,)                UTF-8, the image file's stem
/crc32     (images,)                uint32, over the bytes of the image's row of /features
attributes format, encoder, weights_sha256, preprocessing (JSON), created_with (JSON), precision
           encoder_files (JSON), optional: where the encoder and its weights were on the machine that made the file
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlhyper.errors import UserError
from vlhyper.wording import shown

FORMAT = "vlhyper-grid/1"
ROWS = ("features", "boxes", "sizes")
IDENTITY = ("encoder", "weights_sha256", "preprocessing")
JSON_ATTRIBUTES = ("preprocessing", "created_with", "encoder_files")
# For each data set the shape and the dtype of a row.
Shapes = dict[str, tuple[tuple[int, ...], str]]
META = (*IDENTITY, "created_with", "precision")
# Attributes that differ between files of the same features.
HISTORY = ("created_with", "encoder_files")


def attributes(meta: Mapping[str, Any]) -> dict[str, str]:
    """`meta` as the root attributes of a file."""
    keys = [*META, *(["encoder_files"] if meta.get("encoder_files") else [])]
    texts = {key: json.dumps(meta[key], sort_keys=True) if key in JSON_ATTRIBUTES else str(meta[key]) for key in keys}
    return {"format": FORMAT, **texts}


def read_meta(found: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The root attributes of `path` as `meta`. Raises UserError where the file has another format."""
    kind = found.get("format")
    if not isinstance(kind, str) or kind != FORMAT:
        said = f"its format is {shown(kind)}" if isinstance(kind, str) else "it has no attribute 'format'"
        raise UserError(
            f"{path}: not a feature file ({said}, expected {FORMAT!r}); convert feature files of other projects with "
            "`vlhyper import-features`"
        )
    missing = [key for key in (*IDENTITY, "created_with") if key not in found]
    if missing:
        raise UserError(f"{path}: the attribute {missing[0]!r} is missing; extract the file again")
    decoded: dict[str, Any] = {}
    for key in JSON_ATTRIBUTES:
        try:
            decoded[key] = json.loads(found.get(key, "{}"))
        except (TypeError, ValueError, RecursionError) as error:
            told = f"attribute {key!r} is not JSON ({error})"
            raise UserError(f"{path}: {told}; extract the file again") from None
    if odd := [key for key, value in decoded.items() if not isinstance(value, dict)]:
        raise UserError(
            f"{path}: attribute {odd[0]!r} is {shown(decoded[odd[0]])}, not a JSON object; extract it again"
        )
    plain = {key: str(found.get(key, "unknown")) for key in META if key not in JSON_ATTRIBUTES}
    return {**plain, **decoded}


def first_difference(
    one: Mapping[str, Any], other: Mapping[str, Any], keys: Iterable[str] = IDENTITY
) -> tuple[str, Any, Any] | None:
    """The first of `keys` with different values in the two mappings, and both values."""
    for key in keys:
        if one.get(key) != other.get(key):
            return key, one.get(key), other.get(key)
    return None


def require_same(
    name: str, meta: Mapping[str, Any], other_name: str, other: Mapping[str, Any], keys: Iterable[str] = IDENTITY
) -> None:
    """Raise UserError that names both files where they differ in one of `keys`."""
    if found := first_difference(meta, other, keys):
        key, mine, theirs = found
        raise UserError(
            f"{name} and {other_name} do not belong together: {key} is {_short(mine)} in the first and "
            f"{_short(theirs)} in the second; extract both with the same encoder, weights and preprocessing"
        )


def joined_versions(metas: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """`created_with` of a file made from several files: each library with all its versions."""
    joined: dict[str, list[str]] = {}
    for meta in metas:
        for library, version in meta["created_with"].items():
            seen = joined.setdefault(library, [])
            seen.extend(part for part in str(version).split(", ") if part not in seen)
    return {library: ", ".join(seen) for library, seen in joined.items()}


def _short(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else repr(value)
