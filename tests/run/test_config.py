"""Configs: what is refused, what is made of paths, what a run folder gets back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from run_cases import ENVIRONMENT, RUN, barred

from vlhyper.errors import UserError
from vlhyper.run.config import differences, load_config, save_config
from vlhyper.run.tasks import resolve

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture
def write(tmp_path):
    """write(change): a config in a folder of its own, after `change` has had its way with the values."""

    def put(change=None, **extra) -> Path:
        values = json.loads(json.dumps(RUN | extra))
        if change is not None:
            change(values)
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return put


def inline(**changes) -> dict:
    files = {"train": {"files": {"questions": "q.json"}}}
    return {"name": "mine", "format": "vl-t5", "root": "files", "splits": files} | changes


def refusal(path: Path, *overrides: str) -> str:
    """The one line with which a config is refused, at the latest when its manifests are read."""
    with pytest.raises(UserError) as found:
        resolve(load_config(path, overrides))
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("trainig.steps=3", "unknown key 'trainig'; did you mean 'training'?"),
        ("training.stepz=3", "unknown key 'training.stepz'; did you mean 'steps'?"),
        ("model.botleneck=3", "model: unknown key 'botleneck'; did you mean 'bottleneck'?"),
        ("tasks.vqa.beam=3", "unknown key 'tasks.vqa.beam'; did you mean 'beams'?"),
        ("features.file=[a.h5]", "unknown key 'features.file'; did you mean 'files'?"),
        ("validation.evry=3", "unknown key 'validation.evry'; did you mean 'every'?"),
        ("training.colour=red", "unknown key 'training.colour'; valid are accumulation, batch"),
        (
            "tasks.vqx.data=vqa.yaml",
            "unknown task 'vqx'; did you mean 'vqa'? Tasks are vqa, vg_qa, gqa, caption, okvqa",
        ),
        ("tasks.vqx.data=vqa.yaml", "; if 'vqx' is a name of your own, set tasks.vqx.task to the task it is"),
        ("tasks.zzzzz.data=vqa.yaml", "unknown task 'zzzzz'; valid are boolq, caption, cb"),
        ("tasks.vqa.task=vqaa", "unknown task 'vqaa'; did you mean 'vqa'? Tasks are vqa, vg_qa, gqa, caption, okvqa"),
        ("model.method=vl_hyperplt", "unknown method 'vl_hyperplt'; did you mean 'vl_hyperpelt'?"),
        (
            "tasks={cola: {data: c.yaml}, rte: {data: r.yaml}}",
            "method 'vl_hyperpelt' uses images, but none of the tasks has any (cola, rte); choose a method without",
        ),
        ("tasks.okvqa.beams=2", "tasks.okvqa.data: field required"),
        ("training.batch=0", "training.batch: "),
        ("training.steps=many", "training.steps: "),
        ("training.seed=-1", "training.seed: "),
        ("training.precision=int8", "training.precision: input should be 'fp32', 'bf16' or 'fp16'"),
        ("training.accumulation=3", "training.batch 8 is not a multiple of the 3 micro-batches"),
        ("tasks={}", "tasks: "),
        ("training.steps.more=3", "'steps' is a value and has no keys below it"),
        ("training", "write an override as key.sub=value"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_with_the_nearest_name(write, override, told):
    assert told in refusal(write(), override)


def test_the_file_is_named(write):
    path = write()
    assert refusal(path, "training.stepz=3").startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (inline(formt="x"), "unknown key 'formt'; did you mean 'format'?"),
        (inline(format="vl-t55"), "unknown format 'vl-t55'; did you mean 'vl-t5'?"),
        (inline(splits={"train": {"fles": {}}}), "unknown key 'splits.train.fles'; did you mean 'files'?"),
        (inline(splits={"train": {"files": {"question": "q.json"}}}), "no files 'question'; did you mean 'questions'?"),
    ],
)
def test_a_bad_key_of_an_inline_manifest_is_refused_with_the_nearest_name(write, manifest, told):
    assert told in refusal(write(tasks={"vqa": {"data": manifest}}))


@pytest.mark.parametrize(("text", "told"), [("tasks: [", "not YAML"), ("- a", "must be a mapping"), ("", "mapping")])
def test_what_is_no_config_is_said(tmp_path, text, told):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert told in refusal(path)


def test_a_missing_config_is_said(tmp_path):
    assert refusal(tmp_path / "run.yaml") == f"{tmp_path / 'run.yaml'}: no such file; a config must exist"


def test_overrides_reach_every_depth_and_are_read_as_yaml(write):
    overrides = ["training.steps=3", "training.learning_rate=1e-2", "tasks.vqa.validation=null", "tasks.gqa.beams=4"]
    config = load_config(write(), [*overrides, "features.mismatched=true"])
    assert (config.training.steps, config.training.learning_rate) == (3, 0.01)
    assert config.tasks["vqa"].validation is None
    assert config.tasks["gqa"].beams == 4
    assert config.features.mismatched


def test_an_override_makes_what_is_not_there(write):
    config = load_config(write(lambda values: values.pop("validation")), ["validation.every=7"])
    assert config.validation.every == 7


def test_paths_belong_to_the_configs_folder(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "t5").mkdir()
    config = load_config(write(lambda values: values["tasks"]["gqa"].update(root="other")))
    assert config.model.backbone == str(tmp_path / "t5")
    assert config.features.files == [str(tmp_path / "features.h5")]
    assert config.tasks["vqa"].data == str(tmp_path / "vqa.yaml")
    assert config.tasks["gqa"].root == str(tmp_path / "other")


def test_an_inline_manifest_reads_from_the_configs_folder(write, tmp_path):
    config = load_config(write(tasks={"vqa": {"data": inline()}}))
    assert resolve(config).tasks["vqa"].manifest.source("train").paths("questions") == (tmp_path / "files/q.json",)


def test_paths_from_elsewhere_stay_what_they_are(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VLHYPER_DATA", "/all")
    files = ["/data/a.h5", "~/b.h5", "$VLHYPER_DATA/c.h5"]
    config = load_config(write(features={"files": files}, tasks={"vqa": {"data": "~/vqa.yaml"}}))
    assert config.features.files == ["/data/a.h5", str(tmp_path / "home/b.h5"), "/all/c.h5"]
    assert config.tasks["vqa"].data == str(tmp_path / "home/vqa.yaml")


def test_the_folder_of_all_data_is_filled_in_where_the_manifest_is_read(write, monkeypatch):
    path = write(tasks={"vqa": {"data": inline(root="$VLHYPER_DATA/vqa")}})
    config = load_config(path)
    for folder in ("/one", "/two"):
        monkeypatch.setenv("VLHYPER_DATA", folder)
        assert resolve(config).tasks["vqa"].manifest.root == f"{folder}/vqa"


def test_a_folder_in_the_home_is_found_wherever_a_path_may_stand(write, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    files = {"questions": ["~/q.json", "other.json"]}
    manifest = inline(splits={"train": {"files": files}}, features=["~/f.h5"])
    path = write(model={"backbone": "~/t5", "tokenizer": "~/words"}, tasks={"vqa": {"data": manifest}})
    # Written as a path it is one, also before the folder is there.
    for _ in range(2):
        config = load_config(path)
        assert (config.model.backbone, config.model.tokenizer) == (str(home / "t5"), str(home / "words"))
        (home / "t5").mkdir(exist_ok=True)
    assert resolve(config).tasks["vqa"].manifest.source("train").paths("questions") == (
        home / "q.json",
        tmp_path / "files/other.json",
    )
    assert resolve(config).tasks["vqa"].manifest.feature_paths() == [home / "f.h5"]
    overridden = load_config(path, ["model.backbone=~/other", "tasks.vqa.data=~/vqa.yaml", "features.files=[~/b.h5]"])
    assert overridden.model.backbone == str(home / "other")
    assert overridden.tasks["vqa"].data == str(home / "vqa.yaml")
    assert overridden.features.files == [str(home / "b.h5")]


def test_paths_of_overrides_belong_to_the_folder_where_they_are_typed(write, tmp_path, monkeypatch):
    here = tmp_path / "here"
    for folder in (here / "t5", tmp_path / "t5"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    overrides = ["model.backbone=t5", "features.files=[f.h5]", "tasks.gqa.root=data", "tasks.vqa.data=v.yaml"]
    config = load_config(write(), overrides)
    assert config.model.backbone == str(here / "t5")
    assert config.features.files == [str(here / "f.h5")]
    assert config.tasks["gqa"].root == str(here / "data")
    assert config.tasks["vqa"].data == str(here / "v.yaml")
    # What no override touches stays beside the config.
    assert config.tasks["gqa"].data == str(tmp_path / "gqa.yaml")


def test_an_override_within_an_inline_manifest_leaves_its_folder(write, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = write(tasks={"vqa": {"data": inline()}})

    def root_of(override: str) -> str:
        return resolve(load_config(path, [override])).tasks["vqa"].manifest.root

    assert root_of("tasks.vqa.data.name=yours") == str(tmp_path / "files")
    assert root_of("tasks.vqa.data.root=mine") == str(tmp_path / "here/mine")
    whole = json.dumps(inline(root="."))
    assert root_of(f"tasks.vqa.data={whole}") == str(tmp_path / "here")


def test_what_is_no_folder_where_an_override_is_typed_is_a_hub_id(write, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "google-t5/t5-base").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    path = write(model={"backbone": "google-t5/t5-base"})
    assert load_config(path).model.backbone == str(tmp_path / "google-t5/t5-base")
    assert load_config(path, ["model.backbone=google-t5/t5-base"]).model.backbone == "google-t5/t5-base"


def test_a_hub_id_is_no_path(write):
    config = load_config(write(model={"backbone": "google-t5/t5-base", "tokenizer": "google-t5/t5-base"}))
    assert config.model.backbone == config.model.tokenizer == "google-t5/t5-base"


@pytest.mark.parametrize("backbone", ["t5", {"d_model": 16}])
def test_a_saved_config_reads_back_the_same_from_anywhere(write, tmp_path, backbone):
    (tmp_path / "t5").mkdir()
    tasks = {"vqa": {"data": inline(), "beams": 3}, "gqa": {"data": "gqa.yaml", "validation": None}}
    config = load_config(write(tasks=tasks, model={"backbone": backbone}))
    save_config(config, tmp_path / "elsewhere" / "config.yaml")
    assert load_config(tmp_path / "elsewhere" / "config.yaml") == config


def test_differences_name_the_key_and_both_values(write):
    old = load_config(write())
    assert differences(old, load_config(write())) == {}
    new = load_config(write(), ["training.steps=9", "tasks.gqa.beams=2"])
    assert differences(old, new) == {"tasks.gqa.beams": "None, now 2", "training.steps": "6, now 9"}
    turned = load_config(write(lambda values: values.update(tasks=dict(reversed(values["tasks"].items())))))
    assert list(differences(old, turned)) == ["order of tasks"]
    fewer = load_config(write(lambda values: values["tasks"].pop("gqa")))
    assert next(iter(differences(old, fewer))).startswith("tasks.gqa.")


# No import of torch and no way to the network.


@pytest.mark.parametrize(
    ("name", "trained", "total", "share", "share_per_task"),
    [
        ("vl/vl_hyperpelt", 15_796_528, 238_652_464, 6.62, 1.65),
        ("glue/hyperpelt", 4_384_024, 222_903_552 + 4_384_024 - 62 * 768, 1.93, 0.24),
    ],
)
def test_params_counts_the_papers_runs_without_torch_or_network(name, trained, total, share, share_per_task):
    path = CONFIGS / f"{name}.yaml"
    command = [sys.executable, "-c", barred("torch", "transformers", "huggingface_hub"), "params", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    counts = json.loads(done.stdout)
    assert (counts["trained"], counts["total"]) == (trained, total)
    assert counts["frozen"] == total - trained
    assert (round(counts["share"], 2), round(counts["share_per_task"], 2)) == (share, share_per_task)
    assert sum(counts["parts"].values()) == trained
