"""From the files users already have to rows: one manifest a data set, one short file a layout. No torch in here."""

from vlhyper.readers.check import check_manifest
from vlhyper.readers.images import Matches, match_images, require_all, resolve_image
from vlhyper.readers.manifest import Manifest, load_manifest
from vlhyper.readers.rows import load_rows

__all__ = [
    "Manifest",
    "Matches",
    "check_manifest",
    "load_manifest",
    "load_rows",
    "match_images",
    "require_all",
    "resolve_image",
]
