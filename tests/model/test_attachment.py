"""Sites of a T5, against what stock T5 computes."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.model.attachment import Attachment
from vlhyper.model.forms import Bottleneck, Tokens, WholePrefix
from vlhyper.model.sites import ATTENTION, FEED_FORWARD, Site, sites


def close(ours, stock):
    return (ours - stock).abs().max() <= 1e-5 * stock.abs().max()


@pytest.mark.parametrize("backbone", cases.BACKBONES)
def test_sites_without_forms_compute_what_stock_t5_computes(backbone):
    model, batch = cases.model(backbone=backbone), cases.without_task(cases.batch())
    t5 = model.t5
    model.attachment.detach()
    Attachment(t5)
    ours = t5(**batch).logits
    t5.set_attn_implementation("sdpa")
    stock = t5(**batch).logits
    assert close(ours, stock)


@pytest.mark.parametrize("backbone", cases.BACKBONES)
def test_a_form_at_any_site_changes_the_answer_and_goes_with_the_next_set(backbone):
    model, batch = cases.model("hyperpelt", backbone), cases.without_task(cases.batch())
    attachment, t5 = model.attachment, model.t5
    attachment.set({})
    with torch.no_grad():
        before = t5(**batch).logits
        for site in sites(t5_size(model), (*ATTENTION, *FEED_FORWARD)):
            attachment.set({site: [form(site, t5.config)]})
            assert (t5(**batch).logits - before).abs().max() > 1e-4, site
            attachment.set({})
            assert torch.equal(t5(**batch).logits, before), site


def t5_size(model):
    return next(iter(model.makers.values())).maker.size


def form(site, config):
    torch.manual_seed(5)
    inner = config.num_heads * config.d_kv
    if site.block in ATTENTION:
        return WholePrefix(torch.randn(1, 3, inner) * 3, torch.randn(1, 3, inner) * 3)
    return Bottleneck(torch.randn(1, 2, config.d_model), torch.randn(1, config.d_model, 2), torch.tensor(1.0))


@pytest.mark.parametrize("front", [True, False], ids=["front", "behind"])
def test_biased_tokens_compute_what_stock_t5_computes_on_longer_embeddings(front):
    model, batch = cases.model(), cases.batch()
    ids, mask, labels = (batch[name] for name in ("input_ids", "attention_mask", "labels"))
    embeds, text = torch.randn(4, 3, 16), model.t5.shared.weight[ids]
    model.attachment.set({Site("input", 0): [Tokens(embeds, front=front)]})
    ours = model.t5(**model.attachment.encoder_inputs(ids, mask), labels=labels).logits
    joined, ones = [embeds, text], [torch.ones(4, 3), mask]
    model.attachment.set({})
    model.t5.set_attn_implementation("sdpa")
    longer = {
        "inputs_embeds": torch.cat(joined if front else joined[::-1], 1),
        "attention_mask": torch.cat(ones if front else ones[::-1], 1),
    }
    assert close(ours, model.t5(**longer, labels=labels).logits)


def test_unbiased_tokens_do_not_depend_on_their_order():
    model, batch = cases.model(), cases.batch()
    embeds = torch.randn(4, 3, 16)

    def logits(tokens):
        model.attachment.set({Site("input", 0): [tokens]})
        inputs = model.attachment.encoder_inputs(batch["input_ids"], batch["attention_mask"])
        return model.t5(**inputs, labels=batch["labels"]).logits

    with torch.no_grad():
        without, with_bias = (
            (logits(Tokens(embeds, biased=biased)), logits(Tokens(embeds.flip(1), biased=biased)))
            for biased in (False, True)
        )
    assert close(*without)
    assert not close(*with_bias)


def test_tokens_on_both_sides_of_the_text_keep_their_own_masks_and_biases():
    model, batch = cases.model(), cases.batch()
    ids, mask = batch["input_ids"], batch["attention_mask"]
    present = torch.tensor([True, False, True, False])
    front, behind = torch.randn(4, 2, 16), torch.randn(4, 3, 16)
    tokens = [Tokens(behind, present, front=False, biased=False), Tokens(front, front=True)]
    model.attachment.set({Site("input", 0): tokens})
    inputs = model.attachment.encoder_inputs(ids, mask)
    assert torch.equal(inputs["inputs_embeds"], torch.cat([front, model.t5.shared.weight[ids], behind], 1))
    expected = torch.cat([torch.ones(4, 2), mask, present[:, None].expand(4, 3)], 1)
    assert torch.equal(inputs["attention_mask"], expected.long())
    biased = torch.tensor([True] * 10 + [False] * 3)
    assert torch.equal(model.attachment.biased, biased[:, None] & biased[None])
