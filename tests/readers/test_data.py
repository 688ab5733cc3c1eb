"""The shipped manifests: whole, in agreement with the tasks, with the paper's counts."""

import functools
from pathlib import Path

import pytest

from vlhyper.readers import load_manifest
from vlhyper.readers.splits import part_of
from vlhyper.scoring.scorers import find_scorer
from vlhyper.tasks import TASKS

DATA = Path(__file__).resolve().parents[2] / "data"
MANIFESTS = sorted(DATA.rglob("*.yaml"))
TASK_OF = {
    "vqa_v2": "vqa",
    "vqa_karpathy": "vqa",
    "vqa_lxmert": "vqa",
    "vg_qa_vl_t5": "vg_qa",
    "gqa_vl_t5": "gqa",
    "coco_karpathy": "caption",
    "coco_captions": "caption",
    "snli_ve": "snli-ve",
    "aokvqa": "vqa",
    "vizwiz": "vqa",
    "textvqa": "vqa",
    "flickr8k": "caption",
    "flickr30k": "caption",
}
COUNTS = {
    "vqa_karpathy": {"train": 605102, "val": 26729, "test": 26280},
    "vqa_v2": {"train": 443757, "val": 214354, "karpathy_train": 605102, "karpathy_val": 26729, "karpathy_test": 26280},
    "coco_karpathy": {"train": 113287, "val": 5000, "test": 5000},
    "okvqa": {"train": 9009, "validation": 2523, "test": 2523, "whole": 5046},
    "snli_ve": {"train": 529527, "dev": 17858, "test": 17901},
    "glue_rte": {"train": 2490, "validation": 138, "test": 139},
    "glue_sst2": {"train": 66349, "validation": 1000, "test": 872},
    "glue_mnli": {"train": 391702, "validation": 1000, "test": 9815, "test_mismatched": 9832},
    "imdb": {"train": 25000, "validation": 12500, "test": 12500},
    "paws": {"train": 49401, "validation": 8000, "test": 8000},
    "aokvqa": {"train": 17056, "val": 1145, "test": 6702},
    "vizwiz": {"train": 20523, "val": 4319, "test": 8000},
    "textvqa": {"train": 34602, "val": 5000, "test": 5734},
    "flickr8k": {"train": 6000, "val": 1000, "test": 1000},
    "flickr30k": {"train": 29000, "val": 1014, "test": 1000},
}


def task_of(path: Path) -> str:
    name = path.stem.removeprefix("glue_")
    return TASK_OF.get(path.stem, name)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DATA)))
def test_a_manifest_is_whole(path):
    manifest = load_manifest(path)
    assert manifest.about and manifest.licence and manifest.homepage.startswith("https://")
    assert manifest.name == ("hub_" if path.parent.name == "hub" else "") + path.stem
    written = {file for split in manifest.splits.values() for files in split.files.values() for file in files}
    written |= {file for split in manifest.splits.values() for entry in split.exclude for file in entry.files}
    assert set(manifest.sources) <= written, "a source of a file that no split names"
    for name in manifest.splits:
        assert manifest.source(name).all_paths


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DATA)))
def test_a_manifest_has_the_texts_its_task_reads(path):
    task = TASKS[task_of(path)]
    manifest = load_manifest(path)
    assert set(task.columns) <= set(manifest.texts)
    assert set((manifest.labels or {}).values()) <= set(task.labels)


@pytest.mark.parametrize("name", COUNTS)
def test_the_papers_counts(name):
    manifest = load_manifest(DATA / f"{name}.yaml")
    assert {split: manifest.splits[split].count for split in COUNTS[name]} == COUNTS[name]


# Rows of the published files, as nyu-mll/glue, super_glue, imdb and paws tell them on the hub.
PUBLISHED = {
    "glue_cola": (8551, 1043, 1063),
    "glue_sst2": (67349, 872, 1821),
    "glue_mrpc": (3668, 408, 1725),
    "glue_qqp": (363846, 40430, 390965),
    "glue_stsb": (5749, 1500, 1379),
    "glue_mnli": (392702, 9815, 9832, 9796, 9847, 1104),
    "glue_qnli": (104743, 5463, 5463),
    "glue_rte": (2490, 277, 3000),
    "cb": (250, 56, 250),
    "boolq": (9427, 3270, 3245),
    "imdb": (25000, 25000),
    "okvqa": (9009, 5046),
}


@functools.cache
def size_of(part: str | None, rows: int, seed: int, held_out: int) -> int:
    return rows if part is None else len(part_of([str(number) for number in range(rows)], part, seed, held_out))


@pytest.mark.parametrize("name", [*PUBLISHED, *(f"hub/{name}" for name in PUBLISHED)])
def test_the_rules_give_the_counts_from_the_published_sizes(name):
    splits = load_manifest(DATA / f"{name}.yaml").splits
    files = list(dict.fromkeys(str(split.files) for split in splits.values()))
    # The hub has no train of OK-VQA.
    published = PUBLISHED[name.removeprefix("hub/")][1 if name == "hub/okvqa" else 0 :]
    rows = dict(zip(files, published, strict=False))
    counts = {name: split.count for name, split in splits.items()}
    assert counts == {
        name: size_of(split.part, rows[str(split.files)], split.seed, split.held_out) for name, split in splits.items()
    }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DATA)))
def test_what_a_split_is_submitted_as_is_what_the_server_takes(path):
    server = find_scorer(TASKS[task_of(path)].scorer).server if TASKS[task_of(path)].scorer else None
    for split in load_manifest(path).splits.values():
        if split.submission:
            assert server.uploads[split.submission].items == split.count


def test_every_task_has_a_data_set():
    assert {task_of(path) for path in MANIFESTS} == set(TASKS)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DATA)))
def test_the_halves_of_a_split_add_up(path):
    manifest = load_manifest(path)
    parts = {split.part: split for split in manifest.splits.values() if split.part}
    if "first-half" in parts:
        first, second = parts["first-half"], parts["second-half"]
        assert (first.files, first.seed) == (second.files, second.seed)
        assert second.count - first.count in (0, 1)
    if "held-out" in parts:
        held, rest = parts["held-out"], parts["all-but-held-out"]
        assert (held.files, held.count, held.held_out) == (rest.files, 1000, 1000)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(DATA)))
def test_where_to_get_what_is_missing_is_told(path, tmp_path):
    manifest = load_manifest(path, root=str(tmp_path))
    for name, split in manifest.splits.items():
        for line in manifest.missing(name):
            assert "https://" in line or "http://images.cocodataset.org" in line
        assert manifest.missing(name) or split.hub


def test_published_checksums_are_whole():
    sources = [source for path in MANIFESTS for source in load_manifest(path).sources.values()]
    digests = [source.archive_sha256 for source in sources if source.archive_sha256]
    assert len(set(digests)) >= 18
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
