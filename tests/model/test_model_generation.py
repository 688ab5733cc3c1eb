"""Generation against the same search over the oracle's forwards."""

from __future__ import annotations

from functools import cache

import cases
import pytest
import torch

from benchmarks.plain_form import plain_generate
from vlhyper.model.methods import METHODS

GREEDY = {"num_beams": 1}
BEAMS = {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.7}


def generate(model, batch, search, oracle=False):
    options = {**search, "max_new_tokens": 7, "do_sample": False}
    detailed = {"return_dict_in_generate": True, "output_scores": True}
    answer = plain_generate if oracle else type(model).generate
    return answer(model, **cases.without_labels(batch), **options, **detailed)


@cache
def answered(method):
    """A model, a batch and what beams find for it: several tests compare with it."""
    model, batch = cases.model(method), cases.batch(method)
    return model, batch, generate(model, batch, BEAMS)


@pytest.mark.parametrize(("search", "task"), [(GREEDY, 1), (BEAMS, None)], ids=["greedy-one_task", "beams-mixed_tasks"])
@pytest.mark.parametrize("method", METHODS)
def test_sequences_and_scores_equal_the_plain_form(method, search, task):
    model, batch = cases.model(method), cases.batch(method, task=task)
    ours, oracle = generate(model, batch, search), generate(model, batch, search, oracle=True)
    assert torch.equal(ours.sequences, oracle.sequences)
    assert len(ours.scores) == len(oracle.scores)
    for mine, other in zip(ours.scores, oracle.scores, strict=True):
        assert torch.allclose(mine, other, rtol=1e-4, atol=1e-4)
    if search is BEAMS:
        assert torch.allclose(ours.sequences_scores, oracle.sequences_scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["wide_heads", "gated_untied", "deep_encoder", "deep_decoder"])
def test_beams_on_other_backbones_equal_the_plain_form(backbone):
    model, batch = cases.model(backbone=backbone), cases.batch()
    ours, oracle = generate(model, batch, BEAMS), generate(model, batch, BEAMS, oracle=True)
    assert torch.equal(ours.sequences, oracle.sequences)
    assert torch.allclose(ours.sequences_scores, oracle.sequences_scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("search", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_forms_are_made_once_a_call(search):
    model, made = cases.model(), []
    model.makers["hyper"].register_forward_hook(lambda *_: made.append(1))
    generate(model, cases.batch(), search)
    assert len(made) == 1


def test_other_images_make_other_weights():
    model, batch = cases.model(), cases.batch()
    with torch.no_grad():
        shown = model(**batch)
        swapped = model(**{**batch, "grid": batch["grid"].roll(1, 0)})
    assert (shown - swapped).abs() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_the_cache_changes_no_answer(method):
    model, batch, cached = answered(method)
    plain = generate(model, batch, {**BEAMS, "use_cache": False})
    assert torch.equal(cached.sequences, plain.sequences)
    assert torch.allclose(cached.sequences_scores, plain.sequences_scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_padding_of_sources_changes_no_answer(method):
    model, batch, expected = answered(method)
    padded = generate(model, cases.padded(batch), BEAMS)
    assert torch.equal(expected.sequences, padded.sequences)
    assert torch.allclose(expected.sequences_scores, padded.sequences_scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_row_is_answered_the_same_in_any_company(method):
    model, batch, together = answered(method)
    for row in (0, 3):
        alone = generate(model, cases.rows(batch, slice(row, row + 1)), BEAMS)
        mine = together.sequences[2 * row : 2 * row + 2, : alone.sequences.shape[1]]
        assert torch.equal(alone.sequences, mine)
        scores = together.sequences_scores[2 * row : 2 * row + 2]
        assert torch.allclose(alone.sequences_scores, scores, rtol=1e-4, atol=1e-5)
