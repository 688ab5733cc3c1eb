"""The world's folder: official layouts, held-out pairs, the same bytes for the same seed, the ordinary readers."""

import hashlib
import json
import re

import pytest
import yaml

from vlhyper.errors import UserError
from vlhyper.readers import load_manifest, load_rows, resolve_image
from vlhyper.world import SIZES, build
from vlhyper.world.build import scenes_of
from vlhyper.world.scene import UNSEEN_PAIRS

SMALL = {"train": 40, "val": 10, "test": 12, "unseen": 12}
TASKS = ("vqa", "okvqa", "vg_qa", "gqa", "caption", "snli_ve")
UNSEEN_NAMES = [" ".join(pair) for pair in UNSEEN_PAIRS]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    build(folder, seed=7, sizes=SMALL)
    return folder


def annotation(world, name):
    return json.loads((world / "annotations" / name).read_text())


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_scenes(world, tmp_path):
    build(tmp_path / "again", seed=7, sizes=SMALL)
    build(tmp_path / "other", seed=8, sizes=SMALL)
    first, again, other = digests(world), digests(tmp_path / "again"), digests(tmp_path / "other")
    assert first == again
    assert first.keys() == other.keys()
    assert sum(first[name] == other[name] for name in first if name.endswith(".jpg")) == 0


def test_a_split_does_not_depend_on_the_size_of_others():
    few, many = scenes_of(0, {"train": 5, "test": 6}), scenes_of(0, {"train": 50, "test": 6})
    assert [picture.scene for picture in few["test"]] == [picture.scene for picture in many["test"]]


def test_unseen_pairs_are_in_every_unseen_scene_and_in_no_other_text_or_picture(world):
    for split, pictures in scenes_of(7, SMALL).items():
        for picture in pictures:
            assert any(thing.pair in UNSEEN_PAIRS for thing in picture.scene) == (split == "unseen")
    texts = {path.name: path.read_text().lower() for path in (world / "annotations").iterdir()}
    for name, text in texts.items():
        named = [pair for pair in UNSEEN_NAMES if re.search(rf"\b{pair}", text)]
        asks_for_pairs = not name.startswith("okvqa") and "vqa_unseen_annotations" not in name
        assert bool(named) == ("_unseen_" in name and asks_for_pairs), name


def test_vqa_is_laid_out_as_the_official_files(world, shared):
    official = json.loads((shared / "vqa/vqav2_smallval_questions.json").read_text())
    questions = annotation(world, "vqa_test_questions.json")
    assert questions.keys() == official.keys()
    assert questions["questions"][0].keys() == official["questions"][0].keys()
    official = json.loads((shared / "vqa/vqav2_smallval_annotations.json").read_text())
    annotations = annotation(world, "vqa_test_annotations.json")
    assert annotations.keys() == official.keys() - {"task_type"}
    one = annotations["annotations"][0]
    assert one.keys() == official["annotations"][0].keys() | {"multiple_choice_answer"}
    assert one["answers"][0].keys() == official["annotations"][0]["answers"][0].keys()
    assert [answer["answer_id"] for answer in one["answers"]] == list(range(1, 11))
    kinds = {(a["answer_type"], a["question_type"]) for a in annotations["annotations"]}
    assert {kind for kind, _ in kinds} == {"yes/no", "number", "other"}
    assert ("number", "how many") in kinds and ("other", "what color is") in kinds
    assert [a["question_id"] for a in annotations["annotations"]] == [q["question_id"] for q in questions["questions"]]


def test_okvqa_has_raw_and_stemmed_answers_and_its_question_types(world):
    file = annotation(world, "okvqa_val_annotations.json")
    assert file["question_types"]["eight"] == "Plants and Animals"
    for one in file["annotations"]:
        assert one["question_type"] in file["question_types"] and one["confidence"] == 3
        assert one["answers"][0].keys() == {"answer_id", "raw_answer", "answer", "answer_confidence"}


def test_gqa_is_laid_out_as_the_official_file(world, shared):
    official = json.loads((shared / "gqa/testdev_balanced_head_1733.json").read_text())
    model = next(iter(official.values()))
    questions = annotation(world, "gqa_val_questions.json")
    assert {q["types"]["structural"] for q in questions.values()} == {"query", "verify", "choose"}
    for id, question in questions.items():
        assert question.keys() == model.keys() and question["types"].keys() == model["types"].keys()
        assert question["groups"].keys() == model["groups"].keys()
        assert question["semantic"][0].keys() == model["semantic"][0].keys()
        assert question["equivalent"] == [id]
        assert all(questions[other]["imageId"] == question["imageId"] for other in question["entailed"])
    assert any(question["entailed"] for question in questions.values())


def test_visual_genome_captions_and_snli_ve_are_laid_out_as_the_official_files(world, shared):
    official = json.loads((shared / "vgqa/question_answers.json").read_text())
    image = annotation(world, "vg_qa_test_questions.json")[0]
    assert image.keys() == official[0].keys() and image["qas"][0].keys() == official[0]["qas"][0].keys()
    assert image["qas"][0]["answer"].endswith(".")
    official = json.loads((shared / "coco/captions_val2017_mini.json").read_text())
    captions = annotation(world, "caption_test_annotations.json")
    assert captions.keys() == official.keys()
    for part in ("licenses", "images", "annotations"):
        assert captions[part][0].keys() == official[part][0].keys()
    assert len(captions["annotations"]) == 5 * len(captions["images"])
    official = json.loads((shared / "snli_ve/sample.jsonl").read_text().splitlines()[0])
    line = json.loads((world / "annotations/snli_ve_test_annotations.jsonl").read_text().splitlines()[0])
    assert line.keys() == {key for key in official if not key.endswith("parse")}


@pytest.mark.parametrize("task", TASKS)
def test_the_ordinary_readers_load_every_split(world, task, tmp_path):
    manifest = load_manifest(world / f"{task}.yaml")
    for split, size in SMALL.items():
        rows = load_rows(manifest, split, tmp_path)
        assert len(rows) == manifest.split(split).count
        assert len(set(rows["image"])) == size
        known = {path.stem for path in (world / "images" / split).iterdir()}
        assert {resolve_image(image, manifest.image_templates(split), known) for image in rows["image"]} == known
        assert all(rows["targets"])


def test_manifests_can_stand_inside_a_config(world, tmp_path):
    inline = yaml.safe_load((world / "vqa.yaml").read_text())
    manifest = load_manifest(inline | {"root": str(world)}, base=tmp_path)
    assert len(load_rows(manifest, "val", tmp_path)) == manifest.split("val").count


def test_a_hard_world_asks_about_relations(tmp_path):
    build(tmp_path, sizes={"test": 30}, level="hard")
    questions = annotation(tmp_path, "vqa_test_questions.json")["questions"]
    assert any(" left of " in question["question"] for question in questions)
    compared = [
        q for q in annotation(tmp_path, "gqa_test_questions.json").values() if q["types"]["detailed"] == "sameColor"
    ]
    assert compared and all(len(question["semantic"]) == 3 for question in compared)


def test_unknown_splits_and_levels_are_refused(tmp_path):
    with pytest.raises(UserError, match="did you mean 'train'"):
        build(tmp_path, sizes={"trian": 3})
    with pytest.raises(UserError, match="level 'medium'"):
        build(tmp_path, level="medium")
    assert not list(tmp_path.iterdir())
    assert list(SIZES) == ["train", "val", "test", "unseen"]
