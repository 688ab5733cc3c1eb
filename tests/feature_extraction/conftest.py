"""A small encoder with random weights, and a folder of images."""

import json
from pathlib import Path

import pytest
from encoder_cases import CONFIG, Tiny, noise, random_tower
from safetensors.torch import save_file


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Tiny:
    folder = tmp_path_factory.mktemp("encoder")
    config, weights = folder / "tiny.json", folder / "tiny.safetensors"
    config.write_text(json.dumps(CONFIG))
    state = {f"visual.{key}": value for key, value in random_tower(CONFIG).state_dict().items()}
    save_file({key: value for key, value in state.items() if "attnpool" not in key}, weights)
    return Tiny(config, weights, state)


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
