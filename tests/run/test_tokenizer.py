"""Tokenizers that are missing are reported in one line."""

import json
import os
import shutil

import pytest
from transformers import GemmaTokenizer, RobertaTokenizer

from vlhyper.errors import UserError
from vlhyper.model.spec import ModelSpec
from vlhyper.run.batches import IGNORED, Collator
from vlhyper.run.tokenizer import load_tokenizer
from vlhyper.world import tiny


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"backbone": {"d_model": 8}}, "model.tokenizer is missing"),
        ({"backbone": "t5-base", "tokenizer": "/nowhere"}, "tokenizer '/nowhere' cannot be loaded"),
        ({"backbone": "t5"}, "tokenizer 't5' cannot be loaded: .*neither a local folder nor a known model"),
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
    with pytest.raises(UserError, match="has no pad_token and no '<pad>' in its vocabulary; use the backbone's own"):
        load_tokenizer(ModelSpec(backbone=str(tiny() / "t5"), tokenizer=str(tmp_path)))


def letters(*specials):
    return {word: number for number, word in enumerate([*specials, *"rednobluĠ▁"])}


def test_targets_end_in_every_family_and_texts_are_padded_behind(tmp_path):
    # Gemma's tokenizer pads before a text, begins it and does not end it.
    GemmaTokenizer(letters("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"), [], add_bos_token=True).save_pretrained(
        tmp_path / "gemma"
    )
    RobertaTokenizer(letters("<s>", "<pad>", "</s>", "<unk>", "<mask>"), []).save_pretrained(tmp_path / "bart")
    stack = {"hidden_size": 8, "vocab_size": 40}
    gemma = load_tokenizer(
        ModelSpec(
            backbone={"model_type": "t5gemma", "encoder": stack, "decoder": stack}, tokenizer=str(tmp_path / "gemma")
        )
    )
    bart = load_tokenizer(
        ModelSpec(backbone={"model_type": "bart", "vocab_size": 40}, tokenizer=str(tmp_path / "bart"))
    )
    texts = ["no", "red"]
    assert gemma(texts, padding=True)["attention_mask"] == [[1, 1, 1, 0], [1, 1, 1, 1]]
    no, red = ([gemma.convert_tokens_to_ids(letter) for letter in text] for text in texts)
    assert Collator(gemma, None, 8).labels(texts).tolist() == [[*no, 1, IGNORED], [*red, 1]]
    # Cut to the end token and what fits before it.
    assert Collator(gemma, None, 3).labels(["red"]).tolist() == [[*red[:2], 1]]
    no, red = ([bart.convert_tokens_to_ids(letter) for letter in text] for text in texts)
    assert Collator(bart, None, 8).labels(texts).tolist() == [[0, *no, 2, IGNORED], [0, *red, 2]]
    with pytest.raises(UserError, match=r"ends a text with token 2, the backbone with 3; .* or set its eos_token_id"):
        load_tokenizer(
            ModelSpec(
                backbone={"model_type": "bart", "vocab_size": 40, "eos_token_id": 3}, tokenizer=str(tmp_path / "bart")
            )
        )


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
