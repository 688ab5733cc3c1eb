"""From config and feature files to batches: images, the blind control, the statistics of grids, tensors."""

import json

import numpy as np
import pytest
import torch
from run_cases import GRID, write_features

from vlhyper.errors import UserError
from vlhyper.model.spec import ModelSpec
from vlhyper.run.batches import (
    IGNORED,
    Collator,
    find_features,
    grid_statistics,
    load_split,
    load_tokenizer,
    model_inputs,
    stated,
)

SPLIT = {"vqa": "test", "gqa": "test", "caption": "test"}


def loaded(lab, *overrides: str, splits=SPLIT):
    config = lab.config(*overrides)
    return load_split(config, splits, find_features(config))


def pictures(lab, split: str) -> set[str]:
    return {path.stem for path in (lab.folder / "images" / split).iterdir()}


def test_each_task_has_the_number_of_its_place_in_the_config(lab):
    assert {name: rows.number for name, rows in loaded(lab).items()} == {"vqa": 0, "gqa": 2, "caption": 3}


def test_every_row_finds_the_features_of_its_own_image(lab):
    for rows in loaded(lab).values():
        assert set(rows.keys.values()) <= pictures(lab, "test")
        assert all(int(key.split("_")[1]) == int(raw.split("_")[-1]) for raw, key in rows.keys.items())


def seen_instead(lab, *overrides: str, splits=SPLIT) -> dict[str, str]:
    """Image -> the image whose features it gets, over all tasks, which must agree."""
    right = loaded(lab, splits=splits)
    wrong = loaded(lab, "features.mismatched=true", *overrides, splits=splits)
    pairs = {(right[name].keys[raw], wrong[name].keys[raw]) for name in right for raw in right[name].keys}
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_the_blind_control_gives_no_image_its_own_features_and_all_tasks_the_same(lab):
    other = seen_instead(lab)
    assert other.keys() == pictures(lab, "test") == set(other.values())
    assert all(image != instead for image, instead in other.items())


def test_the_blind_control_is_fixed_by_the_seed(lab):
    assert seen_instead(lab) == seen_instead(lab)
    assert seen_instead(lab) != seen_instead(lab, "training.seed=1")


def test_the_blind_control_stays_within_a_split(lab):
    assert set(seen_instead(lab, splits={"vqa": "val"}).values()) == pictures(lab, "val")


def test_grid_statistics_are_those_of_the_images_of_the_rows(lab):
    config = lab.config()
    features = find_features(config)
    rows = list(load_split(config, {"vqa": "train", "caption": "train"}, features).values())
    grids = features.read(sorted(pictures(lab, "train"))).astype(np.float64)
    mean, deviation = grid_statistics(rows, features)
    centred = grids - grids.mean((0, 1))
    assert mean.dtype == deviation.dtype == torch.float32
    assert mean.shape == (GRID[1],) and deviation.shape == ()
    torch.testing.assert_close(mean.double(), torch.tensor(grids.mean((0, 1))), rtol=1e-6, atol=1e-7)
    assert deviation.item() == pytest.approx(np.sqrt(np.square(centred).mean()), rel=1e-6)


def test_grid_statistics_of_many_images_take_an_even_sample(lab):
    config = lab.config()
    features = find_features(config)
    rows = list(load_split(config, {"vqa": "train"}, features).values())
    ends = sorted(set(rows[0].keys.values()))
    sample = features.read([ends[0], ends[-1]]).astype(np.float64)
    torch.testing.assert_close(
        grid_statistics(rows, features, most=2)[0].double(), torch.tensor(sample.mean((0, 1))), rtol=1e-6, atol=1e-7
    )


@pytest.fixture(scope="module")
def batch(lab):
    config = lab.config()
    features = find_features(config)
    rows = load_split(config, {"gqa": "train"}, features)["gqa"]
    tokenizer = load_tokenizer(config.model)
    collator = Collator(tokenizer, features, max_source_tokens=8, max_target_tokens=3)
    images = rows.rows["image"][:3]
    prompts = ["caption:", "gqa question: what color is the star?", "what " * 20]
    inputs = collator.inputs(rows, prompts, images)
    return inputs | {"labels": collator.labels(["red", "red red red red", ""])}, rows, images, tokenizer, features


def test_sources_are_padded_cut_and_end_as_t5_ends_them(batch):
    made, _, _, tokenizer, _ = batch
    assert made["input_ids"].shape == made["attention_mask"].shape == (3, 8)
    assert made["attention_mask"].sum(1).tolist() == [3, 8, 8]
    last = [row[mask.bool()][-1].item() for row, mask in zip(made["input_ids"], made["attention_mask"], strict=True)]
    assert last == [tokenizer.eos_token_id] * 3
    assert (made["input_ids"][made["attention_mask"] == 0] == tokenizer.pad_token_id).all()


def test_targets_end_and_what_lies_behind_is_left_out_of_the_loss(batch):
    made, _, _, tokenizer, _ = batch
    red, end = tokenizer("red")["input_ids"]
    assert made["labels"].tolist() == [[red, end, IGNORED], [red, red, end], [end, IGNORED, IGNORED]]


def test_a_batch_holds_task_and_grids(batch):
    made, rows, images, _, features = batch
    assert made["task"].tolist() == rows.number == 2
    assert np.array_equal(made["grid"].numpy(), features.read([rows.keys[image] for image in images]))


def test_a_task_without_images_has_no_grid(lab, tmp_path):
    files = {"train": {"files": {"table": str(tmp_path / "train.jsonl")}}}
    (tmp_path / "train.jsonl").write_text(json.dumps({"sentence": "red", "label": 1}) + "\n")
    data = {"name": "c", "format": "table", "splits": files, "fields": {"sentence": "sentence", "label": "label"}}
    data["labels"] = {0: "unacceptable", 1: "acceptable"}
    config = lab.config("model.method=hyperpelt", f"tasks={json.dumps({'cola': {'data': data, 'validation': None}})}")
    assert find_features(config) is None
    assert stated(config, None) == config
    assert model_inputs(config, None).tokens is None
    rows = load_split(config, {"cola": "train"}, None)["cola"]
    made = Collator(load_tokenizer(config.model), None, 8, 8).inputs(rows, ["cola sentence: red"], [""])
    assert made.keys() == {"input_ids", "attention_mask", "task"}


def test_the_model_is_made_for_the_grid_that_the_files_hold(lab):
    config = lab.config()
    inputs = model_inputs(config, find_features(config))
    assert (inputs.tokens, inputs.width) == GRID
    assert inputs.tasks == ("vqa", "vg_qa", "gqa", "caption")


def test_what_the_files_hold_is_stated_so_that_others_are_refused(lab, tmp_path):
    config = stated(lab.config(), find_features(lab.config()))
    assert (config.features.encoder, config.features.tokens, config.features.width) == ("RN101", *GRID)
    write_features(tmp_path / "other.h5", ["a"], weights_sha256="cd" * 32)
    other = config.features.model_copy(update={"files": [str(tmp_path / "other.h5")]})
    with pytest.raises(UserError, match="weights_sha256 is 'cdcd"):
        find_features(config.model_copy(update={"features": other}))
    write_features(tmp_path / "cropped.h5", ["a"], preprocessing={"resize": "shortest"})
    other = config.features.model_copy(update={"files": [str(tmp_path / "cropped.h5")]})
    with pytest.raises(UserError, match=r"preprocessing is \{'resize': 'shortest'\} but the run states \{\}"):
        find_features(config.model_copy(update={"features": other}))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"backbone": {"d_model": 8}}, "model.tokenizer is missing"),
        ({"backbone": "t5-base", "tokenizer": "/nowhere"}, "tokenizer '/nowhere' can't be loaded"),
    ],
)
def test_a_tokenizer_that_is_not_there_is_one_line(spec, told):
    with pytest.raises(UserError, match=told) as refusal:
        load_tokenizer(ModelSpec(**spec))
    assert "\n" not in str(refusal.value)


def test_rows_without_features_are_dropped_only_where_that_is_asked_for(lab, tmp_path):
    ids = [f"world_{number:06d}" for number in range(1, 13)]
    write_features(tmp_path / "half.h5", ids)
    config = lab.config(f"features.files=[{tmp_path / 'half.h5'}]", "features.missing=drop")
    rows = load_split(config, {"vqa": "train"}, find_features(config))["vqa"]
    assert 0 < len(rows) < 144 and set(rows.keys.values()) == set(ids)
    assert {rows.keys[image] for image in rows.rows["image"]} == set(ids)
    with pytest.raises(UserError, match="no image has features"):
        load_split(config, {"vqa": "val"}, find_features(config))
