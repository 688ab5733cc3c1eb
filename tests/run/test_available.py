"""What of the published models is at hand, found without the network."""

import json
import shutil
import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from vlhyper.model.families import size_of
from vlhyper.model.spec import ModelSpec
from vlhyper.run.available import missing_models

HUB_ID = "google-t5/t5-small"


def looked_at(**spec) -> tuple[list[str], list[str]]:
    """What is missing, and what was said."""
    said: list[str] = []
    lines = list(missing_models(ModelSpec(**spec), said.append))
    assert all("\n" not in line for line in lines + said)
    return lines, said


@pytest.fixture
def t5(lab, tmp_path) -> Path:
    """A folder with a whole T5 and its tokenizer, to be damaged."""
    shutil.copytree(lab.folder / "t5", tmp_path / "t5")
    return tmp_path / "t5"


@pytest.fixture
def hub(t5, tmp_path, monkeypatch) -> Path:
    """An empty hub cache; `HUB_ID` is in it once `cached` is called."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub" / f"models--{HUB_ID.replace('/', '--')}"


def cached(hub: Path, t5: Path) -> Path:
    """Put the T5 into the hub cache; gives the folder of its files."""
    (hub / "refs").mkdir(parents=True)
    (hub / "refs/main").write_text("abc")
    shutil.copytree(t5, hub / "snapshots/abc")
    return hub / "snapshots/abc"


@pytest.fixture
def online(monkeypatch) -> list:
    """The network is allowed, and every try to reach it is noted and refused."""
    tries: list = []

    def refuse(*address):
        tries.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tries


def test_a_whole_folder_is_at_hand(t5):
    assert looked_at(backbone=str(t5)) == ([], [])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_the_folder_lacks_is_named(t5, name):
    (t5 / name).unlink()
    lines, _ = looked_at(backbone=str(t5), tokenizer=str(t5))
    assert any(name in line and str(t5) in line for line in lines)


def test_a_torn_weights_file_is_named(t5):
    (t5 / "model.safetensors").write_bytes((t5 / "model.safetensors").read_bytes()[:-9])
    lines, _ = looked_at(backbone=str(t5))
    assert len(lines) == 1 and lines[0].startswith(f"{t5}/model.safetensors: damaged or incomplete safetensors file")


def test_weights_in_several_files_are_all_looked_for(t5):
    (t5 / "model.safetensors").rename(t5 / "one.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}}
    (t5 / "model.safetensors.index.json").write_text(json.dumps(index))
    assert looked_at(backbone=str(t5))[0] == [f"backbone {str(t5)!r}: the folder lacks two.safetensors; copy it there"]


def test_a_folder_without_a_tokenizer_is_named(t5):
    for path in t5.glob("*token*"):
        path.unlink()
    lines, _ = looked_at(backbone=str(t5))
    assert len(lines) == 1 and lines[0].startswith(f"tokenizer {str(t5)!r} cannot be loaded")


def test_a_cached_model_is_at_hand(hub, t5, online, monkeypatch):
    # The trial T5 has other sizes than the published one it stands for.
    size = size_of(str(t5))
    for module in ("tokenizer", "available"):
        monkeypatch.setattr(f"vlhyper.run.{module}.size_of", lambda name: size)
    cached(hub, t5)
    assert looked_at(backbone=HUB_ID) == ([], [])
    assert online == []


def test_what_the_cache_lacks_is_a_fault_where_the_network_is_kept_out(hub, t5):
    lines, said = looked_at(backbone=HUB_ID)
    assert said == [] and len(lines) == 2
    assert lines[0].startswith(
        f"backbone '{HUB_ID}': the local hub cache lacks config.json, model.safetensors and HF_HUB"
    )
    assert f"hf download {HUB_ID}" in lines[0]
    assert lines[1].startswith(f"tokenizer '{HUB_ID}' cannot be loaded")
    (cached(hub, t5) / "model.safetensors").unlink()
    assert "the local hub cache lacks model.safetensors and" in looked_at(backbone=HUB_ID)[0][0]


def test_what_the_cache_lacks_is_fetched_by_training_and_not_by_looking(hub, online):
    lines, said = looked_at(backbone=HUB_ID)
    assert lines == [] and [line.split(":")[0] for line in said] == [f"backbone '{HUB_ID}'", f"tokenizer '{HUB_ID}'"]
    assert all(line.endswith("training fetches it from the hub") for line in said)
    assert online == []


@pytest.mark.parametrize("name", ["/nowhere/words", "a/b/c"])
def test_a_folder_that_is_not_there_is_no_hub_id(t5, online, name):
    lines, said = looked_at(backbone=str(t5), tokenizer=name)
    assert said == [] and len(lines) == 1 and lines[0].startswith(f"tokenizer {name!r} cannot be loaded")
    assert online == []


def test_a_backbone_of_random_weights_needs_a_tokenizer_alone(t5):
    fields = {"d_model": 16, "d_kv": 4, "num_heads": 4, "vocab_size": 10**6}
    assert looked_at(backbone=fields, tokenizer=str(t5)) == ([], [])
    assert looked_at(backbone=fields)[0][0].startswith("model.tokenizer is missing")
