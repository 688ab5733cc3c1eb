"""What a run sees of an image: a row of its feature files, or the same made anew by the encoder of these features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlhyper.errors import UserError
from vlhyper.features import FeatureSet
from vlhyper.features.layout import IDENTITY, first_difference
from vlhyper.files import sha256
from vlhyper.run.config import RunConfig
from vlhyper.run.rows import find_features
from vlhyper.run.tasks import resolve
from vlhyper.world import tiny

if TYPE_CHECKING:
    from PIL.Image import Image

    from feature_extraction.encoder import Encoder

    # A file, an id of the run's features, an image, or its pixels: uint8 (height, width) or (height, width, 3 or 4).
    Picture = str | Path | Image | np.ndarray

UNKNOWN = "unknown"


class Images:
    """The images of one run.

    where: the run folder, for messages. weights, encoder: as in `vlhyper extract`; where left out, the files that the
    features were made with, if they are still there. Nothing is loaded before the first image needs it.
    """

    def __init__(self, config: RunConfig, where: Path, weights: str | None = None, encoder: str | None = None) -> None:
        self.config, self.where, self._weights, self._encoder = config, where, weights, encoder
        # None for the limit of extraction.
        self.most_pixels: int | None = None

    @cached_property
    def _opened(self) -> FeatureSet | str | None:
        """The run's features, or why they cannot be read; a run may outlive them."""
        try:
            return find_features(resolve(self.config))
        except UserError as error:
            return str(error)

    @property
    def features(self) -> FeatureSet | None:
        """The run's own features; None where they cannot be read any more."""
        return self._opened if isinstance(self._opened, FeatureSet) else None

    def knows(self, image: object) -> bool:
        """Whether this is no file but the id of an image in the run's features."""
        return isinstance(image, str) and not Path(image).exists() and image in (self.features or ())

    def require(self, image: str | Path) -> None:
        """Raises UserError for what is neither a file, a folder nor an id."""
        if not Path(image).exists() and not self.knows(str(image)):
            why = f" ({self._opened})" if isinstance(self._opened, str) else ""
            raise UserError(f"{image}: no such file or folder, and not the id of an image in the run's features{why}")

    def rows(self, images: Sequence[Picture]) -> list[np.ndarray | str]:
        """Of each image its features (N, d_v) in the number format of the run's, or why it cannot be read.

        Raises UserError where the encoder cannot be had.
        """
        found: list[np.ndarray | str] = ["" for _ in images]
        known = [index for index, image in enumerate(images) if self.knows(image)]
        if known and self.features:
            rows = self.features.read([str(images[index]) for index in known])
            for index, row in zip(known, rows, strict=True):
                found[index] = row
        new = [index for index in range(len(images)) if index not in known]
        for index, row in zip(new, self._made([images[index] for index in new]), strict=True):
            found[index] = row
        return found

    def boxes(self, images: Sequence[Picture]) -> np.ndarray:
        """(B, N, 4) as `relative_boxes` gives them. Raises UserError for images that are not the run's."""
        from vlhyper.run.batches import relative_boxes

        strange = [image for image in images if not self.knows(image)]
        if strange or self.features is None:
            raise UserError(
                f"{self.where}: its method reads image regions with boxes, which no encoder here makes; ask by the id "
                "of an image in the run's features"
            )
        return relative_boxes(self.features, [str(image) for image in images])

    def _made(self, images: Sequence[Picture]) -> list[np.ndarray | str]:
        if not images:
            return []
        pixels = [self.pixels(image) for image in images]
        good = [one for one in pixels if isinstance(one, np.ndarray)]
        rows = iter(self.encode(np.stack(good)) if good else ())
        return [one if isinstance(one, str) else next(rows) for one in pixels]

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """(B, height, width, 3) uint8 as `pixels` gives them -> (B, N, d_v) as the run's files hold them."""
        dtype = self.features.dtype if self.features else np.dtype(np.float16)
        return self.encoder(pixels).cpu().numpy().astype(dtype)

    def pixels(self, image: Picture) -> np.ndarray | str:
        """(height, width, 3) uint8, what the encoder is given; or why there is nothing to give."""
        from feature_extraction.images import reason, squash

        wanted = self.encoder.preprocessing
        try:
            return squash(self.picture(image), wanted.size, wanted.interpolation)
        # Decoders raise many kinds of errors for broken files.
        except Exception as error:
            return reason(error, Path(image) if isinstance(image, str | Path) else None)

    def picture(self, image: Picture) -> Image:
        """The image in RGB, by extraction's rules. Raises the errors of Pillow for one it cannot read."""
        from feature_extraction.images import MOST_PIXELS, read_rgb, to_rgb

        if isinstance(image, str | Path):
            return read_rgb(Path(image), MOST_PIXELS if self.most_pixels is None else self.most_pixels)
        return to_rgb(_from_array(image) if isinstance(image, np.ndarray) else image)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that made the run's features. Raises UserError that says why where it cannot be had."""
        from feature_extraction.encoder import DTYPES, load_encoder
        from feature_extraction.extract import describe

        stated = self._stated()
        name, weights = self._files(stated)
        precision = self.features.meta["precision"] if self.features else ""
        found = load_encoder(name, weights, precision if precision in DTYPES else "fp32")
        ours = {key: describe(found)[key] for key in IDENTITY}
        if odd := first_difference(stated, ours):
            key, old, new = odd
            raise UserError(
                f"{weights}: {key} of this encoder is {new!r}, but the run was trained on features of {old!r}; give "
                "--weights, and --encoder, that the features were made with"
            )
        return found

    def _stated(self) -> dict[str, Any]:
        """What the run's features say of their encoder. Raises UserError where they do not know it."""
        meta = self.features.meta if self.features else {}
        stated = {key: getattr(self.config.features, key) or meta.get(key) for key in IDENTITY}
        if stated["weights_sha256"] in (None, UNKNOWN):
            raise UserError(
                f"{self.where}: its features were imported and do not say what weights made them, so no other image "
                "can be seen as they were; ask by the id of an image in the run's features"
            )
        return stated

    def _files(self, stated: Mapping[str, Any]) -> tuple[str, str]:
        """Encoder and weights as `load_encoder` takes them: those named, else those of the right digest."""
        meta = self.features.meta if self.features else {}
        recorded = meta.get("encoder_files") or {}
        name = self._encoder or str(recorded.get("encoder") or stated["encoder"])
        if self._weights:
            return name, self._weights
        world = tiny()
        for encoder, weights in (
            (name, recorded.get("weights")),
            (str(world / "clip.json"), str(world / "clip.safetensors")),
        ):
            if weights and Path(weights).is_file() and sha256(weights) == stated["weights_sha256"]:
                return encoder, weights
        where = f"are not at {recorded['weights']} any more" if recorded.get("weights") else "are not recorded"
        raise UserError(
            f"{self.where}: the weights of its encoder {stated['encoder']} (sha256 {stated['weights_sha256'][:12]}…) "
            f"{where}; give --weights FILE, or ask by the id of an image in the run's features"
        )


def _from_array(pixels: np.ndarray) -> Image:
    from PIL import Image

    fits = pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4)))
    if not fits or 0 in pixels.shape:
        raise UserError(
            f"an array of {pixels.dtype} {pixels.shape} is no image; give uint8 (height, width) or (height, width, 3)"
        )
    return Image.fromarray(pixels)
