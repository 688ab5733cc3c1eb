"""Configs and manifests without a clone: in the wheel, by name, and as copies that work where they are."""

import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from vlhyper import shipped as module
from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.readers import load_manifest
from vlhyper.run.config import config_values, load_config
from vlhyper.shipped import copy_shipped, find_shipped, shipped

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = [file.name for file in shipped("configs")]


def test_the_wheel_holds_the_package_with_configs_and_manifests():
    held = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    packages = (path for name in ("vlhyper", "feature_extraction") for path in (ROOT / name).rglob("*"))
    code = {path.relative_to(ROOT).as_posix() for path in packages if path.is_file() and path.suffix != ".pyc"}
    files = {f"vlhyper/_shipped/{file.place.as_posix()}" for kind in ("configs", "data") for file in shipped(kind)}
    assert held == code | files and "vlhyper/_shipped/configs/vl/vl_hyperpelt.yaml" in files


def test_every_config_and_manifest_is_listed_with_a_sentence_of_its_own_file(capsys):
    run(["configs"])
    shown = capsys.readouterr().out
    for kind in ("configs", "data"):
        on_disk = {path.relative_to(ROOT / kind).with_suffix("").as_posix() for path in (ROOT / kind).rglob("*.yaml")}
        assert {file.name for file in shipped(kind)} == on_disk
        for file in shipped(kind):
            assert file.about.endswith(".") and f"  {file.name} " in shown and file.about in shown
            assert file.about.split()[0] in file.path.read_text().splitlines()[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_copied_config_works_where_it_is_and_by_name_as_if_it_lay_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = config_values(name)
    run(["configs", "copy", name])
    copied = config_values(find_shipped(name, "configs").place)
    assert all(Path(file).is_relative_to(tmp_path) for file in copied.get("features", {}).get("files", []))
    for task, entry in copied.get("tasks", {}).items():
        ours, theirs = Path(entry["data"]), Path(named["tasks"][task]["data"])
        assert ours.relative_to(tmp_path) == theirs.relative_to(ROOT) and ours.read_bytes() == theirs.read_bytes()
        # Nothing is lacking of the data sets that the manifests themselves name.
        assert all(path.is_file() for path in _named_by(ours))
        entry["data"] = str(theirs)
    assert copied == named


def _named_by(manifest: Path) -> list[Path]:
    return [manifest.parent / name for name in re.findall(r"manifest: (\S+\.yaml)", manifest.read_text())]


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """An installed package with a config in a subfolder that begins with another one's values."""
    folder = tmp_path / "site/vlhyper/_shipped"
    texts = {
        "configs/base.yaml": "# All runs. More.\ntasks:\n  a: {data: ../data/a.yaml}\n",
        "configs/vl/lora.yaml": "# LoRA.\nbase: ../base.yaml\n",
        "configs/glue/lora.yaml": "# LoRA on text.\nbase: [../base.yaml]\n",
        "data/a.yaml": "# A set, v. 1.2 of it. The rest.\nsplits: {train: {exclude: [{manifest: hub/b.yaml}]}}\n",
        "data/hub/b.yaml": "# B\nname: b\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(module, "INSTALLED", folder)
    monkeypatch.setattr("vlhyper.readers.manifest.INSTALLED", folder)
    return folder


def test_a_copy_brings_all_files_that_one_leads_to(package, tmp_path):
    written, same = copy_shipped("vl/lora", tmp_path / "to")
    names = [path.relative_to(tmp_path / "to").as_posix() for path in written]
    assert names == ["configs/vl/lora.yaml", "configs/base.yaml", "data/a.yaml", "data/hub/b.yaml"] and not same
    assert copy_shipped("hub/b", tmp_path / "to") == ([], [tmp_path / "to/data/hub/b.yaml"])


def test_a_copy_replaces_nothing(package, tmp_path):
    (tmp_path / "to/data").mkdir(parents=True)
    (tmp_path / "to/data/a.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"a\.yaml: is there already and differs; move it away"):
        copy_shipped("vl/lora", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").rglob("*.yaml")] == ["a.yaml"]
    assert (tmp_path / "to/data/a.yaml").read_text() == "mine"


def test_names_are_found_and_what_is_none_is_told(package, tmp_path):
    assert [file.name for file in shipped("configs")] == ["base", "glue/lora", "vl/lora"]
    assert [file.about for file in shipped("data")] == ["A set, v. 1.2 of it.", "B"]
    assert find_shipped("b", "data").name == "hub/b"
    assert find_shipped("configs/vl/lora.yaml", "configs").name == "vl/lora"
    assert find_shipped("none", "configs", "data") is None
    for name, told in {
        "lora": "'lora' may be 'glue/lora' or 'vl/lora'",
        "bas": "did you mean 'base'",
        "zzz": "valid are a, base, glue/lora, hub/b, vl/lora",
    }.items():
        with pytest.raises(UserError, match=told):
            copy_shipped(name, tmp_path)


def test_data_sets_of_an_installed_manifest_are_in_the_current_folder(package, tmp_path, monkeypatch):
    content = "name: a\nformat: vl-t5\nroot: $VLHYPER_DATA/a\nsplits: {train: {files: {questions: q.json}}}\n"
    (package / "data/a.yaml").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLHYPER_DATA", raising=False)
    assert load_manifest(package / "data/a.yaml").root == str(tmp_path / "data/a")
    monkeypatch.setenv("VLHYPER_DATA", "/sets")
    assert load_manifest(package / "data/a.yaml").root == "/sets/a"


def test_a_config_of_ones_own_may_name_a_manifest(tmp_path):
    (tmp_path / "run.yaml").write_text("tasks: {vqa: {data: vqa_v2}, gqa: {data: gqa}, cb: {data: none}}\n")
    (tmp_path / "gqa").write_text("mine")
    found = {name: entry.data for name, entry in load_config(tmp_path / "run.yaml").tasks.items()}
    assert found == {"vqa": str(ROOT / "data/vqa_v2.yaml"), "gqa": str(tmp_path / "gqa"), "cb": str(tmp_path / "none")}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("vl_hyperplt", "neither a file nor a config that comes with vlhyper; did you mean 'vl_hyperpelt'?"),
        ("configs/vl_hyperpelt.yaml", "no such file; `vlhyper configs copy vl/vl_hyperpelt` brings one of this name"),
        ("mine.yaml", "no such file; a config must exist"),
    ],
)
def test_what_is_neither_a_file_nor_a_name_is_told(written, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load_config(written)
    assert str(error.value) == f"{written}: {told}"
