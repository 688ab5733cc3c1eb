"""Whatever is wrong with an encoder's weights: one line that names the file and what to do, before memory is taken."""

from __future__ import annotations

import pickle
import random
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from feature_extraction.encoder import _load
from feature_extraction.weights import Weights, read_tower
from vlhyper.errors import UserError


def state():
    torch.manual_seed(0)
    return {f"visual.{key}": value for key, value in nn.Linear(4, 3).state_dict().items()}


def load(path):
    tower = nn.Linear(4, 3)
    tensors, _ = read_tower(path, "", trust=False)
    _load(tower, set(tower.state_dict()), Weights(path, "", tensors, False), "tiny")
    return tower


def refused(path) -> str:
    with pytest.raises(UserError) as refusal:
        load(path)
    told = str(refusal.value)
    assert told.startswith(f"{path}: ") and "\n" not in told and len(told) < 600
    return told


def legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


FORMATS = {"w.safetensors": save_file, "w.pt": torch.save, "old.pt": legacy}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(4))
def test_changed_and_missing_bytes_end_as_weights_or_as_one_line(tmp_path, name, seed):
    path = tmp_path / name
    FORMATS[name](state(), path)
    whole, rng, told = path.read_bytes(), random.Random(f"{name} {seed}"), []
    assert load(path).weight.equal(state()["visual.weight"])
    places = [place for place, byte in enumerate(whole) if byte]
    for case in range(25):
        content = bytearray(whole)
        for place in rng.sample(places, rng.choice([1, 1, 3])):
            content[place] = rng.choice([content[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
        path.write_bytes(content[: rng.randrange(len(content))] if case % 5 == 0 else content)
        try:
            assert all(value.isfinite().all() for value in load(path).parameters())
        except UserError:
            told.append(refused(path))
    assert len(set(told)) > 3


def expanded():
    return torch.zeros(1).expand(1 << 40)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"visual.weight": expanded()}, "larger than the file (visual.weight is (1099511627776,)"),
        ({"visual.more": expanded()}, "larger than the file (visual.more is"),
        ({"visual.weight": torch.empty(3, 4, device="meta")}, "without values"),
        ({"visual.weight": torch.zeros(3, 4, dtype=torch.complex64)}, "no floats: weight is complex64"),
        ({"visual.a\nb" + "x" * 900: torch.zeros(1)}, r"unknown: 'a\nb"),
        ({"visual.weight": Trap()}, "neither safetensors nor a state dict that loads without running code"),
    ],
    ids=["expanded", "more", "meta", "complex", "name", "pickle"],
)
@pytest.mark.parametrize("name", ["w.pt", "old.pt", "w.bin"])
def test_tensors_that_are_no_plain_arrays_are_named(tmp_path, name, change, told):
    content = {**state(), **change}
    FORMATS.get(name, torch.save)(content, tmp_path / name)
    assert told in refused(tmp_path / name)


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path):
    torch.save({"visual.weight": torch.zeros(1 << 16)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "w.pt", "w") as packed:
        for part in plain.namelist():
            packed.writestr(part, plain.read(part), zipfile.ZIP_DEFLATED)
    assert "its parts unpack to" in refused(tmp_path / "w.pt")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x80\2}", pickle.dumps({"visual.weight": Trap()}), b"{}"])
def test_what_is_no_file_of_weights_is_named(tmp_path, content):
    (tmp_path / "w.bin").write_bytes(content)
    refused(tmp_path / "w.bin")
