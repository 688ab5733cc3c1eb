"""The validation sample: what it is, that its truth is read once, that what hinders a score is told before training."""

import json
import shutil

import pytest
import yaml
from run_cases import RUN, Lab

from vlhyper.errors import JobError, UserError
from vlhyper.model.model import VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.held_out import hold_out, spread
from vlhyper.run.rows import find_features, model_inputs
from vlhyper.run.tasks import resolve
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.run.train import train
from vlhyper.run.validation import validate

pytestmark = pytest.mark.usefixtures("fresh_process")


@pytest.fixture
def world(lab, tmp_path) -> Lab:
    """A copy of the lab whose files may be changed."""
    shutil.copytree(lab.folder, tmp_path / "lab", ignore=shutil.ignore_patterns("images"))
    return Lab(tmp_path / "lab")


@pytest.mark.parametrize(("of", "count", "chosen"), [(7, 3, [10, 13, 16]), (2, 5, [10, 11]), (3, 3, [10, 11, 12])])
def test_a_sample_is_spread_over_the_split(of, count, chosen):
    assert spread(list(range(10, 10 + of)), count) == chosen


def test_the_sample_is_the_same_each_time_and_has_the_truth_about_each_row(lab):
    run = lab.run("validation.every=1", "validation.sample=5")
    first, second = (hold_out(run, find_features(run)) for _ in range(2))
    assert first.keys() == {"vqa", "gqa", "caption"}
    for name, held_out in first.items():
        assert held_out.rows.rows["id"][:] == second[name].rows.rows["id"][:]
        assert set(held_out.truth.answers()) == set(held_out.rows.rows["id"]) and len(held_out.truth.gold.ids) == 5


def test_a_run_without_validation_holds_nothing_out(lab):
    run = lab.run("validation.every=0")
    assert hold_out(run, find_features(run)) == {}


def test_the_files_are_read_once(world):
    run = world.run("validation.every=1", "validation.sample=5")
    features = find_features(run)
    held_out = hold_out(run, features)
    shutil.rmtree(world.folder / "annotations")
    model = VLHyperPELT.build(run.config.model, model_inputs(run, features))
    collator = Collator(load_tokenizer(run.config.model), features, 8)
    first = validate(run, model, held_out, collator)
    assert first == validate(run, model, held_out, collator)
    assert first.keys() == {"vqa.overall", "gqa.accuracy", "caption.CIDEr", "mean"}


def test_a_task_that_nothing_scores_is_not_answered(world, capsys):
    run = world.run("validation.every=1", "tasks.vg_qa.validation=val")
    assert hold_out(run, find_features(run)).keys() == {"vqa", "gqa", "caption"}
    assert "vg_qa: not validated; its split val has no reference answers that can be scored" in capsys.readouterr().err


def lxmert(world) -> str:
    """A split in LXMERT's form, whose records lack what people answered."""
    record = {"question_id": 1, "img_id": "world_000001", "sent": "what?", "label": {"red": 1.0}}
    (world.folder / "minival.json").write_text(json.dumps([record]))
    manifest = yaml.safe_load((world.folder / "vqa.yaml").read_text())
    train = json.loads((world.folder / "annotations/vqa_train_questions.json").read_text())["questions"]
    image = f"world_{train[0]['image_id']:06d}"
    (world.folder / "train.json").write_text(json.dumps([{**record, "img_id": image}]))
    (world.folder / "minival.json").write_text(json.dumps([{**record, "img_id": image}]))
    splits = {"train": {"files": {"questions": "train.json"}}, "val": {"files": {"questions": "minival.json"}}}
    value = {"name": "lx", "format": "vl-t5", "root": ".", "image_key": manifest["image_key"], "splits": splits}
    (world.folder / "lx.yaml").write_text(yaml.safe_dump(value))
    return str(world.folder / "lx.yaml")


def test_truth_that_can_not_be_scored_is_told_before_the_first_step(world, tmp_path):
    config = world.config(f"tasks.vqa.data={lxmert(world)}", "validation.every=6")
    with pytest.raises(UserError, match=r"^validation of vqa, split val: .*minival.json.* has no 'answers' of") as told:
        train(resolve(config), tmp_path / "run")
    assert "to train without it, set tasks.vqa.validation=null" in str(told.value) and "\n" not in str(told.value)
    assert not (tmp_path / "run/log.jsonl").exists()


def test_a_missing_java_is_told_before_the_first_step(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("VLHYPER_JAVA", "/nowhere/java")
    with pytest.raises(JobError, match=r"^validation of caption, split val: .*VLHYPER_JAVA"):
        train(lab.run("validation.every=6"), tmp_path / "run")
    assert not (tmp_path / "run/log.jsonl").exists()


def test_a_scorer_that_is_skipped_is_told_before_the_first_step(lab, monkeypatch):
    def fails(*_):
        raise JobError("no memory")

    monkeypatch.setattr("vlhyper.metrics.captions.scores._run_ngram", fails)
    run = lab.run("validation.every=6")
    with pytest.raises(
        JobError, match=r"split val: CIDEr cannot be computed: no memory; to train .* tasks.caption.validation=null"
    ):
        hold_out(run, find_features(run))


def test_processes_that_do_not_score_hold_the_same_rows_out(lab):
    run = lab.run("validation.every=1", "validation.sample=5")
    main, other = (hold_out(run, find_features(run), scoring=scoring) for scoring in (True, False))
    assert main.keys() == other.keys() == RUN["tasks"].keys() - {"vg_qa"}
    assert all(one.rows.rows["id"][:] == other[name].rows.rows["id"][:] for name, one in main.items())
    assert not any(one.truth for one in other.values())
