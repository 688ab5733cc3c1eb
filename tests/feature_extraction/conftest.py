"""A small encoder with random weights, and a folder of images."""

from pathlib import Path

import pytest
from encoder_cases import Tiny, noise, save_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Tiny:
    return save_tiny(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Eleven readable images and two that are not."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(11):
        noise(number).save(images / f"{number:02}.png")
    (images / "03b.jpg").write_bytes(b"no image")
    (images / "07b.jpg").write_bytes(b"")
    return images
