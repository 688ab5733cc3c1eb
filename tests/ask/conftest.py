"""A run that was never trained, on features of a small encoder: what it says is odd, but the same every time."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from encoder_cases import save_tiny
from run_cases import text_task

from vlhyper.ask.asker import Asker
from vlhyper.features import open_features
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.config import save_config
from vlhyper.run.rows import find_features, model_inputs, stated


@pytest.fixture(scope="session")
def eyes(tmp_path_factory):
    """The encoder, in a folder where runs find it."""
    return save_tiny(tmp_path_factory.mktemp("eyes"))


@pytest.fixture(scope="session")
def features(lab, eyes, tmp_path_factory):
    """A feature file of the lab's test images as `vlhyper extract` writes it."""
    path = tmp_path_factory.mktemp("features") / "features.h5"
    eyes.extract(lab.folder / "images" / "test", "--out", path, "--workers", 0)
    return open_features(path)


@pytest.fixture(scope="session")
def make_run(lab, features, tmp_path_factory):
    """Writes a run folder for a config with these overrides."""

    def make(*overrides: str, file=features.paths[0]):
        folder = tmp_path_factory.mktemp("run")
        run = lab.run(f"features.files=[{file}]", *overrides)
        opened = find_features(run)
        run = stated(run, opened)
        torch.manual_seed(3)
        model = VLHyperPELT.build(run.config.model, model_inputs(run, opened))
        with torch.no_grad():
            # Some weights start at zero, and no image would matter.
            for _, weight in model.trained():
                weight += torch.randn_like(weight) * 0.3
        model.save_pretrained(folder)
        save_config(run.config, folder / "config.yaml")
        return folder

    return make


@pytest.fixture(scope="session")
def asked(lab, make_run, tmp_path_factory):
    """A run folder with the tasks of the lab, a choice about images and one about texts."""
    choice = f"tasks.snli-ve={{data: {lab.folder / 'snli_ve.yaml'}}}"
    short = [f"tasks.{task}.max_new_tokens=4" for task in ("vqa", "vg_qa", "gqa")]
    return make_run(choice, text_task(tmp_path_factory.mktemp("texts")), *short)


@pytest.fixture(scope="module")
def asker(asked):
    """That run, loaded."""
    return Asker(asked)


@pytest.fixture(scope="module")
def picture(lab):
    """A test image of the lab."""
    return sorted((lab.folder / "images" / "test").glob("*.jpg"))[0]


@pytest.fixture
def blind(asked, tmp_path):
    """A run folder whose method sees no images."""
    folder = tmp_path / "blind"
    shutil.copytree(asked, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"] = {"method": "hyperpelt", "backbone": config["model"]["backbone"]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder
