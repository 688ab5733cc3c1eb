"""Trained methods frozen for one task, and for one image: the same answers from static weights."""

from __future__ import annotations

import cases
import pytest
import torch
from safetensors import safe_open

from vlhyper.errors import UserError
from vlhyper.model.frozen import Frozen
from vlhyper.model.methods import METHODS

TASK = 1


def frozen_of(method, backbone="original"):
    """A model, one row of it asked for task 1 (and its image), and what is frozen of it."""
    model, batch = cases.model(method, backbone), cases.rows(cases.batch(method, task=TASK), slice(0, 1))
    grid, boxes = batch.get("grid"), batch.get("boxes")
    frozen = Frozen.of(model, cases.TASKS[TASK], None if grid is None else grid[0], None if boxes is None else boxes[0])
    return model, batch, frozen


@pytest.mark.parametrize("method", METHODS)
def test_a_frozen_method_gives_the_same_loss_and_answers(method, tmp_path):
    model, batch, frozen = frozen_of(method)
    expected = model(**batch)
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": 2}
    answers = model.generate(**cases.without_labels(batch), **options)
    frozen.save(tmp_path / "frozen.safetensors")
    with safe_open(tmp_path / "frozen.safetensors", "pt") as file:
        assert not any(name.startswith("makers.") for name in file.keys())  # noqa: SIM118
    t5 = model.t5
    model.attachment.detach()
    original = {name: weight.clone() for name, weight in t5.named_parameters()}
    static = Frozen.load(tmp_path / "frozen.safetensors").on(t5)
    texts = cases.without_task(batch)
    assert cases.difference({"loss": static(**texts).loss.detach()}, {"loss": expected.detach()}) <= 1e-5
    labels = texts.pop("labels")
    assert torch.equal(static.generate(**texts, **options), answers)
    static.detach()
    assert all(torch.equal(weight, original[name]) for name, weight in t5.named_parameters())
    if frozen.forms:
        assert (t5(**texts, labels=labels).loss - expected).abs() > 1e-4


def test_two_prefixes_become_one():
    _, _, frozen = frozen_of("vl_hyperpelt")
    (prefix, *adapters) = next(forms for site, forms in frozen.forms.items() if site.block == "encoder_self")
    assert prefix.key.shape[1] == 2 * cases.CELLS and not adapters


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("method", "backbone"), [("lora", "original"), ("lora_shared", "original"), ("lora", "bart"), ("lora", "t5gemma2")]
)
def test_a_lora_run_becomes_a_folder_that_peft_loads(method, backbone, tmp_path):
    peft = pytest.importorskip("peft")
    model, batch, frozen = frozen_of(method, backbone)
    expected = model(**batch)
    frozen.save_peft(tmp_path, model.t5, "somewhere/t5")
    model.attachment.detach()
    theirs = peft.PeftModel.from_pretrained(model.t5, tmp_path)
    loss = theirs(**cases.without_task(batch)).loss
    assert cases.difference({"loss": loss.detach()}, {"loss": expected.detach()}) <= 1e-6


def test_what_is_more_than_lora_is_no_peft_folder(tmp_path):
    model, _, frozen = frozen_of("hyperpelt")
    with pytest.raises(UserError, match="'hyperpelt' is more than LoRA"):
        frozen.save_peft(tmp_path / "out", model.t5)
    assert not (tmp_path / "out").exists()


def test_another_file_another_task_and_another_t5_are_refused(tmp_path):
    model, _, frozen = frozen_of("hyperpelt")
    path = tmp_path / "frozen.safetensors"
    with pytest.raises(UserError, match="task 'nlvr'"):
        Frozen.of(model, "nlvr")
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="not a file of frozen weights"):
        Frozen.load(tmp_path / "adapter_model.safetensors")
    frozen.save(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged file of frozen weights"):
        Frozen.load(path)
    with pytest.raises(UserError, match="of another backbone"):
        frozen.on(cases.model("hyperpelt", "wide_heads").t5)


def test_the_same_shape_with_other_numbers_is_refused_unless_it_is_asked_for():
    model, batch, frozen = frozen_of("hyperpelt")
    model.attachment.detach()
    with torch.no_grad():
        model.t5.encoder.block[0].layer[0].SelfAttention.q.weight[0, 0] += 1e-3
    with pytest.raises(UserError, match="of another backbone; give the one that the method was trained on") as refusal:
        frozen.on(model.t5)
    assert "\n" not in str(refusal.value)
    assert frozen.on(model.t5, checked=False)(**cases.without_task(batch)).loss.isfinite()
