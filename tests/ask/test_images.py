"""Which encoder a run sees with: found where its features say, or named; refused with the reason otherwise."""

from __future__ import annotations

import shutil

import pytest
from run_cases import write_features

from vlhyper.ask.images import Images
from vlhyper.errors import UserError
from vlhyper.features import open_features
from vlhyper.run.config import load_config, load_run


@pytest.fixture(scope="module")
def image(lab):
    return sorted((lab.folder / "images" / "test").glob("*.jpg"))[0]


def test_features_say_where_their_encoder_was(features, eyes):
    assert features.meta["encoder_files"] == {"encoder": str(eyes.config), "weights": str(eyes.weights)}


def test_weights_that_were_moved_can_be_named(asked, image, eyes, tmp_path, monkeypatch):
    moved = tmp_path / "moved.safetensors"
    shutil.copy(eyes.weights, moved)
    config = load_run(asked)
    images = Images(config, asked)
    images.features.meta["encoder_files"]["weights"] = str(tmp_path / "gone.safetensors")
    with pytest.raises(UserError, match=r"gone\.safetensors any more; give --weights FILE"):
        images.rows([image])
    named = Images(config, asked, weights=str(moved))
    assert named.rows([image])[0].shape == (4, 512)


def test_weights_of_another_content_are_refused(asked, image, eyes, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    state = load_file(eyes.weights)
    other = {key: value + 0.01 if value.dtype == torch.float32 else value for key, value in state.items()}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other\.safetensors: weights_sha256 of this encoder is"):
        Images(load_run(asked), asked, weights=str(tmp_path / "other.safetensors")).rows([image])


def test_features_that_were_imported_serve_by_their_ids_alone(lab, make_run, image, tmp_path):
    write_features(tmp_path / "imported.h5", ["one", "two"], weights_sha256="unknown", encoder="RN101")
    run = make_run(file=tmp_path / "imported.h5")
    images = Images(load_run(run), run)
    assert images.rows(["two"])[0].shape == (4, 6)
    with pytest.raises(UserError, match="imported and do not say what weights made them"):
        images.rows([image])


def test_a_run_outlives_its_features(asked, eyes, image, tmp_path):
    config = load_config(asked / "config.yaml", [f"features.files=[{tmp_path / 'gone.h5'}]"])
    images = Images(config, asked, weights=str(eyes.weights), encoder=str(eyes.config))
    assert images.rows([image])[0].shape == (4, 512)
    with pytest.raises(UserError, match=r"world_1: no such file or folder, and not the id .*gone\.h5"):
        images.require("world_1")


def test_what_is_said_of_an_encoder_survives_a_join(features, tmp_path):
    assert open_features(features.paths).meta["encoder_files"] == features.meta["encoder_files"]
