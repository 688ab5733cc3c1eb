"""Attention with prefixes, form by form."""

from __future__ import annotations

import cases
import torch

from vlhyper.model.attention import prefix_attention
from vlhyper.model.forms import Prefix, WholePrefix

ROWS, HEADS, WIDTH, QUERIES, KEYS, LENGTH, HYPER = 6, 2, 3, 4, 5, 7, 2


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def ordinary():
    torch.manual_seed(0)
    return [drawn(ROWS, HEADS, length, WIDTH) for length in (QUERIES, KEYS, KEYS)]


def latent(rows, present=None):
    inner = HEADS * WIDTH
    return Prefix(drawn(rows, LENGTH, HYPER), drawn(HYPER, inner), drawn(HYPER, inner), present)


def whole(prefix):
    return WholePrefix(prefix.latent @ prefix.key, prefix.latent @ prefix.value)


def by_hand(query, key, value, bias, prefix, dropped=()):
    """softmax(q [K_p ; k]^T) [V_p ; v], row by row and head by head."""
    rows = []
    for row in range(ROWS):
        own = row // (ROWS // len(prefix.key))
        heads = []
        for head in range(HEADS):
            part = slice(head * WIDTH, (head + 1) * WIDTH)
            before = [] if row in dropped else [(prefix.key[own, :, part], prefix.value[own, :, part])]
            keys = torch.cat([*(k for k, _ in before), key[row, head]])
            values = torch.cat([*(v for _, v in before), value[row, head]])
            logits = query[row, head] @ keys.T
            logits[:, -KEYS:] = logits[:, -KEYS:] + bias[0, head]
            heads.append(logits.float().softmax(-1).to(value.dtype) @ values)
        rows.append(torch.stack(heads))
    return torch.stack(rows)


def test_latent_and_whole_prefixes_equal_the_formula_by_hand():
    query, key, value = ordinary()
    bias = drawn(1, HEADS, QUERIES, KEYS)
    for rows in (1, 2, ROWS):
        prefix = latent(rows)
        expected = by_hand(query, key, value, bias, whole(prefix))
        for form in (prefix, whole(prefix)):
            # The softmax is taken in float32.
            assert torch.allclose(prefix_attention(query, key, value, bias, [form]), expected, atol=1e-6)


def test_rows_that_lack_a_prefix_have_none():
    query, key, value = ordinary()
    bias, present = drawn(1, HEADS, QUERIES, KEYS), torch.tensor([True, False, True])
    prefix = latent(3, present)
    # Two beams a row.
    expected = by_hand(query, key, value, bias, whole(prefix), dropped=(2, 3))
    mine = prefix_attention(query, key, value, bias, [prefix])
    assert torch.allclose(mine, expected, atol=1e-6)
    gradient = torch.autograd.grad(mine.sum(), prefix.latent)[0]
    assert gradient[1].abs().max() == 0 < gradient[[0, 2]].abs().amin()


def test_without_prefixes_it_is_attention():
    query, key, value = ordinary()
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)
    assert torch.allclose(prefix_attention(query, key, value, None, []), expected, atol=1e-6)


def test_attention_weights_to_prefixes_are_dropped_too():
    # With every ordinary way closed off by dropout of all weights, an attention gives nothing.
    model, batch = cases.model("vl_hyperpelt_prefix"), cases.batch()
    attention = model.t5.encoder.block[0].layer[0].SelfAttention
    outputs = []
    attention.o.register_forward_hook(lambda _, inputs, __: outputs.append(inputs[0]))
    attention.train()
    attention.dropout = 1.0
    model(**batch)
    assert outputs[0].abs().max() == 0
