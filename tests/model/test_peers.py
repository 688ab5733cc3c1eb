"""Methods against other people's code, and against formulas written with plain torch modules.

Oracles: PEFT's LoRA and prompt-tuning; HyperFormer's adapter layers and VL-Adapter's, transcribed from their formulas.
"""

from __future__ import annotations

import cases
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vlhyper.model.methods import METHODS
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sites import ATTENTION
from vlhyper.model.spec import Inputs, ModelSpec, count

peft = pytest.importorskip("peft")
TASK = 1


def numbers(model, maker="free"):
    return dict(model.makers[maker].named_parameters())


def stock(model):
    """The T5 without what we add."""
    model.attachment.set({})
    return model.t5


def lora(model):
    """PEFT's LoRA on the same T5, with our matrices of task 1."""
    config = peft.LoraConfig(r=2, lora_alpha=3, target_modules=["q", "v"], lora_dropout=0.0, bias="none")
    theirs = peft.get_peft_model(stock(model), config)
    stacks = {"encoder": theirs.base_model.model.encoder.block, "decoder": theirs.base_model.model.decoder.block}
    with torch.no_grad():
        for block in ATTENTION:
            for i, layer in enumerate(stacks[block.split("_")[0]]):
                attention = layer.layer[1].EncDecAttention if block == "decoder_cross" else layer.layer[0].SelfAttention
                for part in "qv":
                    theirs_linear = getattr(attention, part)
                    for matrix, name in ((theirs_linear.lora_A, "a"), (theirs_linear.lora_B, "b")):
                        table = numbers(model)[f"{block}_{part}.{name}"]
                        matrix["default"].weight.copy_(table[TASK % len(table), i])
    return theirs


def prompt_tuning(model):
    """PEFT's prompt-tuning on the same T5, with our prompt of task 1; both put it before the encoder's text."""
    table = numbers(model)["input.words"]
    config = peft.PromptTuningConfig(
        task_type="SEQ_2_SEQ_LM",
        num_virtual_tokens=table.shape[2],
        num_transformer_submodules=1,
        num_layers=2,
        num_attention_heads=4,
        token_dim=16,
    )
    theirs = peft.get_peft_model(stock(model), config)
    with torch.no_grad():
        theirs.prompt_encoder["default"].embedding.weight.copy_(table[TASK, 0])
    return theirs


# PEFT asks transformers by a name that is going.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("method", "peer"), [("lora", lora), ("lora_shared", lora), ("prompt_tuning", prompt_tuning)])
def test_a_method_computes_what_peft_computes(method, peer):
    model, batch = cases.model(method), cases.batch(method, task=TASK)
    mine = model(**batch)
    theirs = peer(model)(**cases.without_task(batch)).loss
    assert cases.difference({"loss": mine.detach()}, {"loss": theirs.detach()}) <= 1e-6
    assert (mine - stock(cases.model(method))(**cases.without_task(batch)).loss).abs() > 1e-3


class HoulsbyAdapter(nn.Module):
    """Linear, gelu_new, Linear, LayerNorm and the residual, of nn modules."""

    def __init__(self, own: dict[str, torch.Tensor]) -> None:
        super().__init__()
        narrow, wide = own["down"].shape
        self.down, self.up = nn.Linear(wide, narrow), nn.Linear(narrow, wide)
        self.norm = nn.LayerNorm(wide) if "gain" in own else nn.Identity()
        weights = {"down.weight": "down", "down.bias": "down_bias", "up.weight": "up", "up.bias": "up_bias"}
        weights |= {"norm.weight": "gain", "norm.bias": "shift"} if "gain" in own else {}
        self.load_state_dict({name: own[ours] for name, ours in weights.items()})

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return y + self.norm(self.up(F.gelu(self.down(y), approximate="tanh")))


class Sequential(nn.Module):
    """A module of T5 with an adapter behind it, built into the model rather than hooked."""

    def __init__(self, inner: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.inner, self.adapter = inner, adapter

    def forward(self, *inputs, **options):
        output = self.inner(*inputs, **options)
        return (self.adapter(output[0]), *output[1:]) if isinstance(output, tuple) else self.adapter(output)


HOLDERS = {
    "encoder_self": (0, "SelfAttention"),
    "encoder_ff": (1, "DenseReluDense"),
    "decoder_self": (0, "SelfAttention"),
    "decoder_cross": (1, "EncDecAttention"),
    "decoder_ff": (2, "DenseReluDense"),
}


@pytest.mark.parametrize("method", ["adapters", "vl_adapter", "vl_adapter_per_task"])
def test_adapters_compute_what_modules_built_into_t5_compute(method):
    model, batch = cases.model(method), cases.batch("adapters", task=TASK)
    mine = model(**batch)
    tables, t5 = numbers(model), stock(model)
    (part,) = (part for part in METHODS[method].parts if part.form == "bottleneck")
    for block in part.blocks:
        index, name = HOLDERS[block]
        for i, layer in enumerate(getattr(t5, block.split("_")[0]).block):
            own = {key.removeprefix(f"{block}."): t for key, t in tables.items() if key.startswith(f"{block}.")}
            adapter = HoulsbyAdapter({key: t[TASK % len(t), i].detach() for key, t in own.items()})
            inner = getattr(layer.layer[index], name)
            setattr(layer.layer[index], name, Sequential(inner, adapter))
    theirs = t5(**cases.without_task(batch)).loss
    assert cases.difference({"loss": mine.detach()}, {"loss": theirs.detach()}) <= 1e-6


def test_vl_adapters_tokens_are_pooled_as_its_code_pools_them():
    """`Downsample` of VL-Adapter: the maximum over each part of the grid; then 4 tokens give what 4 cells give."""
    spec = cases.spec("vl_adapter", image_tokens=4)
    torch.manual_seed(0)
    model = VLHyperPELT.build(spec, Inputs(tasks=cases.TASKS, tokens=9, width=cases.CHANNELS)).eval()
    torch.manual_seed(0)
    small = VLHyperPELT.build(
        cases.spec("vl_adapter"), Inputs(tasks=cases.TASKS, tokens=4, width=cases.CHANNELS)
    ).eval()
    batch, grid = cases.batch("adapters"), torch.randn(4, 9, cases.CHANNELS)
    square = grid.reshape(4, 3, 3, -1)
    # Of 3 x 3 cells to 2 x 2, neighbours share the cells of the middle row and column.
    parts = [square[:, y : y + 2, x : x + 2].amax(dim=(1, 2)) for y in (0, 1) for x in (0, 1)]
    assert torch.equal(model(**batch, grid=grid), small(**batch, grid=torch.stack(parts, 1)))


VL = Inputs(tasks=("vqa", "vg_qa", "gqa", "caption"), tokens=49, width=2048)
GLUE = Inputs(tasks=("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte"))


@pytest.mark.parametrize(
    ("method", "inputs", "trained", "source"),
    [
        ("vl_adapter", VL, 19_333_632, "VL-Adapter as its code builds it, 7.98 % of the whole"),
        # 48 adapters of r = 24 with a norm each: 0.87 % of T5 for a single task in HyperFormer's table.
        ("adapters", Inputs(tasks=("rte",)), 48 * (2 * 768 * 24 + 24 + 768 + 2 * 768) + 62 * 768, "HyperFormer's"),
        # 0.29 % for each of eight tasks in HyperFormer's table.
        ("hyperformer", GLUE, 5_211_056, "two controllers, task embeddings, layer norms"),
        ("prompt_tuning", Inputs(tasks=("rte",)), 49 * 768, "as large as a task embedding of HyperPELT"),
        ("lora_shared", GLUE, 36 * 2 * 8 * (768 + 768), "PEFT's default rank"),
        # Three networks and 24 adapters for each task, as `Prefix` and `Adapter_Layer` of the authors.
        (
            "mam_adapter",
            Inputs(tasks=("rte",)),
            3 * (30 * 768 + 768 * 800 + 800 + (800 + 1) * 12 * 2 * 768) + 24 * (2 * 768 * 512 + 512 + 768),
            "He et al.",
        ),
    ],
)
def test_counts_equal_the_published_code(method, inputs, trained, source):
    counts = count(ModelSpec(method=method), inputs)
    assert counts.trained == trained, source
    if method == "vl_adapter":
        assert round(counts.share, 2) == 7.98
    if method == "hyperformer":
        assert round(100 * counts.trained / 222_903_552 / 8, 2) == 0.29
    if method == "adapters":
        assert round(100 * counts.trained / 222_903_552, 2) == 0.87


def test_a_task_embedding_alone_is_tuned():
    """HyperPELT TaskEmbed: z of the new task, as large as a prompt of 49 tokens."""
    spec = ModelSpec(method="hyperpelt", projector_width=64, bottleneck=32, tune=("task embeddings",))
    counts = count(spec, Inputs(tasks=("cb",)))
    assert counts.parts == {"task embeddings": 37_632}
    whole = count(spec.model_copy(update={"tune": None}), Inputs(tasks=("cb",)))
    assert (counts.trained, counts.total) == (37_632, whole.total)
