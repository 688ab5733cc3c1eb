"""The published files of COCO and VQA v2 through extract, check, train and evaluate, with random models."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
import yaml
from encoder_cases import CONFIG, random_tower
from run_cases import log_lines, losses
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

from feature_extraction.towers import build_tower
from vlhyper.cli import run
from vlhyper.features import open_features
from vlhyper.files import read_json

pytestmark = pytest.mark.usefixtures("fresh_process")

SIZES = {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 1, "d_ff": 24}


@pytest.fixture
def user(shared, tmp_path):
    """A user's folder: a config that names the published files where they lie, and models with random weights."""
    torch.manual_seed(0)
    config = T5Config(vocab_size=32128, **SIZES, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    (tmp_path / "clip.json").write_text(json.dumps(CONFIG))
    save_file(
        {f"visual.{key}": v for key, v in random_tower(CONFIG).state_dict().items()}, tmp_path / "clip.safetensors"
    )
    # The questions are about 100 images, of which 43 are here.
    here = {int(path.stem) for path in (shared / "coco/val2014").glob("*.jpg")}
    for role in ("questions", "annotations"):
        records = read_json(shared / f"vqa/vqav2_smallval_{role}.json")
        records[role] = [record for record in records[role] if record["image_id"] in here]
        (tmp_path / f"{role}.json").write_text(json.dumps(records))
    captions = read_json(shared / "coco/captions_val2017_mini.json")
    known = {path.stem for path in (shared / "coco/val2017").glob("*.jpg")}
    captions["images"] = [image for image in captions["images"] if Path(image["file_name"]).stem in known]
    ids = {image["id"] for image in captions["images"]}
    captions["annotations"] = [one for one in captions["annotations"] if one["image_id"] in ids]
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    vqa = {"questions": "questions.json", "annotations": "annotations.json"}
    splits = ("train", "val", "test")
    tasks = {
        "vqa": {"name": "v", "format": "vqa", "image_key": ["COCO_val2014_{id:012d}", "{id:012d}"]},
        "caption": {"name": "c", "format": "coco-captions"},
    }
    tasks["vqa"]["splits"] = {split: {"files": vqa} for split in splits}
    tasks["caption"]["splits"] = {split: {"files": {"annotations": "captions.json"}} for split in splits}
    values = {
        "model": {"backbone": "t5", "tokenizer": str(shared / "t5_tokenizer"), "embedding_width": 8, "bottleneck": 4},
        "tasks": {name: {"data": data, "beams": 2, "max_new_tokens": 5} for name, data in tasks.items()},
        "features": {"files": ["coco.h5"]},
        "training": {"steps": 4, "batch": 8, "log_every": 1},
        "validation": {"every": 4, "sample": 6},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return tmp_path


def extract(user, images: list[Path], *options: object) -> None:
    run(["extract", *map(str, images), "--out", str(user / "coco.h5"), "--workers", "0", *map(str, options)])


def test_images_become_features_a_model_and_scored_answers(user, shared, capsys):
    folders = [shared / "coco/val2014", shared / "coco/val2017"]
    extract(user, folders, "--encoder", user / "clip.json", "--weights", user / "clip.safetensors")
    assert len(open_features(user / "coco.h5")) == 43 + 46
    config, out = str(user / "run.yaml"), user / "out"
    assert run(["check", config]) is None
    run(["train", config, "training.learning_rate=3e-3", "--out", str(out)])
    assert sorted(losses(out)) == [1, 2, 3, 4]
    assert log_lines(out, "validation")[4].keys() == {"vqa.overall", "caption.CIDEr", "mean"}
    run(["evaluate", str(out)])
    assert len(read_json(out / "predictions/vqa.test.json")) == 240
    assert {type(one["question_id"]) for one in read_json(out / "predictions/vqa.test.json")} == {int}
    # The captions name 79 images, of which 19 are here.
    assert len(read_json(out / "predictions/caption.test.json")) == 19
    scores = read_json(out / "scores.json")["test"]
    assert scores["vqa"]["n"] == 240 and scores["vqa"]["variant"] == "official"
    assert {"BLEU-4", "METEOR", "ROUGE-L", "CIDEr"} <= scores["caption"]["metrics"].keys()
    capsys.readouterr()
    said = ["--predictions", str(out / "predictions/vqa.test.json"), "--json"]
    run(["score", "vqa", "--annotations", str(user / "annotations.json"), *said])
    assert json.loads(capsys.readouterr().out)["metrics"] == scores["vqa"]["metrics"]


def test_rn101_gives_its_grid_and_a_model_trains_on_it(user, shared):
    tower = build_tower(open_clip.get_model_config("RN101"))
    save_file({f"visual.{key}": value for key, value in tower.state_dict().items()}, user / "rn101.safetensors")
    images = sorted((shared / "coco/val2014").glob("*.jpg"))[:1]
    extract(user, images, "--encoder", "RN101", "--weights", user / "rn101.safetensors")
    features = open_features(user / "coco.h5")
    assert (len(features), features.tokens, features.width) == (1, 49, 2048)
    known = {int(image.stem) for image in images}
    for role in ("questions", "annotations"):
        records = read_json(user / f"{role}.json")
        records[role] = [record for record in records[role] if record["image_id"] in known]
        (user / f"{role}.json").write_text(json.dumps(records))
    values = yaml.safe_load((user / "run.yaml").read_text())
    del values["tasks"]["caption"]
    (user / "run.yaml").write_text(yaml.safe_dump(values))
    run(["train", str(user / "run.yaml"), "validation.every=0", "training.steps=2", "--out", str(user / "out")])
    assert sorted(losses(user / "out")) == [1, 2]
