"""Tokenizers that are missing are reported in one line."""

import pytest

from vlhyper.errors import UserError
from vlhyper.model.spec import ModelSpec
from vlhyper.run.tokenizer import load_tokenizer


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"backbone": {"d_model": 8}}, "model.tokenizer is missing"),
        ({"backbone": "t5-base", "tokenizer": "/nowhere"}, "tokenizer '/nowhere' cannot be loaded"),
    ],
)
def test_a_tokenizer_that_is_not_there_is_one_line(spec, told):
    with pytest.raises(UserError, match=told) as refusal:
        load_tokenizer(ModelSpec(**spec))
    assert "\n" not in str(refusal.value)
