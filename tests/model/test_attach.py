"""A method on a T5 that the user already has: losses, refusals, disabling, detaching, saving."""

from __future__ import annotations

import cases
import pytest
import torch
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from vlhyper import attach
from vlhyper.errors import UserError
from vlhyper.model.methods import METHODS
from vlhyper.model.spec import option_models


def plain_t5():
    torch.manual_seed(3)
    fields = {"vocab_size": 40, "d_ff": 24, "decoder_start_token_id": 0, **cases.BACKBONES["original"]}
    return T5ForConditionalGeneration(T5Config(**fields)).eval()


def attached(method="hyperpelt", t5=None):
    known = {name for model in option_models(METHODS[method]).values() for name in model.model_fields}
    small = {name: value for name, value in cases.OPTIONS.items() if name in known}
    image = (cases.CELLS, cases.CHANNELS) if cases.sees_images(method) else None
    model = attach(t5 or plain_t5(), method, tasks=cases.TASKS, image=image, **small).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for _, weight in model.model.trained():
            weight += torch.randn_like(weight) * 0.05
    return model


def texts(method="hyperpelt"):
    return cases.batch(method)


@pytest.mark.parametrize("method", METHODS)
def test_detaching_leaves_the_t5_as_it_was_to_the_last_bit(method):
    t5, batch = plain_t5(), texts(method)
    t5.encoder.requires_grad_(False)
    before = {name: (weight.clone(), weight.requires_grad) for name, weight in t5.named_parameters()}
    stock = cases.without_task(batch)
    expected = t5(**stock).loss
    model = attached(method, t5)
    loss = model(**batch).loss
    assert (loss - expected).abs() > 1e-3
    assert torch.allclose(loss, model.model(**batch), rtol=1e-6)
    with model.disable():
        assert torch.allclose(model(**stock).loss, expected, rtol=1e-6)
    assert torch.equal(model(**batch).loss, loss)
    assert model.detach() is t5
    assert torch.equal(t5(**stock).loss, expected)
    for name, weight in t5.named_parameters():
        assert torch.equal(weight, before[name][0]) and weight.requires_grad == before[name][1]
    assert not any(hasattr(module, "vlhyper_attachment") or module._forward_hooks for module in t5.modules())


def test_another_kind_of_model_is_refused_in_one_line():
    config = T5Config(d_model=8, d_kv=4, d_ff=8, num_heads=2, num_layers=1, vocab_size=9, decoder_start_token_id=0)
    with pytest.raises(UserError, match="the model is a T5EncoderModel; vlhyper needs a T5ForConditionalGeneration"):
        attach(T5EncoderModel(config))
    config.model_type = "led"
    with pytest.raises(UserError, match="the model's config: model_type is 'led'; vlhyper needs one of t5, mt5, bart"):
        attach(T5ForConditionalGeneration(config))


def test_a_second_attachment_is_refused_until_the_first_is_detached():
    t5 = plain_t5()
    first = attached("lora", t5)
    with pytest.raises(UserError, match="attached already; detach"):
        attached("hyperpelt", t5)
    first.detach()
    attached("hyperpelt", t5)


def test_tasks_are_given_by_name_for_the_batch_or_row_by_row():
    model, batch = attached(), texts()
    by_number = model(**batch).loss
    names = [cases.TASKS[number] for number in batch["task"]]
    assert torch.equal(model(**{**batch, "task": names}).loss, by_number)
    one = model(**{**batch, "task": "gqa"}).loss
    assert torch.equal(one, model(**{**batch, "task": torch.tensor(1)}).loss)
    assert not torch.equal(one, by_number)
    options = {"max_new_tokens": 4, "do_sample": False, "num_beams": 2}
    ids, mask = batch["input_ids"], batch["attention_mask"]
    alone = [
        model.generate(ids[row : row + 1], mask[row : row + 1], names[row], **options) for row in range(len(names))
    ]
    together = model.generate(ids, mask, names, **options)
    for row, tokens in enumerate(alone):
        assert together[row, : tokens.shape[1]].tolist() == tokens[0].tolist()


def test_only_what_the_method_trains_has_gradients():
    model, batch = attached("hyperpelt"), texts()
    model(**batch).loss.backward()
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == {f"model.{name}" for name, _ in model.model.trained()}
    assert all((weight.grad is not None) == (name in trained) for name, weight in model.named_parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "hyperplt"}, "did you mean 'hyperpelt'"),
        ({"bottelneck": 3}, "unknown key 'bottelneck'; did you mean 'bottleneck'"),
        ({"method": "vl_hyperpelt"}, "how many cells"),
        ({"tune": ("task embedings",)}, "did you mean 'task embeddings'"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_the_t5_alone(arguments, message):
    t5 = plain_t5()
    with pytest.raises(UserError, match=message) as refusal:
        attach(t5, tasks=("a", "b"), **arguments)
    assert "\n" not in str(refusal.value)
    attach(t5, tasks=("a", "b"), prefix_length=4)


def test_which_task_has_to_be_said_where_there_are_several():
    model, batch = attached(), texts()
    with pytest.raises(UserError, match="3 tasks; say which: task='vqa'"):
        model(**cases.without_task(batch))


def test_what_was_saved_comes_back(tmp_path):
    model, batch = attached(), texts()
    model.save_pretrained(tmp_path)
    other = attach(
        plain_t5(),
        tasks=cases.TASKS,
        **{
            name: cases.OPTIONS[name]
            for name in ("embedding_width", "projector_width", "hyper_width", "bottleneck", "prefix_length")
        },
    ).eval()
    assert not torch.equal(other(**batch).loss, model(**batch).loss)
    other.load(tmp_path)
    assert torch.equal(other(**batch).loss, model(**batch).loss)
    assert model.state_dict().keys() == {name for name, _ in model.model.trained()}
