"""Answers in the official formats, and scores equal to those of `vlhyper score` on the written files."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from run_cases import RUN, evaluated, forget_accelerate, text_task, write_features

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.features import open_features
from vlhyper.files import read_json
from vlhyper.model.model import WEIGHTS, VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.config import load_config, save_config
from vlhyper.run.evaluate import _submitted, _upload, answer
from vlhyper.run.rows import find_features, load_split
from vlhyper.run.tasks import resolve
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.run.train import train
from vlhyper.tasks import Decoding, find_task
from vlhyper.world import tiny

pytestmark = pytest.mark.usefixtures("fresh_process")

FAST = "bleu,cider"
SHAPES = {
    "vqa": {"question_id": int, "answer": str},
    "vg_qa": {"question_id": int, "answer": str},
    "gqa": {"questionId": str, "prediction": str},
    "caption": {"image_id": int, "caption": str},
    "okvqa": {"question_id": int, "answer": str},
    "snli-ve": {"pairID": str, "prediction": str},
}


@pytest.fixture(scope="module")
def ran(lab, tmp_path_factory):
    """A run of six tasks on the shipped T5, trained until its answers are words and some of them right."""
    forget_accelerate()
    folder = tmp_path_factory.mktemp("ran")
    more = {"okvqa": {"data": "okvqa.yaml"}, "snli-ve": {"data": "snli_ve.yaml"}}
    training = ("training.steps=60", "training.batch=16", "training.learning_rate=3e-3", "training.log_every=60")
    # Paths of overrides belong to the folder they are typed in.
    tasks = {name: {**entry, "data": str(lab.folder / entry["data"])} for name, entry in (RUN["tasks"] | more).items()}
    tasks = f"tasks={json.dumps(tasks)}"
    train(lab.run(tasks, f"model.backbone={tiny() / 't5'}", *training), folder)
    forget_accelerate()
    return folder


@pytest.fixture(scope="module")
def scored(ran):
    """What `evaluate_run` gives for the test split."""
    forget_accelerate()
    return evaluated(ran, "test", caption_metrics=FAST, confidence=True, chat=True)


@pytest.fixture
def copied(ran, tmp_path):
    """A copy of the run, to be damaged."""
    shutil.copytree(ran, tmp_path / "run")
    return tmp_path / "run"


def test_every_task_but_the_one_without_a_scorer_is_scored(scored):
    assert scored.keys() == SHAPES.keys() - {"vg_qa"}
    # Scores of nothing but wrong answers would make the comparisons below empty.
    assert all(any(value > 0 for _, value in report.flat()) for report in scored.values())


@pytest.mark.parametrize("task", sorted(SHAPES.keys() - {"vg_qa"}))
def test_predictions_have_the_official_shape_and_every_row_one(lab, ran, scored, task):
    records = read_json(ran / f"predictions/{task}.test.json")
    assert all({key: type(value) for key, value in record.items()} == SHAPES[task] for record in records)
    keys = [next(iter(record.values())) for record in records]
    assert (
        len(set(keys))
        == len(keys)
        == resolve(load_config(ran / "config.yaml")).tasks[task].manifest.split("test").count
    )


TRUTH = {
    "vqa": ("--questions", "vqa_test_questions.json", "--annotations", "vqa_test_annotations.json"),
    "okvqa": ("--questions", "okvqa_test_questions.json", "--annotations", "okvqa_test_annotations.json"),
    "gqa": ("--questions", "gqa_test_questions.json"),
    "caption": ("--annotations", "caption_test_annotations.json"),
    "snli-ve": ("--annotations", "snli_ve_test_annotations.jsonl"),
}


@pytest.mark.parametrize("task", TRUTH)
def test_scores_are_those_of_the_score_command_on_the_written_files(lab, ran, scored, task, capsys):
    files = [str(lab.folder / "annotations" / word) if "." in word else word for word in TRUTH[task]]
    more = ["--metrics", FAST] if task == "caption" else []
    capsys.readouterr()
    run(["score", task, *files, "--predictions", str(ran / f"predictions/{task}.test.json"), "--json", *more])
    said = json.loads(capsys.readouterr().out)
    assert said["metrics"] == scored[task].metrics
    # Captions are sentences.
    assert bool(scored[task].of_sentences()) == (task != "caption")
    assert read_json(ran / "scores.json")["test"][task]["metrics"] == said["metrics"]


def test_scores_say_what_they_were_measured_on_and_how_sure_they_are(ran, scored):
    tasks = load_config(ran / "config.yaml").tasks
    for task, report in read_json(ran / "scores.json")["test"].items():
        manifest = yaml.safe_load(Path(tasks[task].data).read_text())
        assert report["data"] == {"name": manifest["name"], "split": "test"}
        metric = find_task(task).metrics[0]
        low, high = report["confidence"]["intervals"][metric]
        assert low < high and low <= report["metrics"][metric] <= high


def test_another_evaluation_leaves_the_scores_of_the_first(ran, scored):
    before = read_json(ran / "scores.json")["test"]
    evaluated(ran, "unseen", "gqa")
    after = read_json(ran / "scores.json")
    assert after["test"] == before
    assert after["unseen"].keys() == {"gqa"}


def test_a_task_without_a_scorer_is_answered_when_it_is_named(ran, capsys):
    assert evaluated(ran, "test", "vg_qa") == {}
    records = read_json(ran / "predictions/vg_qa.test.json")
    assert all({key: type(value) for key, value in record.items()} == SHAPES["vg_qa"] for record in records)
    assert "vg_qa.test.json; there are no reference answers to score them with" in capsys.readouterr().err


def test_the_command_prints_a_table(ran, capsys):
    run(["evaluate", str(ran), "--task", "gqa"])
    out = capsys.readouterr().out
    assert "accuracy" in out and "split test" in out and "gqa" in out
    assert "30 of 30" in out and "structural" not in out and "mean" not in out and "interval" not in out
    run(["evaluate", str(ran), "--task", "gqa", "--full", "--confidence"])
    out = capsys.readouterr().out
    assert "structural / query" in out and "95 % interval" in out


def test_the_command_that_scores_the_file_again_is_told_and_gives_the_same(copied, lab, capsys):
    """Also in and out of the domain of a vocabulary that the manifest names."""
    manifest = {**yaml.safe_load((lab.folder / "vqa.yaml").read_text()), "root": str(lab.folder)}
    manifest["splits"]["test"]["files"]["vocabulary"] = str(copied / "frequent.json")
    (copied / "vqa.yaml").write_text(yaml.safe_dump(manifest))
    (copied / "frequent.json").write_text('["yes", "2"]')
    reports = evaluated(copied, "test", "vqa", overrides=[f"tasks.vqa.data={copied / 'vqa.yaml'}"])
    assert {"overall", "in_domain", "out_domain"} <= reports["vqa"].metrics.keys()
    lines = capsys.readouterr().err.splitlines()
    (line,) = [line for line in lines if "the same scores from the files: " in line]
    words = shlex.split(line.partition("files: ")[2])
    assert words[:2] == ["vlhyper", "score"]
    run([*words[1:], "--json"])
    assert json.loads(capsys.readouterr().out)["metrics"] == reports["vqa"].metrics


def test_what_was_scored_is_told_where_rows_are_left_out(copied, lab, tmp_path, capsys):
    """Of six test images three have features: half of the questions are answered, and the table says so."""
    ids = [id for id in open_features(lab.folder / "features.h5").ids if int(id.split("_")[1]) <= 33]
    write_features(tmp_path / "some.h5", ids)
    changes = [f"features.files=[{tmp_path / 'some.h5'}]", "features.missing=drop"]
    run(["evaluate", str(copied), *changes, "--task", "vqa"])
    said = capsys.readouterr()
    assert "18 of 36" in said.out
    assert "18 of 36 rows are left out" in said.err
    (line,) = [line for line in said.err.splitlines() if "from the files: " in line]
    assert line.endswith("--partial")


def test_another_data_set_and_the_mean_over_tasks(copied, lab, capsys):
    run(["evaluate", str(copied), "tasks.vqa.test=unseen", "tasks.gqa.test=unseen", "tasks.caption.test=none"])
    said = capsys.readouterr()
    assert "vqa: 24 of 24 items of test (split unseen of world_vqa) are scored" in said.err
    assert "caption: skipped; its data set has no split 'none'" in said.err
    assert "mean" in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("tset",), "no task of this run that can be scored has a split 'tset'"),
        (("tset", "vqa"), "unknown split 'tset'; did you mean 'test'?"),
        (
            ("test", "vqqa"),
            "unknown task 'vqqa'; did you mean 'vqa'? Tasks are vqa, vg_qa, gqa, caption, okvqa",
        ),
    ],
)
def test_a_missing_split_or_task_is_one_line(ran, arguments, told):
    with pytest.raises(UserError) as refusal:
        evaluated(ran, *arguments)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_folder_that_is_no_run_or_has_no_weights_is_one_line(copied, tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        evaluated(tmp_path / "nowhere")
    (copied / WEIGHTS).unlink()
    with pytest.raises(UserError, match="has no trained weights yet"):
        evaluated(copied)


def test_other_features_than_those_of_the_training_are_refused(copied, lab, tmp_path):
    from run_cases import write_features

    images = sorted(path.stem for path in (lab.folder / "images").rglob("*.jpg"))
    write_features(tmp_path / "other.h5", images, weights_sha256="ef" * 32)
    config = load_config(copied / "config.yaml", [f"features.files=[{tmp_path / 'other.h5'}]"])
    save_config(config, copied / "config.yaml")
    with pytest.raises(UserError, match="weights_sha256 is 'efef"):
        evaluated(copied)


def test_a_split_without_public_answers_is_answered_for_the_server(copied, lab):
    manifest = yaml.safe_load((lab.folder / "gqa.yaml").read_text())
    questions = read_json(lab.folder / "annotations/gqa_test_questions.json")
    secret = {id: {key: record[key] for key in ("imageId", "question")} for id, record in questions.items()}
    (copied / "secret.json").write_text(json.dumps(secret))
    manifest["splits"]["secret"] = {"files": {"questions": str(copied / "secret.json")}}
    manifest["root"] = str(lab.folder)
    (copied / "gqa.yaml").write_text(yaml.safe_dump(manifest))
    moved = [f"tasks.gqa.data={copied / 'gqa.yaml'}"]
    assert evaluated(copied, "secret", overrides=moved, submission=copied / "up") == {}
    assert len(read_json(copied / "predictions/gqa.secret.json")) == len(secret)
    assert [record["questionId"] for record in read_json(copied / "up/gqa.secret.json")] == list(secret)


def test_a_text_task_is_submitted_as_its_site_wants_it(lab, tmp_path, capsys):
    """Whatever prevents that is found before the model is loaded, or kept until the other tasks are written."""
    rows = load_split(lab.run(text_task(tmp_path)), {"sst2": "test"}, None)["sst2"]
    path = _upload(rows, "test", tmp_path / "up")
    assert path == tmp_path / "up/SST-2.tsv"
    right = {str(number): "positive" for number in range(8)}
    assert _submitted(rows, right, path)
    assert path.read_text() == "index\tprediction\n" + "".join(f"{number}\t1\n" for number in range(8))
    assert not _submitted(rows, {**right, "3": "good"}, path)
    assert "SST-2.tsv: 1 of 8 answers are none of the labels negative, positive (3: 'good')" in capsys.readouterr().err
    with pytest.raises(UserError, match="sst2, split test: 2 rows are left out, and a test server wants all"):
        _upload(replace(rows, left_out=2), "test", tmp_path)
    mnli = replace(rows, task=replace(rows.task, kind=find_task("mnli")))
    with pytest.raises(UserError, match=r"the server takes MNLI-m\.tsv or MNLI-mm\.tsv or AX\.tsv; say which"):
        _upload(mnli, "test", tmp_path)


def answering(ran, split="test", task="caption"):
    run = resolve(load_config(ran / "config.yaml"))
    features = find_features(run)
    rows = load_split(run, {task: split}, features)[task]
    return VLHyperPELT.from_pretrained(ran), rows, Collator(load_tokenizer(run.config.model), features, 32)


def test_answers_do_not_depend_on_the_batch(ran):
    model, rows, collator = answering(ran, task="vqa")
    ten = answer(model, rows, collator, Decoding(1, 6), batch=10)
    assert ten == answer(model, rows, collator, Decoding(1, 6), batch=3)
    assert list(ten) == rows.rows["id"][:]


def test_beams_search_further_than_greedy(ran):
    """No answer of the beam is less likely than the greedy one, and some are likelier."""
    import torch

    model, rows, collator = answering(ran)
    inputs = collator.inputs(rows, ["caption:"] * 6, rows.rows["image"][:6])

    def likelihood(beams: int) -> torch.Tensor:
        tokens = model.generate(**inputs, num_beams=beams, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        labels = tokens[:, 1:].clone()
        each = [
            model(**{k: v if k == "task" else v[n : n + 1] for k, v in inputs.items()}, labels=labels[n : n + 1])
            for n in range(6)
        ]
        return -torch.stack(each)

    with torch.no_grad():
        greedy, beam = likelihood(1), likelihood(4)
    assert (beam >= greedy - 1e-5).float().mean() > 0.8
    assert (beam > greedy + 1e-5).any()


# A part of the world's VQA in two files each, as VQA v2's Karpathy splits are.
def test_a_split_of_several_files_is_scored_as_of_one(lab, copied, scored):
    manifest = yaml.safe_load((lab.folder / "vqa.yaml").read_text())
    files = {}
    for role, key in {"questions": "questions", "annotations": "annotations"}.items():
        whole = read_json(lab.folder / f"annotations/vqa_test_{role}.json")
        files[role] = []
        for part in (0, 1):
            (copied / f"{role}{part}.json").write_text(json.dumps({**whole, key: whole[key][part::2]}))
            files[role].append(str(copied / f"{role}{part}.json"))
    manifest["splits"]["halves"] = {"files": files}
    manifest["root"] = str(lab.folder)
    (copied / "vqa.yaml").write_text(yaml.safe_dump(manifest))
    save_config(load_config(copied / "config.yaml", [f"tasks.vqa.data={copied / 'vqa.yaml'}"]), copied / "config.yaml")
    halves = dict(evaluated(copied, "halves", "vqa")["vqa"].flat())
    assert halves == pytest.approx(dict(scored["vqa"].flat()), rel=1e-12)
