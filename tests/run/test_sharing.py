"""A run given to others: the card, what is sent, and that the model comes back as it was.

No hub can be reached here: `hub` is one that keeps its repositories in a folder.
"""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, constants
from huggingface_hub.utils import filter_repo_objects
from run_cases import RUN

from vlhyper.errors import JobError, UserError
from vlhyper.features import open_features
from vlhyper.files import write_json
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.saved import CARD, CONFIG, SCORES
from vlhyper.model.spec import WEIGHTS
from vlhyper.run.config import save_config
from vlhyper.run.rows import find_features, model_inputs, stated

ID = "someone/my-run"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Repositories as folders; `asked` is what the library was asked for."""
    asked = SimpleNamespace(folder=tmp_path / "hub", created={}, uploads=[], downloads=[])

    def create_repo(self, repo_id, **options):
        asked.created[repo_id] = {"token": self.token, **options}
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, *, repo_id, folder_path, allow_patterns=None, ignore_patterns=None, **options):
        files = sorted(path.name for path in folder_path.iterdir())
        sent = list(filter_repo_objects(files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns))
        (asked.folder / repo_id).mkdir(parents=True, exist_ok=True)
        for name in sent:
            shutil.copyfile(folder_path / name, asked.folder / repo_id / name)
        asked.uploads.append((sent, options))
        return f"commit of {repo_id}"

    def snapshot_download(repo_id, *, allow_patterns, **options):
        copy = tmp_path / "cache" / repo_id
        copy.mkdir(parents=True, exist_ok=True)
        for name in filter_repo_objects(map(str, (asked.folder / repo_id).iterdir()), allow_patterns=["*"]):
            if name.rsplit("/")[-1] in allow_patterns:
                shutil.copy(name, copy)
        asked.downloads.append((repo_id, options))
        return str(copy)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


@pytest.fixture(scope="module")
def trained(lab, tmp_path_factory):
    """A run folder as training and evaluation leave it."""
    folder = tmp_path_factory.mktemp("runs") / "my_run"
    run = lab.run()
    features = find_features(run)
    run = stated(run, features)
    torch.manual_seed(1)
    model = VLHyperPELT.build(run.config.model, model_inputs(run, features))
    with torch.no_grad():
        for _, weight in model.trained():
            weight += torch.randn_like(weight) * 0.1
    model.save(folder)
    save_config(run.config, folder / "config.yaml")
    intervals = {"intervals": {"overall": [30.25, 50.5]}}
    scores = {
        "n": 30,
        "total": 40,
        "metrics": {"overall": 41.666, "answer_type": {"number": 1.5}},
        "confidence": intervals,
    }
    captions = {
        "n": 6,
        "total": 6,
        "metrics": {"BLEU-4": 12.0, "CIDEr": 80.0},
        "data": {"name": "others", "split": "val"},
    }
    write_json(folder / SCORES, {"test": {"vqa": scores, "caption": captions}})
    (folder / "checkpoints").mkdir()
    (folder / "predictions").mkdir()
    (folder / "log.jsonl").write_text("{}\n")
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "my_run")


def test_a_pushed_model_comes_back_bit_by_bit(lab, run, hub, monkeypatch):
    model = VLHyperPELT.from_pretrained(run)
    options = {"commit_message": "First", "revision": "main", "create_pr": True}
    assert model.push_to_hub(ID, license="cc-by-4.0", private=True, token="secret", **options) == f"commit of {ID}"
    assert hub.created[ID] == {"token": "secret", "private": True, "exist_ok": True}
    [(sent, asked)] = hub.uploads
    assert sent == sorted([CARD, CONFIG, SCORES, WEIGHTS])
    assert asked == options
    # Nothing tells where this machine keeps its files.
    assert all(str(lab.folder).encode() not in path.read_bytes() for path in (hub.folder / ID).iterdir())

    monkeypatch.chdir(lab.folder)
    again = VLHyperPELT.from_pretrained(ID, revision="main", token="secret")
    assert hub.downloads[-1][0] == ID and hub.downloads[-1][1]["revision"] == "main"
    assert (hub.folder / ID / WEIGHTS).read_bytes() == (run / WEIGHTS).read_bytes()
    mine, theirs = model.state(), again.state()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert (again.inputs, again.backbone_sha256) == (model.inputs, model.backbone_sha256)

    # What was downloaded is a folder like any other: it loads without a hub, and can be given on with its card.
    VLHyperPELT.from_pretrained(again.origin).push_to_hub("other/copy", ignore_patterns="*.json")
    assert hub.uploads[-1][0] == [CARD, WEIGHTS]
    assert (hub.folder / "other/copy" / CARD).read_text() == (hub.folder / ID / CARD).read_text().replace(
        "name: my-run", "name: copy"
    )


def test_the_card_tells_of_the_run(lab, run, hub):
    VLHyperPELT.from_pretrained(run).push_to_hub(ID, license="cc-by-4.0")
    card = ModelCard.load(hub.folder / ID / CARD)
    head = card.data.to_dict()
    assert (head["library_name"], head["license"], head["pipeline_tag"]) == (
        "vlhyper",
        "cc-by-4.0",
        "visual-question-answering",
    )
    assert {"vlhyper", "vl_hyperpelt", *RUN["tasks"]} <= set(head["tags"])
    # A folder is no model of the hub.
    assert "base_model" not in head
    results = {(one.task_name, one.metric_name): one for one in card.data.eval_results}
    assert results.keys() == {("vqa", "overall"), ("caption", "BLEU-4"), ("caption", "CIDEr")}
    vqa, bleu = results["vqa", "overall"], results["caption", "BLEU-4"]
    assert (vqa.metric_type, vqa.metric_value, vqa.dataset_split) == ("accuracy", 41.67, "test")
    assert vqa.dataset_name == yaml.safe_load((lab.folder / "vqa.yaml").read_text())["name"]
    assert (bleu.metric_type, bleu.dataset_name, bleu.dataset_split) == ("bleu", "others", "val")
    assert card.data.model_name == "my-run"
    assert "| 41.67 | 30.25 to 50.50 | 30 of 40 |" in card.text
    model = VLHyperPELT.from_pretrained(run)
    assert f"{sum(weight.numel() for _, weight in model.trained()):,} trained parameters" in card.text
    assert "steps: 6" in card.text and "CC0" in card.text and "Use" in card.text and "log_every" not in card.text


@pytest.mark.parametrize("first", ["vqa", "caption"])
def test_the_python_of_the_card_runs_as_it_stands(lab, run, hub, monkeypatch, capsys, first):
    """Beside the features and the backbone, from the hub; and from the folder where the card was saved."""
    monkeypatch.chdir(lab.folder)
    model = VLHyperPELT.from_pretrained(run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    model.inputs = model.inputs.model_copy(update={"tasks": (first, *(name for name in RUN["tasks"] if name != first))})
    model.push_to_hub(ID)
    model.save_pretrained(run.parent / "saved")
    pushed, saved = (ModelCard.load(folder / CARD).text for folder in (hub.folder / ID, run.parent / "saved"))
    assert f'from_pretrained("{ID}", backbone="t5")' in pushed
    codes = [re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1) for text in (pushed, saved)]
    assert len(codes[0].splitlines()) <= 25
    names = {}
    exec(compile(codes[0], CARD, "exec"), names)
    printed = capsys.readouterr().out
    entry = config["tasks"][first]
    assert names["tokens"].shape[1] <= (entry["max_new_tokens"] or 20) + 1
    assert printed == names["tokenizer"].decode(names["tokens"][0], skip_special_tokens=True) + "\n"
    assert names["image"] in open_features(lab.folder / "features.h5").ids
    # The saved one names its own folder.
    for name in ("t5", "features.h5"):
        (run.parent / "saved" / name).symlink_to(lab.folder / name)
    monkeypatch.chdir(run.parent / "saved")
    exec(compile(codes[1], CARD, "exec"), {})
    assert capsys.readouterr().out == printed


def test_a_card_that_people_edited_is_kept(run, tmp_path, hub, capsys):
    model = VLHyperPELT.from_pretrained(run)
    model.save_pretrained(tmp_path / "saved", license="mit")
    path = tmp_path / "saved" / CARD
    path.write_text(path.read_text().replace("*to be written by whoever shares these weights.*", "drawn pictures only"))
    written = path.read_text()
    model.save_pretrained(tmp_path / "saved")
    assert path.read_text() == written and "drawn pictures only" in written and "license: mit" in written
    VLHyperPELT.from_pretrained(tmp_path / "saved").push_to_hub(ID)
    assert "drawn pictures only" in (hub.folder / ID / CARD).read_text()
    assert f"{path}: is taken as it is; delete it for a new card" in capsys.readouterr().err


def test_a_model_without_a_run_has_a_card_too(lab, run, tmp_path):
    for name in ("config.yaml", SCORES):
        (run / name).unlink()
    VLHyperPELT.from_pretrained(run).save_pretrained(tmp_path / "plain")
    card = ModelCard.load(tmp_path / "plain" / CARD)
    assert not card.data.eval_results and "vlhyper evaluate RUN --confidence" in card.text
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == sorted([CARD, CONFIG, WEIGHTS])


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (SCORES, '{"test": {"vqa": 41}}', f"{SCORES}: not scores as `vlhyper evaluate` writes them"),
        (SCORES, "{", f"{SCORES}: not JSON"),
        ("config.yaml", "tasks: [", "config.yaml: not YAML"),
        (CARD, "---\na: [\n---\n", f"{CARD}: no model card"),
        (CARD, "---\n- a\n---\n", f"{CARD}: no model card"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_sent(run, hub, file, content, told):
    model = VLHyperPELT.from_pretrained(run)
    (run / file).write_text(content)
    with pytest.raises(UserError, match=re.escape(told)) as refusal:
        model.push_to_hub(ID)
    assert "\n" not in str(refusal.value) and not hub.created


def test_failures_of_the_hub_are_one_line(run, hub, monkeypatch):
    model = VLHyperPELT.from_pretrained(run)

    def refuse(*_, **__):
        raise OSError("no\nnetwork")

    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", refuse)
    with pytest.raises(JobError, match=rf"^{ID}: the hub cannot be reached \(no network\); try again later$"):
        model.push_to_hub(ID)
    monkeypatch.undo()
    # The real library from here on; the tests have it offline.
    with pytest.raises(UserError, match=rf"^{ID}: HF_HUB_OFFLINE is set, so nothing is sent; [^\n]*$"):
        model.push_to_hub(ID)
    with pytest.raises(UserError, match=rf"^{ID}: .*not in the hub's cache, and HF_HUB_OFFLINE is set\)$"):
        VLHyperPELT.from_pretrained(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UserError, match=r"^a b: the hub refuses it \([^\n]*; log in with: hf auth login$"):
        model.push_to_hub("a b")
