"""From the files users already have to rows and gold: one manifest a data set, one short file a layout. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlhyper.readers.check import check_files as check_files
    from vlhyper.readers.check import check_manifest as check_manifest
    from vlhyper.readers.image_keys import require_all as require_all
    from vlhyper.readers.images import Matches as Matches
    from vlhyper.readers.images import match_images as match_images
    from vlhyper.readers.images import resolve_image as resolve_image
    from vlhyper.readers.manifest import Manifest as Manifest
    from vlhyper.readers.manifest import load_manifest as load_manifest
    from vlhyper.readers.rows import left_out as left_out
    from vlhyper.readers.rows import load_rows as load_rows

# Each is imported when it is first asked for: scoring uses the readers of the layouts, and no manifests or Arrow files.
_HOMES = {
    "Manifest": "manifest",
    "Matches": "images",
    "check_files": "check",
    "check_manifest": "check",
    "left_out": "rows",
    "load_manifest": "manifest",
    "load_rows": "rows",
    "match_images": "images",
    "require_all": "image_keys",
    "resolve_image": "images",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vlhyper.readers' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"vlhyper.readers.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
