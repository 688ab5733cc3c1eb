"""A small encoder with random weights, and a folder of images."""

from pathlib import Path

import pytest
from encoder_cases import Tiny, save_images, save_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Tiny:
    return save_tiny(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return save_images(tmp_path)
