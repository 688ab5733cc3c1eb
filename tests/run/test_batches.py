"""From rows to tensors: the statistics of grids, padded texts, the batches of every step."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from run_cases import GRID

from vlhyper.errors import UserError
from vlhyper.run.batches import IGNORED, Collator, TrainingBatches, grid_statistics, upcoming
from vlhyper.run.rows import find_features, load_split, model_inputs, stated
from vlhyper.run.schedule import Schedule
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.tasks import Example

SIZES = {"large": 1000, "small": 40, "tiny": 3}


def pictures(lab, split: str) -> set[str]:
    return {path.stem for path in (lab.folder / "images" / split).iterdir()}


def test_grid_statistics_are_those_of_the_images_of_the_rows(lab):
    run = lab.run()
    features = find_features(run)
    rows = list(load_split(run, {"vqa": "train", "caption": "train"}, features).values())
    grids = features.read(sorted(pictures(lab, "train"))).astype(np.float64)
    mean, deviation = grid_statistics(rows, features)
    centred = grids - grids.mean((0, 1))
    assert mean.dtype == deviation.dtype == torch.float32
    assert mean.shape == (GRID[1],) and deviation.shape == ()
    torch.testing.assert_close(mean.double(), torch.tensor(grids.mean((0, 1))), rtol=1e-6, atol=1e-7)
    assert deviation.item() == pytest.approx(np.sqrt(np.square(centred).mean()), rel=1e-6)


def test_grid_statistics_of_many_images_take_an_even_sample(lab):
    run = lab.run()
    features = find_features(run)
    rows = list(load_split(run, {"vqa": "train"}, features).values())
    ends = sorted(set(rows[0].keys.values()))
    sample = features.read([ends[0], ends[-1]]).astype(np.float64)
    torch.testing.assert_close(
        grid_statistics(rows, features, most=2)[0].double(), torch.tensor(sample.mean((0, 1))), rtol=1e-6, atol=1e-7
    )


@pytest.fixture(scope="module")
def batch(lab):
    run = lab.run("tasks.gqa.max_source_tokens=8")
    features = find_features(run)
    rows = load_split(run, {"gqa": "train"}, features)["gqa"]
    tokenizer = load_tokenizer(run.config.model)
    collator = Collator(tokenizer, features, max_target_tokens=3)
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


def test_few_lengths_are_multiples_and_add_only_padding(batch):
    made, rows, images, tokenizer, features = batch
    collator = Collator(tokenizer, features, max_target_tokens=3, few_lengths=True)
    prompts = ["caption:", "gqa question: what color is the star?", "what " * 20]
    longer = collator.inputs(rows, prompts, images)
    assert longer["input_ids"].shape == (3, 16)
    assert torch.equal(longer["input_ids"][:, :8], made["input_ids"])
    assert longer["attention_mask"][:, 8:].sum() == 0
    labels = collator.labels(["red", "red red red red", ""])
    assert labels.shape == (3, 8) and torch.equal(labels[:, :3], made["labels"]) and (labels[:, 3:] == IGNORED).all()


def test_a_batch_holds_task_and_grids(batch):
    made, rows, images, _, features = batch
    assert made["task"].tolist() == rows.task.number == 2
    assert np.array_equal(made["grid"].numpy(), features.read([rows.keys[image] for image in images]))


def test_a_task_without_images_has_no_grid(lab, tmp_path):
    files = {"train": {"files": {"table": str(tmp_path / "train.jsonl")}}}
    (tmp_path / "train.jsonl").write_text(json.dumps({"sentence": "red", "label": 1}) + "\n")
    data = {"name": "c", "format": "table", "splits": files, "fields": {"sentence": "sentence", "label": "label"}}
    data["labels"] = {0: "unacceptable", 1: "acceptable"}
    run = lab.run("model.method=hyperpelt", f"tasks={json.dumps({'cola': {'data': data, 'validation': None}})}")
    assert find_features(run) is None
    assert stated(run, None) == run
    assert model_inputs(run, None).tokens is None
    rows = load_split(run, {"cola": "train"}, None)["cola"]
    made = Collator(load_tokenizer(run.config.model), None, 8).inputs(rows, ["cola sentence: red"], [""])
    assert made.keys() == {"input_ids", "attention_mask", "task"}


@pytest.mark.parametrize("gpu", [True, False])
def test_batches_are_pinned_where_there_is_a_gpu(monkeypatch, gpu):
    asked = {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    monkeypatch.setattr("vlhyper.run.batches.DataLoader", lambda *_, **options: asked.update(options) or [])
    assert list(upcoming(batches(), 0, 0)) == []
    assert asked["pin_memory"] is gpu


@dataclass
class Told:
    """Stands for rows, examples and collator; a batch is what it was asked for."""

    name: str = ""
    asked: list = field(default_factory=list)

    def batch(self, chosen) -> list[Example]:
        return [Example(f"{index}:{epoch}", self.name, "", f"{index}:{epoch}") for index, epoch in chosen]

    def inputs(self, rows, prompts, images):
        return {"task": rows.name}

    def labels(self, targets):
        return targets


def batches(rank: int = 0, world: int = 1, accumulation: int = 1) -> TrainingBatches:
    named = {name: Told(name) for name in SIZES}
    return TrainingBatches(Schedule(SIZES, 30, 8, 2, 0), named, named, Told(), accumulation, rank, world)


@pytest.mark.parametrize(("world", "accumulation"), [(1, 2), (2, 1), (2, 2), (4, 2)])
def test_shares_of_ranks_and_micro_batches_are_together_the_batch(world, accumulation):
    whole = batches()
    parts = [batches(rank, world, accumulation) for rank in range(world)]
    assert all(len(part) == 30 * accumulation for part in parts)
    for step in range(30):
        micro = [part[step * accumulation + number] for number in range(accumulation) for part in parts]
        assert {one["task"] for one in micro} == {whole[step]["task"]}
        assert len({len(one["labels"]) for one in micro}) == 1
        assert [target for one in micro for target in one["labels"]] == whole[step]["labels"]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_batches_go_on_from_any_step(accumulation):
    made = batches(accumulation=accumulation)
    for first in (0, 7, 30):
        assert list(upcoming(made, first, 0)) == [made[index] for index in range(first * accumulation, len(made))]


class Broken(TrainingBatches):
    """Batches of which one cannot be made."""

    fault: Exception

    def _batch(self, index: int):
        if index == 3:
            raise self.fault
        return {"task": torch.tensor(index)}


def broken(fault) -> Broken:
    named = {name: Told(name) for name in SIZES}
    made = Broken(Schedule(SIZES, 6, 8, 2, 0), named, named, Told(), 1, 0, 1)
    made.fault = fault
    return made


@pytest.mark.parametrize("workers", [0, 1])
def test_a_users_mistake_found_by_a_worker_is_one_line(workers):
    with pytest.raises(UserError) as refusal:
        list(upcoming(broken(UserError("f.h5: row 7 is damaged")), 0, workers))
    assert str(refusal.value) == "f.h5: row 7 is damaged"
