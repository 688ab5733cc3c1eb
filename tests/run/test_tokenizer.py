"""Tokenizers that are missing are reported in one line."""

import json
import os
import shutil

import pytest

from vlhyper.errors import UserError
from vlhyper.model.spec import ModelSpec
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.world import tiny


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"backbone": {"d_model": 8}}, "model.tokenizer is missing"),
        ({"backbone": "t5-base", "tokenizer": "/nowhere"}, "tokenizer '/nowhere' cannot be loaded"),
        ({"backbone": "t5"}, "tokenizer 't5' cannot be loaded: .*neither a local folder nor a known T5"),
    ],
)
def test_a_tokenizer_that_is_not_there_is_one_line(spec, told):
    with pytest.raises(UserError, match=told) as refusal:
        load_tokenizer(ModelSpec(**spec))
    assert "\n" not in str(refusal.value)


def test_a_folder_with_tokenizer_json_alone_is_completed_from_its_vocabulary(tmp_path):
    shutil.copy(tiny() / "t5/tokenizer.json", tmp_path)
    spec = ModelSpec(backbone=str(tiny() / "t5"), tokenizer=str(tmp_path))
    alone, whole = load_tokenizer(spec), load_tokenizer(ModelSpec(backbone=str(tiny() / "t5")))
    assert (alone.pad_token_id, alone.eos_token_id) == (whole.pad_token_id, whole.eos_token_id)
    texts = ["what color is the star?", "red"]
    assert alone(texts, padding=True)["input_ids"] == whole(texts, padding=True)["input_ids"]


def test_a_vocabulary_without_padding_is_refused(tmp_path):
    content = json.loads((tiny() / "t5/tokenizer.json").read_text().replace("<pad>", "<dap>"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="has no pad_token and no '<pad>' in its vocabulary; use T5's own"):
        load_tokenizer(ModelSpec(backbone=str(tiny() / "t5"), tokenizer=str(tmp_path)))


DAMAGE = {
    "tokenizer.json": ["", "[]", "{}", '{"version": 3}', '{"a": 1, "a": 2}', "[" * 100_000],
    "tokenizer_config.json": ["", "[]", '{"tokenizer_class": 7}', '{"pad_token": []}', '{"model_max_length": "x"}'],
    "special_tokens_map.json": ["[]", "{"],
    "spiece.model": ["", "no pieces"],
}


@pytest.mark.parametrize(("name", "content"), [(name, content) for name in DAMAGE for content in DAMAGE[name]])
def test_a_damaged_tokenizer_is_one_line_that_names_its_folder(tmp_path, name, content):
    words = shutil.copytree(tiny() / "t5", tmp_path / "words")
    if name == "spiece.model":
        (words / "tokenizer.json").unlink()
    (words / name).write_text(content)
    with pytest.raises(UserError) as refusal:
        load_tokenizer(ModelSpec(backbone=str(tiny() / "t5"), tokenizer=str(words)))
    assert str(words) in str(refusal.value) and "\n" not in str(refusal.value)
    assert name.startswith("tokenizer_config") or name in str(refusal.value)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "chat_template.jinja"])
def test_a_pipe_in_the_folder_of_a_tokenizer_does_not_hang(tmp_path, name):
    words = shutil.copytree(tiny() / "t5", tmp_path / "words")
    (words / name).unlink(missing_ok=True)
    os.mkfifo(words / name)
    with pytest.raises(UserError, match=rf"words/{name}: this is a device or a pipe"):
        load_tokenizer(ModelSpec(backbone=str(tiny() / "t5"), tokenizer=str(words)))
