"""What the maker `free` trains: sizes at step 0, and whose numbers a row of the batch gets."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.model.backbone import deviations_of
from vlhyper.model.makers.maker import Conditions
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sites import ATTENTION, Site, sites


def built(method, **options):
    torch.manual_seed(0)
    return VLHyperPELT.build(cases.spec(method, **options), cases.inputs(method))


def made(model, task):
    free = model.makers["free"]
    return free(Conditions(task, None, None, model.t5.shared.weight))


@pytest.mark.parametrize(
    ("method", "block", "names"),
    [("prefix_tuning", "encoder_self", ("key", "value")), ("prompt_tuning", "input", ("word",))],
)
def test_prefixes_and_prompts_start_at_the_size_of_ordinary_ones(method, block, names):
    model = built(method, **({"prefix_length": 60} if method == "prefix_tuning" else {"prompt_length": 200}))
    deviations = deviations_of(model.t5)
    tables = dict(model.makers["free"].named_parameters())
    for name in names:
        table = tables[f"{block}.{name}" if name != "word" else "input.words"]
        assert table.std().item() == pytest.approx(deviations[name], rel=0.04)


@pytest.mark.parametrize("task", [torch.tensor(1), torch.tensor([2, 0])], ids=["one_task", "mixed_tasks"])
def test_every_attention_has_the_tables_of_its_task(task):
    model = built("prefix_tuning")
    tables, forms = dict(model.makers["free"].named_parameters()), made(model, task)
    assert list(forms) == sites(model.makers["free"].maker.size, ATTENTION)
    for site, (prefix,) in forms.items():
        assert torch.equal(prefix.key, tables[f"{site.block}.key"][task.reshape(-1), site.layer])
        assert torch.equal(prefix.value, tables[f"{site.block}.value"][task.reshape(-1), site.layer])


def test_prompts_stand_before_the_text_and_take_its_position_bias():
    (prompt,) = made(built("prompt_tuning"), torch.tensor(1))[Site("input", 0)]
    assert (prompt.front, prompt.biased, prompt.present) == (True, True, None)


@pytest.mark.parametrize(("method", "rows"), [("lora", 2), ("lora_shared", 1)])
def test_a_shared_form_is_one_for_every_row(method, rows):
    forms = made(built(method), torch.tensor([2, 0]))
    assert {len(one.a) for (one,) in forms.values()} == {rows}


@pytest.mark.parametrize("method", ["lora", "lora_shared", "adapters", "vl_adapter", "mam_adapter"])
def test_what_changes_nothing_at_step_0(method):
    """LoRA and MAM's adapters start as a no-op; HyperFormer's and VL-Adapter's code does not."""
    tables = dict(built(method).makers["free"].named_parameters())
    ups = [table for name, table in tables.items() if name.split(".")[-1] in ("b", "up")]
    assert ups and all((table == 0).all().item() == (method not in ("adapters", "vl_adapter")) for table in ups)


def test_only_the_tables_are_trained():
    names = {name for name, _ in built("prefix_tuning").trained()}
    assert names == {f"makers.free.{block}.{name}" for block in ATTENTION for name in ("key", "value")}
