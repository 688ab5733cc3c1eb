"""Whatever is wrong with the files of a T5: one line that names the file and the entry, before anything is built."""

from __future__ import annotations

import json
import os
import shutil

import cases
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone, digest_without
from vlhyper.model.families import size_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "t5"
    build_backbone(cases.spec(backbone="gated_untied").backbone).save_pretrained(folder)
    return folder


@pytest.fixture
def t5(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "t5")


def refused(folder) -> str:
    with pytest.raises(UserError) as refusal:
        build_backbone(str(folder))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500
    return str(refusal.value)


# An entry of config.json as it is written there, and what is said of it.
ENTRIES = [
    ("d_model", '"x"', "d_model: input should be a valid integer"),
    ("d_model", "-1", "d_model: input should be greater than 0"),
    ("d_kv", "1.5", "d_kv: input should be a valid integer"),
    ("d_ff", "[]", "d_ff: input should be a valid integer"),
    ("num_heads", "true", "num_heads: input should be a valid integer"),
    ("num_layers", "1000000000000000000", "num_layers: input should be less than or equal to 1000"),
    ("num_decoder_layers", "0", "num_decoder_layers: input should be greater than 0"),
    ("vocab_size", "1" + "0" * 400, "vocab_size: input should be less than"),
    ("vocab_size", "1" + "0" * 5000, "a number has thousands of digits"),
    ("dropout_rate", "NaN", "dropout_rate: input should be a finite number"),
    ("layer_norm_epsilon", "{}", "layer_norm_epsilon: input should be a valid number"),
    ("feed_forward_proj", "3", "feed_forward_proj: input should be"),
    ("tie_word_embeddings", "1", "tie_word_embeddings: input should be a valid boolean"),
    ("eos_token_id", "99", "eos_token_id is 99, the vocabulary has 40 tokens"),
    ("relative_attention_max_distance", "3", "relative_attention_max_distance must be more than half"),
    ("model_type", "null", "model_type is None; vlhyper needs one of t5, mt5, bart"),
]


@pytest.mark.parametrize(("key", "written", "told"), ENTRIES, ids=[f"{key}-{told[-12:]}" for key, _, told in ENTRIES])
def test_an_entry_of_the_config_is_named(t5, key, written, told):
    config = {**json.loads((t5 / "config.json").read_text()), key: "@"}
    (t5 / "config.json").write_text(json.dumps(config).replace('"@"', written))
    assert refused(t5).startswith(f"{t5}/config.json: {told}")


CONTENTS = {"list": "[]", "nested": "[" * 100_000, "empty": "", "twice": '{"a": 1, "a": 2}', "no UTF-8": "\xff"}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
@pytest.mark.parametrize("content", CONTENTS)
def test_json_that_is_none_is_named(t5, name, content):
    if name != "config.json":
        (t5 / "model.safetensors").unlink()
    (t5 / name).write_text(CONTENTS[content], encoding="latin-1")
    assert refused(t5).startswith(f"{t5}/{name}: ")


def loop(path):
    path.symlink_to(path)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(20 << 30)


PLACES = {
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "loop": loop,
    "20 GB": sparse,
}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_of_its_kind_is_named_at_once(t5, name, place):
    (t5 / name).unlink()
    PLACES[place](t5 / name)
    assert refused(t5).startswith(f"{t5}/{name}: ")


@pytest.mark.parametrize("file", ["../t5.safetensors", "/dev/zero", "pytorch_model.bin", "a/b.safetensors"])
def test_an_index_names_files_beside_it_alone(t5, file):
    (t5 / "model.safetensors").unlink()
    (t5 / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"shared.weight": file}}))
    assert "is not the name of a safetensors file beside it" in refused(t5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_numbers_that_are_none_are_named(t5, value):
    weights = load_file(t5 / "model.safetensors")
    name = "encoder.block.1.layer.0.SelfAttention.k.weight"
    weights[name] = weights[name].double()
    weights[name][0, 0] = value
    save_file(weights, t5 / "model.safetensors")
    assert refused(t5).startswith(f"{t5}/model.safetensors: 1 tensors hold a NaN or an infinity ({name})")


def test_settings_beside_the_weights_are_neither_read_nor_followed(t5, whole):
    for name in ("generation_config.json", "adapter_config.json", "custom_generate/generate.py"):
        (t5 / name).parent.mkdir(exist_ok=True)
        (t5 / name).write_text("[[")
    config = json.loads((t5 / "config.json").read_text())
    odd = {"dtype": "x", "quantization_config": {"quant_method": "gptq"}, "auto_map": {"": "evil.py"}, "id2label": 3}
    (t5 / "config.json").write_text(json.dumps({**config, **odd}))
    assert digest_without(build_backbone(str(t5)), ()) == digest_without(build_backbone(str(whole)), ())


def test_sizes_that_no_memory_holds_are_refused_before_they_are_built():
    fields = {"d_model": 10_000_000, "d_ff": 10_000_000}
    with pytest.raises(UserError, match=r"^backbone: [\d,]+ parameters need [\d,]+ GB, this machine has"):
        build_backbone(fields)
    with torch.device("meta"):
        assert build_backbone({"d_ff": 10_000_000}).config.d_ff == size_of({"d_ff": 10_000_000}).d_ff
