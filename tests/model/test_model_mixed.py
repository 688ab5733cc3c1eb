"""Batches in which some rows have an image and others do not, and batches without any image."""

from __future__ import annotations

import cases
import pytest
import torch

from benchmarks.plain_form import plain_generate, plain_loss
from vlhyper.model.makers import hyper
from vlhyper.model.methods import METHODS

WITH_IMAGES = [name for name in METHODS if cases.sees_images(name)]
BEAMS = {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.7}
# Of weights from images, when no row of a batch has one.
VISUAL = ("sources.visual", "sides.visual", "makers.image")


@pytest.fixture(params=["kept", "recomputed"])
def adapters(request, monkeypatch):
    """Both ways to make adapter weights: all at once, or at each site and again in backward."""
    if request.param == "recomputed":
        monkeypatch.setattr(hyper, "KEPT", 0)


def gradients(model, loss):
    """Gradients by name, 0 for a weight that the loss does not depend on."""
    names, weights = zip(*model.trained(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    pairs = zip(names, weights, found, strict=True)
    return {name: torch.zeros_like(weight) if value is None else value for name, weight, value in pairs}


@pytest.mark.parametrize("task", [None, 1], ids=["mixed_tasks", "one_task"])
@pytest.mark.parametrize("method", WITH_IMAGES)
def test_loss_and_gradients_equal_the_plain_form(method, task, adapters):
    model, batch = cases.model(method), cases.mixed(cases.batch(method, task=task))
    assert batch["grid"].isnan().any()
    mine, oracle = model(**batch), plain_loss(model, **batch)
    assert cases.difference({"loss": mine}, {"loss": oracle}) <= 1e-6
    assert cases.difference(cases.gradients(model, mine), cases.gradients(model, oracle)) <= 1e-5


@pytest.mark.parametrize("backbone", cases.BACKBONES)
@pytest.mark.parametrize("method", ["vl_hyperpelt", "clip_t5"])
def test_every_backbone_equals_the_plain_form(method, backbone):
    model, batch = cases.model(method, backbone), cases.mixed(cases.batch(method))
    mine, oracle = model(**batch), plain_loss(model, **batch)
    assert cases.difference({"loss": mine}, {"loss": oracle}) <= 1e-6
    assert cases.difference(cases.gradients(model, mine), cases.gradients(model, oracle)) <= 1e-5


@pytest.mark.parametrize("method", WITH_IMAGES)
def test_rows_give_the_loss_and_gradients_they_give_alone(method, adapters):
    model, batch = cases.model(method), cases.mixed(cases.batch(method))
    alone = [model(**cases.rows(batch, slice(row, row + 1)), denominator=1.0) for row in range(4)]
    together = model(**batch, denominator=1.0)
    assert torch.allclose(together, torch.stack(alone).sum(), rtol=1e-6)
    summed = [gradients(model, loss) for loss in alone]
    expected = {name: torch.stack([found[name] for found in summed]).sum(0) for name in summed[0]}
    assert cases.difference(gradients(model, together), expected) <= 1e-5


@pytest.mark.parametrize("method", WITH_IMAGES)
def test_images_of_other_rows_do_not_matter_and_those_of_its_own_do(method):
    model, batch = cases.model(method), cases.mixed(cases.batch(method))
    seen = []
    model.t5.lm_head.register_forward_hook(lambda _, __, logits: seen.append(logits.detach()))
    model(**batch)
    model(**{**batch, "grid": batch["grid"].flip(0).nan_to_num(5.0).flip(1)})
    before, after = seen
    assert torch.equal(before[1::2], after[1::2])
    assert (before[::2] - after[::2]).abs().amax(dim=(1, 2)).min() > 1e-4


@pytest.mark.parametrize("method", WITH_IMAGES)
def test_a_batch_without_images_is_one_whose_rows_all_lack_them(method, adapters):
    model, batch = cases.model(method), cases.batch(method)
    grid = torch.full_like(batch["grid"], torch.nan)
    lacking = model(**{**batch, "grid": grid}, pictured=torch.zeros(4, dtype=torch.bool))
    without = model(**{**batch, "grid": None})
    assert torch.allclose(lacking, without, rtol=1e-6)
    assert torch.allclose(without, plain_loss(model, **{**batch, "grid": None}), rtol=1e-6)
    for name, gradient in gradients(model, lacking).items():
        assert gradient.isfinite().all()
        if any(part in name for part in VISUAL):
            assert gradient.abs().max() == 0


@pytest.mark.parametrize("method", WITH_IMAGES)
def test_all_rows_pictured_is_a_batch_of_images(method):
    model, batch = cases.model(method), cases.batch(method)
    assert torch.equal(model(**batch, pictured=torch.ones(4, dtype=torch.bool)), model(**batch))


def test_a_text_task_computes_what_a_model_without_a_visual_side_computes():
    model, text = cases.model("vl_hyperpelt"), cases.model("hyperpelt", prefix_length=cases.CELLS)
    state = {name: value for name, value in model.state().items() if "visual" not in name}
    text.load_state(state, "the task side")
    batch = cases.batch("hyperpelt")
    assert torch.equal(model(**batch), text(**batch))


@pytest.mark.parametrize("method", WITH_IMAGES)
@pytest.mark.parametrize("search", [{"num_beams": 1}, BEAMS], ids=["greedy", "beams"])
def test_rows_are_answered_as_alone_and_as_by_the_plain_form(method, search):
    model, batch = cases.model(method), cases.without_labels(cases.mixed(cases.batch(method)))
    options = {**search, "max_new_tokens": 7, "do_sample": False}
    each = search.get("num_return_sequences", 1)
    together = model.generate(**batch, **options)
    for row in range(4):
        alone = cases.rows(batch, slice(row, row + 1))
        mine = together[each * row : each * (row + 1)]
        for answer in (model.generate(**alone, **options), plain_generate(model, **alone, **options)):
            assert torch.equal(mine[:, : answer.shape[1]], answer)
            assert (mine[:, answer.shape[1] :] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictured": torch.ones(3, dtype=torch.bool)}, "one entry for each of 4 rows"),
        ({"pictured": torch.ones(4, dtype=torch.bool), "grid": None}, "goes with image features"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        cases.model()(**{**cases.batch(), **change})
