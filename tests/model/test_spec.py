"""Counts that the paper and docs/method.md section 4 fix, counts against what is built, and specs that are refused."""

from __future__ import annotations

import cases
import pytest
import torch

from vlhyper.errors import UserError
from vlhyper.model import paper
from vlhyper.model.forms import FORMS
from vlhyper.model.makers import MAKERS, Maker
from vlhyper.model.makers.maker import Normal, Weight
from vlhyper.model.makers.module import MakerModule
from vlhyper.model.methods import METHODS, Method, Part
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sites import STACKS
from vlhyper.model.spec import Inputs, ModelSpec, count, makers_of
from vlhyper.settings import validated

VL_TASKS = ("vqa", "vg_qa", "gqa", "caption")
GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte")
PAPER_VL = (ModelSpec(), Inputs(tasks=VL_TASKS, tokens=49, width=2048))
PAPER_GLUE = (ModelSpec(method="hyperpelt", projector_width=64, bottleneck=32), Inputs(tasks=GLUE))


def test_vl_hyperpelt_on_t5_base_has_the_papers_share():
    counts = count(*PAPER_VL)
    assert (counts.trained, counts.total) == (15_796_528, 238_652_464)
    assert counts.frozen == 222_903_552 - 62 * 768
    assert round(counts.share, 2) == 6.62


def test_hyperpelt_on_glue_has_the_papers_share_a_task():
    counts = count(*PAPER_GLUE)
    assert counts.trained == 4_384_024
    assert round(counts.share_per_task, 2) == 0.24
    assert round(counts.total / 222_903_552, 2) == 1.02


def test_parts_add_up_to_the_formula_of_docs_method():
    assert count(*PAPER_VL).parts == {
        "task embeddings": 4 * 49 * 768,
        "layer embeddings": 12 * 49 * 768,
        "block embeddings": 5 * 49 * 768,
        "visual mapping": 2048 * 768,
        "projectors": 2 * (3 * 768 * 128 + 128 * 64),
        "prefix hypernetworks": 2 * (2 * 64 * 768),
        "adapter hypernetworks": 2 * (2 * 64 * 64 * 768),
        "adapter scales": 48,
        "layer norms": 62 * 768,
    }


def test_a_task_embedding_alone_is_as_large_as_prompt_tuning():
    assert count(*PAPER_GLUE).parts["task embeddings"] // len(GLUE) == 37_632


@pytest.mark.parametrize("backbone", cases.BACKBONES)
@pytest.mark.parametrize("method", METHODS)
def test_counts_equal_the_built_model(method, backbone):
    spec, inputs = cases.spec(method, backbone), cases.inputs(method)
    model, counts = VLHyperPELT.build(spec, inputs), count(spec, inputs)
    assert counts.trained == sum(weight.numel() for _, weight in model.trained())
    assert counts.total == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("backbone", ["t5-base", "t5-3b", "google/flan-t5-xl"])
@pytest.mark.parametrize("method", METHODS)
def test_counts_equal_the_built_makers_at_full_size(method, backbone):
    spec = ModelSpec(method=method, backbone=backbone)
    inputs = Inputs(tasks=VL_TASKS, tokens=36, width=2048)
    with torch.device("meta"):
        makers = [
            MakerModule(maker, {"key": 1.0, "value": 1.0, "word": 1.0}) for maker in makers_of(spec, inputs).values()
        ]
    parts = count(spec, inputs).parts
    own = sum(size for group, size in parts.items() if group not in ("layer norms", "backbone"))
    assert sum(weight.numel() for maker in makers for weight in maker.parameters()) == own


@pytest.mark.parametrize(
    ("method", "blocks"),
    [
        ("vl_hyperpelt", 5),
        ("vl_hyperpelt_prefix", 3),
        ("vl_hyperpelt_adapter", 2),
        ("hyperpelt_prefix", 3),
        ("hyperpelt_adapter", 2),
    ],
)
def test_a_methods_table_has_the_rows_of_its_blocks(method, blocks):
    parts = count(ModelSpec(method=method), PAPER_VL[1]).parts
    assert parts["block embeddings"] == blocks * 49 * 768


class Other(Maker):
    """A foreign maker of a foreign form at a foreign block."""

    forms = ("gain",)

    def weights(self):
        return {"gain": Weight((7,), Normal(), "gains")}

    def make(self, tensors, conditions):
        return {}


def test_foreign_blocks_makers_and_methods_change_no_count(monkeypatch):
    monkeypatch.setitem(STACKS, "encoder_norm", "encoder")
    monkeypatch.setitem(FORMS, "gain", ("encoder_norm",))
    monkeypatch.setitem(MAKERS, "other", Other)
    monkeypatch.setitem(METHODS, "other", Method("Other", (Part("other", "gain", ("encoder_norm",)),)))
    assert count(ModelSpec(method="other"), Inputs(tasks=GLUE)).trained == 7
    counts = count(*PAPER_VL)
    assert (counts.trained, counts.total) == (15_796_528, 238_652_464)
    assert count(*PAPER_GLUE).trained == 4_384_024


@pytest.mark.parametrize(
    ("method", "trained", "total"),
    [
        ("full_finetuning", 222_903_552, 222_903_552),
        # 36 attentions of 49 keys and 49 values for each task.
        ("prefix_tuning", 4 * 36 * 49 * 2 * 768, 222_903_552 + 4 * 36 * 49 * 2 * 768),
        # Two linear maps with bias and norm, two image-order embeddings, all of T5.
        ("clip_t5", 222_903_552 + (2048 + 5 + 6) * 768, 222_903_552 + (2048 + 5 + 6) * 768),
    ],
)
def test_counts_of_other_methods_on_t5_base(method, trained, total):
    counts = count(ModelSpec(method=method), PAPER_VL[1])
    assert (counts.trained, counts.total) == (trained, total)
    assert sum(counts.parts.values()) == trained


def test_a_method_on_images_needs_the_size_of_their_features():
    for method in ("vl_hyperpelt", "clip_t5"):
        with pytest.raises(UserError, match="how many cells"):
            count(ModelSpec(method=method), Inputs(tasks=VL_TASKS))


def test_every_option_is_kept_and_no_other():
    spec = ModelSpec(method="prefix_tuning", prefix_length=5)
    assert spec.model_dump() == {
        "method": "prefix_tuning",
        "backbone": "google-t5/t5-base",
        "tokenizer": None,
        "tune": None,
        "prefix_length": 5,
        "shared": False,
    }
    assert ModelSpec(**spec.model_dump()) == spec
    assert set(ModelSpec(method="full_finetuning").model_dump()) == {"method", "backbone", "tokenizer", "tune"}


SIDES = {"sides": ("task",)}


def hyper(**changes):
    return Part(**{"maker": "hyper", "form": "prefix", "blocks": ("encoder_self",), "settings": SIDES, **changes})


def row(*parts, **changes):
    return Method("Odd", parts, **changes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "hyperplt"}, "unknown method 'hyperplt'; did you mean 'hyperpelt'"),
        ({"hyper_widht": 3}, "unknown key 'hyper_widht'; did you mean 'hyper_width'"),
        ({"method": "full_finetuning", "hyper_width": 3}, "unknown key 'hyper_width'"),
        ({"bottleneck": 0}, "bottleneck: "),
    ],
)
def test_a_spec_with_a_mistake_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as refusal:
        validated(ModelSpec, given, "run.yaml")
    assert str(refusal.value).startswith("run.yaml: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (row(hyper(maker="hypr")), "unknown maker 'hypr'; did you mean 'hyper'"),
        (row(hyper(form="prefx")), "unknown form 'prefx'; did you mean 'prefix'"),
        (
            row(hyper(form="tokens", blocks=("input",))),
            "maker 'hyper' cannot make the form 'tokens'; it makes prefix, bottleneck",
        ),
        (row(hyper(blocks=("encoder_slf",))), "block 'encoder_slf' takes no 'prefix'; did you mean 'encoder_self'"),
        (row(hyper(blocks=("encoder_ff",))), "block 'encoder_ff' takes no 'prefix'"),
        (row(hyper(settings={"side": ("task",)})), "maker 'hyper': .*sides"),
        (row(hyper(settings={**SIDES, "sidez": 1})), "maker 'hyper': unknown key 'sidez'; did you mean 'sides'"),
        (row(hyper(settings={"sides": ("taks",)})), "maker 'hyper': sides.0: .*'task' or 'visual'"),
        (row(hyper(), hyper()), "duplicate block 'encoder_self'"),
        (row(hyper(name="a"), Part("free", "prefix", ("decoder_self",), name="a")), "two makers, 'hyper' and 'free'"),
        (
            row(trains=("*layer_nrm.weight",)),
            "matches no parameter of the backbone; the nearest name is '.*norm.weight'",
        ),
    ],
)
def test_a_row_with_a_mistake_is_refused_in_one_line(odd, message, monkeypatch):
    monkeypatch.setitem(METHODS, "odd", odd)
    with pytest.raises(UserError, match=message) as refusal:
        count(validated(ModelSpec, {"method": "odd"}, "run.yaml"), Inputs(tasks=GLUE))
    assert "\n" not in str(refusal.value)


def test_a_method_says_what_it_does_with_images():
    with pytest.raises(UserError, match="'token'; did you mean 'tokens'"):
        Method("Odd", (), images="token")


def test_the_papers_formula_and_what_it_leaves_out_add_up():
    rows = {row.counts.method: row for rows in paper.table().values() for row in rows}
    assert rows.keys() == METHODS.keys()
    # Of docs/method.md, section 4; printed in the paper's table 3.
    assert rows["hyperpelt"].formula == 3_316_480
    assert rows["hyperpelt"].counts.trained == 4_384_024
    vl = rows["vl_hyperpelt"]
    embeddings, mapping = (4 + 12 + 5) * 768, 2048 * 768
    assert vl.formula == embeddings + mapping + 2 * (768 * 128 + 128 * 64 + 64 * 2 * 768 + 64 * 2 * 64 * 768)
    assert vl.items["layer norms of T5"] == 47_616 and vl.counts.trained == 15_796_528
    assert round(rows["hyperpelt"].times, 2) == 1.02
