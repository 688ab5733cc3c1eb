"""Counts that design.md section 4 fixes, and counts against what is built."""

from __future__ import annotations

import cases
import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from vlhyper.errors import UserError
from vlhyper.model.makers import HyperMaker
from vlhyper.model.methods import METHODS
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sizes import KNOWN, size_of
from vlhyper.model.spec import Inputs, ModelSpec, count, sizes

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


def test_parts_add_up_to_the_formula_of_the_design():
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
def test_counts_equal_the_built_maker_at_full_size(method, backbone):
    spec = ModelSpec(method=method, backbone=backbone)
    inputs = Inputs(tasks=VL_TASKS, tokens=36, width=2048)
    with torch.device("meta"):
        maker = HyperMaker(sizes(spec, inputs))
    parts = count(spec, inputs).parts
    assert sum(weight.numel() for weight in maker.parameters()) == sum(parts.values()) - parts["layer norms"]


@pytest.mark.parametrize("name", sorted({shape: name for name, shape in KNOWN.items()}.values()))
def test_known_shapes_equal_the_built_backbone(name):
    shape = KNOWN[name]
    config = T5Config(
        vocab_size=shape.vocab_size,
        d_model=shape.d_model,
        d_kv=shape.d_kv,
        d_ff=shape.d_ff,
        num_heads=shape.num_heads,
        num_layers=shape.encoder_layers,
        num_decoder_layers=shape.decoder_layers,
        feed_forward_proj="gated-gelu" if shape.gated else "relu",
    )
    with torch.device("meta"):
        t5 = T5ForConditionalGeneration(config)
    # transformers ties the head until it loads one of its own.
    head = shape.vocab_size * shape.d_model if shape.untied_head else 0
    assert shape.parameters() == sum(weight.numel() for weight in t5.parameters()) + head
    norms = [weight for key, weight in t5.named_parameters() if key.endswith("layer_norm.weight")]
    assert shape.norm_vectors == len(norms)


# t5-base as design.md gives it; the others as transformers builds these shapes (test above).
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("t5-small", 60_506_624), ("t5-base", 222_903_552), ("t5-large", 737_668_096), ("t5-3b", 2_851_598_336)],
)
def test_sizes_of_published_backbones(name, parameters):
    assert KNOWN[name].parameters() == KNOWN[f"google-t5/{name}"].parameters() == parameters


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("t5-bse", "did you mean 't5-base'"),
        ({"d_modl": 16}, "no field 'd_modl'; did you mean 'd_model'"),
    ],
)
def test_an_unknown_backbone_is_refused_with_the_nearest_name(backbone, message):
    with pytest.raises(UserError, match=message):
        size_of(backbone)


def test_a_method_on_images_needs_the_size_of_their_features():
    with pytest.raises(UserError, match="how many cells"):
        count(ModelSpec(), Inputs(tasks=VL_TASKS))


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'hyperpelt'"):
        count(ModelSpec(method="hyperplt"), Inputs(tasks=GLUE))
