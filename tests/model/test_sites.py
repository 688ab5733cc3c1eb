"""Sites by name."""

from __future__ import annotations

import cases
import pytest

from vlhyper.errors import UserError
from vlhyper.model.families import size_of
from vlhyper.model.sites import Site, sites


def test_sites_are_the_layers_of_each_blocks_stack():
    size = size_of(cases.spec(backbone="deep_encoder").backbone)
    found = sites(size, ("encoder_ff", "decoder_self", "input"))
    assert found == [*(Site("encoder_ff", layer) for layer in range(3)), Site("decoder_self", 0), Site("input", 0)]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (("encoder_slf",), "unknown block 'encoder_slf'; did you mean 'encoder_self'"),
        (("input", "input"), "duplicate block 'input'"),
    ],
)
def test_an_unknown_or_duplicate_block_is_refused(blocks, message):
    with pytest.raises(UserError, match=message):
        sites(size_of(cases.spec().backbone), blocks)
