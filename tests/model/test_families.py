"""Backbones other than T5, against stock transformers, PEFT, and formulas written into the models themselves.

The oracle of prefixes is the family's own eager attention with the keys and values concatenated; that of adapters are
torch modules put in the place of the model's, or, beside BART's feed-forward, a wider one.
"""

from __future__ import annotations

import importlib
from functools import partial

import cases
import pytest
import torch
from safetensors.torch import save_file
from test_attach import attached
from test_model import without_dropout
from test_peers import HoulsbyAdapter, Sequential
from torch import nn
from torch.nn import functional as F

from vlhyper.errors import UserError
from vlhyper.model.backbone import build_backbone, deviations_of
from vlhyper.model.families import FAMILIES, size_of
from vlhyper.model.forms import Tokens, WholePrefix
from vlhyper.model.frozen import Frozen
from vlhyper.model.makers.maker import Conditions
from vlhyper.model.methods import METHODS
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sites import ATTENTION, STACKS, Site
from vlhyper.model.spec import count
from vlhyper.model.weight_files import faults

TASK = 1
families = pytest.mark.parametrize("family", cases.FAMILIES)
# Prefixes and parallel adapters of both sides; image tokens and sequential adapters; prompts.
methods = pytest.mark.parametrize("method", ["vl_hyperpelt", "vl_adapter", "prompt_tuning"])


def batch_for(method, task=None):
    """A batch with images for some of its rows where the method sees images."""
    made = cases.batch(method, task=task)
    return cases.mixed(made) if cases.sees_images(method) else made


def stock(model):
    """The backbone without what we add, with its own attention."""
    model.attachment.set({})
    model.t5.set_attn_implementation("eager")
    for part in ("encoder", "decoder"):
        name = model.attachment.family.layers[part].rpartition(".")[0]
        model.t5.get_submodule(name).set_attn_implementation("eager")
    return model.t5


def as_published(family):
    """A model as transformers loads it: of T5Gemma 2 with the image encoder, which is not used."""
    backbone = build_backbone(cases.FAMILIES[family])
    if family != "t5gemma2":
        return backbone
    whole = type(backbone)(backbone.config)
    whole.load_state_dict(backbone.state_dict(), strict=False)
    return whole


# mT5 has T5's modules, on which test_attach.py and test_frozen.py try every method.
@pytest.fixture(scope="module", params=["bart", "t5gemma", "t5gemma2"])
def plain(request):
    return as_published(request.param).eval()


def layers(model, block):
    return model.t5.get_submodule(model.attachment.family.layers[STACKS[block]])


def forms_of(model, batch):
    """The forms of a batch without images, as makers make them."""
    conditions = Conditions(batch["task"], None, None, model.t5.get_input_embeddings().weight)
    return {site: forms for maker in model.makers.values() for site, forms in maker(conditions).items()}


@families
def test_without_forms_it_is_the_stock_model_to_the_last_digits(family):
    model, batch = cases.model("prefix_tuning", family), cases.without_task(cases.batch("prefix_tuning"))
    model.attachment.set({})
    ours = model.t5(**batch)
    theirs = stock(model)(**batch)
    assert (ours.logits - theirs.logits).abs().max() <= 1e-6 * theirs.logits.abs().max()
    assert cases.difference({"loss": ours.loss}, {"loss": theirs.loss}) <= 1e-6


@families
def test_the_loss_is_that_of_the_stock_model_for_its_own_decoder_inputs(family):
    model, batch = cases.model("full_finetuning", family), cases.batch("full_finetuning")
    ours = model(**batch)
    theirs = stock(model)(**cases.without_task(batch)).loss
    assert cases.difference({"loss": ours.detach()}, {"loss": theirs.detach()}) <= 1e-6


@families
@pytest.mark.parametrize("method", ["prefix_tuning", "hyperpelt_prefix"], ids=["whole", "latent"])
def test_prefixes_compute_what_concatenated_keys_compute(family, method, monkeypatch):
    model, batch = cases.model(method, family), cases.batch(method)
    ours = model(**batch)
    gradients = cases.gradients(model, ours)
    placed: dict[nn.Module, list[WholePrefix]] = {}
    for site, (form,) in forms_of(model, batch).items():
        attention = layers(model, site.block)[site.layer].get_submodule(model.attachment.family.modules[site.block])
        whole = form if isinstance(form, WholePrefix) else WholePrefix(form.latent @ form.key, form.latent @ form.value)
        placed.setdefault(attention, []).append(whole)
    module = importlib.import_module(type(model.t5).__module__)
    eager = module.eager_attention_forward

    def concatenated(attention, query, key, value, mask, position_bias=None, **options):
        for prefix in placed[attention]:
            # (B, N, H·P) -> (B, H, N, P), as many heads as there are of keys.
            own = [numbers.unflatten(-1, (key.shape[1], -1)).transpose(1, 2) for numbers in prefix]
            key, value = torch.cat([own[0], key], 2), torch.cat([own[1], value], 2)
            pad = (own[0].shape[2], 0)
            mask = None if mask is None else F.pad(mask, pad)
            position_bias = None if position_bias is None else F.pad(position_bias, pad)
        options |= {} if position_bias is None else {"position_bias": position_bias}
        return eager(attention, query, key, value, mask, **options)

    monkeypatch.setattr(module, "eager_attention_forward", concatenated)
    theirs = stock(model)(**cases.without_task(batch)).loss
    # Of T5Gemma 2 one attention takes the prefixes of two blocks.
    assert len(placed) == {"mt5": 6, "bart": 8, "t5gemma": 6, "t5gemma2": 4}[family]
    assert cases.difference({"loss": ours}, {"loss": theirs}) <= 1e-6
    assert cases.difference(gradients, cases.gradients(model, theirs)) <= 1e-5


class Beside(nn.Module):
    """A feed-forward with an adapter beside it."""

    def __init__(self, inner, form):
        super().__init__()
        self.inner, self.form = inner, form

    def forward(self, x):
        hidden = torch.einsum("brd,bsd->bsr", self.form.down, x).relu()
        return self.inner(x) + self.form.scale * torch.einsum("bdr,bsr->bsd", self.form.up, hidden)


def widened(layer, form):
    """BART's feed-forward with the adapter's r units among its own: relu is the activation of both."""
    with torch.no_grad():
        layer.fc1.weight = nn.Parameter(torch.cat([layer.fc1.weight, form.down[0]]))
        layer.fc1.bias = nn.Parameter(F.pad(layer.fc1.bias, (0, len(form.down[0]))))
        layer.fc2.weight = nn.Parameter(torch.cat([layer.fc2.weight, form.scale * form.up[0]], 1))


@families
def test_parallel_adapters_compute_what_wider_or_other_feed_forwards_compute(family, monkeypatch):
    if family == "bart":
        monkeypatch.setitem(cases.FAMILIES, family, {**cases.FAMILIES[family], "activation_function": "relu"})
    model, batch = cases.model("hyperpelt_adapter", family), cases.batch("hyperpelt_adapter", task=TASK)
    ours = model(**batch)
    forms = forms_of(model, batch)
    stock(model)
    assert cases.difference({"loss": model.t5(**cases.without_task(batch)).loss}, {"loss": ours}) > 1e-4
    for (block, number), (form,) in forms.items():
        layer, name = layers(model, block)[number], model.attachment.family.modules[block]
        if family == "bart":
            widened(layer, form)
        else:
            holder, _, last = name.rpartition(".")
            setattr(layer.get_submodule(holder), last, Beside(layer.get_submodule(name), form))
    theirs = model.t5(**cases.without_task(batch)).loss
    assert cases.difference({"loss": ours.detach()}, {"loss": theirs.detach()}) <= 1e-6


@families
@pytest.mark.parametrize("method", ["adapters", "vl_adapter"])
def test_sequential_adapters_compute_what_modules_built_in_compute(family, method):
    model, batch = cases.model(method, family), cases.batch("adapters", task=TASK)
    ours = model(**batch)
    tables = dict(model.makers["free"].named_parameters())
    stock(model)
    (part,) = (part for part in METHODS[method].parts if part.form == "bottleneck")
    for block in part.blocks:
        for number, layer in enumerate(layers(model, block)):
            own = {key.removeprefix(f"{block}."): t for key, t in tables.items() if key.startswith(f"{block}.")}
            adapter = HoulsbyAdapter({key: t[TASK % len(t), number].detach() for key, t in own.items()})
            name = model.attachment.family.modules[block]
            holder, _, last = (name if isinstance(name, str) else name[1]).rpartition(".")
            holder = layer.get_submodule(holder)
            setattr(holder, last, Sequential(getattr(holder, last), adapter))
    theirs = model.t5(**cases.without_task(batch)).loss
    assert cases.difference({"loss": ours.detach()}, {"loss": theirs.detach()}) <= 1e-6


@pytest.mark.filterwarnings("ignore::FutureWarning")
@families
def test_lora_computes_what_peft_computes(family):
    peft = pytest.importorskip("peft")
    model, batch = cases.model("lora", family), cases.batch("lora", task=TASK)
    ours, tables, row = model(**batch), dict(model.makers["free"].named_parameters()), model.attachment.family
    maps = {part: row.modules[f"encoder_self_{part}"].rpartition(".")[2] for part in "qv"}
    config = peft.LoraConfig(r=2, lora_alpha=3, target_modules=[*maps.values()], lora_dropout=0.0, bias="none")
    theirs = peft.get_peft_model(stock(model), config)
    blocks = [f"{block}_{part}" for block in ATTENTION for part in "qv"]
    assert {name.rpartition(".")[0] for name in tables} == {block for block in blocks if block in row.modules}
    with torch.no_grad():
        for name, table in tables.items():
            block, _, matrix = name.rpartition(".")
            for number, layer in enumerate(layers(model, block)):
                wrapped = layer.get_submodule(row.modules[block])
                {"a": wrapped.lora_A, "b": wrapped.lora_B}[matrix]["default"].weight.copy_(table[TASK, number])
    assert (
        cases.difference({"loss": ours.detach()}, {"loss": theirs(**cases.without_task(batch)).loss.detach()}) <= 1e-6
    )


@families
def test_prompts_compute_what_the_stock_model_computes_on_longer_embeddings(family):
    model, batch = cases.model("prompt_tuning", family), cases.batch("prompt_tuning", task=TASK)
    ours = model(**batch)
    prompt = model.makers["free"].get_parameter("input.words")[TASK, 0].expand(4, -1, -1)
    # T5Gemma multiplies all embeddings it is given by the root of its width.
    prompt = prompt / 4 if family == "t5gemma" else prompt
    text = stock(model).get_input_embeddings()(batch["input_ids"])
    theirs = model.t5(
        inputs_embeds=torch.cat([prompt, text], 1),
        attention_mask=F.pad(batch["attention_mask"], (prompt.shape[1], 0), value=1),
        labels=batch["labels"],
    ).loss
    assert cases.difference({"loss": ours.detach()}, {"loss": theirs.detach()}) <= 1e-6


def test_barts_image_tokens_have_no_positions_and_leave_those_of_the_text():
    model, batch = cases.model("prompt_tuning", "bart"), cases.batch("prompt_tuning")
    tokens = torch.randn(4, 3, 16)
    seen = []
    model.t5.model.encoder.layernorm_embedding.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))

    def states(*forms):
        model.attachment.set({Site("input", 0): list(forms)})
        inputs = model.attachment.encoder_inputs(batch["input_ids"], batch["attention_mask"])
        model.t5(**inputs, labels=batch["labels"])
        return seen.pop()

    text = states()
    assert torch.equal(states(Tokens(tokens, biased=False)), torch.cat([text, tokens], 1))
    assert torch.equal(states(Tokens(tokens, front=True, biased=False)), torch.cat([tokens, text], 1))


@families
@methods
def test_rows_one_by_one_padding_and_missing_images_change_nothing(family, method):
    model, batch = cases.model(method, family), batch_for(method)
    longer = cases.padded(batch) | {"labels": torch.cat([batch["labels"], torch.full((4, 2), -100)], 1)}
    loss = model(**batch, denominator=1.0)
    expected = cases.gradients(model, loss)
    alone = [model(**cases.rows(batch, slice(row, row + 1)), denominator=1.0) for row in range(4)]
    assert torch.allclose(loss, torch.stack(alone).sum(), rtol=1e-6)
    assert cases.difference(cases.gradients(model, model(**longer, denominator=1.0)), expected) <= 1e-5


@families
@methods
def test_gradient_checkpointing_changes_no_gradient(family, method):
    model, batch = cases.model(method, family), batch_for(method)
    expected = cases.gradients(model, model(**batch))
    model.checkpoint_gradients()
    forwards = []
    attention = layers(model, "encoder_self")[0].get_submodule(model.attachment.family.modules["encoder_self_q"])
    attention.register_forward_hook(lambda *_: forwards.append(1))
    measured = cases.difference(cases.gradients(model := without_dropout(model), model(**batch)), expected)
    assert len(forwards) == 2, "the layer did not run again in backward"
    assert measured <= 1e-6


@families
@pytest.mark.parametrize(("method", "beams"), [("vl_hyperpelt", 3), ("vl_adapter", 1), ("prompt_tuning", 2)])
def test_generation_is_the_same_without_a_cache_and_row_by_row(family, method, beams):
    model, batch = cases.model(method, family), cases.without_labels(batch_for(method))
    # Longer than the sliding window of 4.
    options = {"num_beams": beams, "max_new_tokens": 6, "do_sample": False, "return_dict_in_generate": True}
    generate = partial(model.generate, **options, output_scores=True)
    found, uncached = generate(**batch), generate(**batch, use_cache=False)
    assert torch.equal(found.sequences, uncached.sequences)
    assert all(map(partial(torch.allclose, atol=1e-4), found.scores, uncached.scores))
    for row in (1, 2):
        (alone,) = generate(**cases.rows(batch, slice(row, row + 1))).sequences
        assert torch.equal(found.sequences[row, : len(alone)], alone)


@families
@methods
def test_counts_and_saved_weights_are_those_of_the_built_model(family, method, tmp_path):
    model, batch = cases.model(method, family), batch_for(method)
    counts = count(model.spec, model.inputs)
    assert counts.trained == sum(weight.numel() for _, weight in model.trained())
    assert counts.total == sum(weight.numel() for weight in model.parameters())
    assert counts.backbone == f"{FAMILIES[family].title} from a config"
    model.save_pretrained(tmp_path)
    assert torch.equal(VLHyperPELT.from_pretrained(tmp_path)(**batch), model(**batch))


@families
def test_a_start_is_as_large_as_what_the_backbone_has_itself(family):
    model = cases.model("hyperpelt", family)
    backbone, row = build_backbone(cases.FAMILIES[family]), model.attachment.family
    seen: dict[str, list[torch.Tensor]] = {"key": [], "value": []}
    module = importlib.import_module(type(backbone).__module__)
    eager = module.eager_attention_forward

    def recorded(attention, query, key, value, *rest, **options):
        seen["key"].append(key.square().mean())
        seen["value"].append(value.square().mean())
        return eager(attention, query, key, value, *rest, **options)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(module, "eager_attention_forward", recorded)
        backbone.set_attn_implementation("eager")
        ids = torch.randint(3, 40, (64, 8))
        backbone(input_ids=ids, decoder_input_ids=ids)
    deviations = deviations_of(backbone)
    for name, squares in seen.items():
        measured = torch.stack(squares).mean().sqrt().item()
        assert deviations[name] == pytest.approx(measured, rel=0.35), (row.title, name)


def test_a_bart_without_so_many_positions_says_so():
    model, batch = cases.model("prompt_tuning", "bart"), cases.batch("prompt_tuning")
    ids = batch["input_ids"].repeat(1, 4)
    with pytest.raises(UserError, match=r"a source of 36 tokens, .* this BART has 30 positions"):
        model(**{**batch, "input_ids": ids, "attention_mask": torch.ones_like(ids)})


@families
def test_a_saved_folder_gives_back_the_same_backbone(family, tmp_path):
    backbone = build_backbone(cases.FAMILIES[family])
    as_published(family).save_pretrained(tmp_path)
    loaded = build_backbone(str(tmp_path))
    expected = dict(backbone.named_parameters())
    assert [name for name, _ in loaded.named_parameters()] == list(expected)
    assert all(torch.equal(weight, expected[name]) for name, weight in loaded.named_parameters())
    assert cases.settings(loaded.config.to_dict()) == cases.settings(backbone.config.to_dict())
    assert loaded.config.name_or_path == str(tmp_path)


@pytest.mark.parametrize(
    ("family", "published"),
    [
        ("bart", lambda name: name.removeprefix("model.")),
        ("t5gemma2", lambda name: name.replace("encoder.text_model.", "encoder.")),
    ],
)
def test_files_with_the_names_of_other_releases_are_whole_and_load(family, published, tmp_path):
    backbone = build_backbone(cases.FAMILIES[family])
    backbone.config.save_pretrained(tmp_path)
    weights = {published(name): weight for name, weight in backbone.named_parameters()}
    assert weights.keys() != dict(backbone.named_parameters()).keys()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert list(faults(str(tmp_path), size_of(str(tmp_path)))) == []
    loaded = dict(build_backbone(str(tmp_path)).named_parameters())
    assert all(torch.equal(loaded[name], weight) for name, weight in backbone.named_parameters())


@pytest.mark.parametrize("method", METHODS)
def test_every_method_attaches_trains_freezes_and_leaves_no_trace(plain, method):
    batch, stock = cases.batch(method, task=TASK), cases.without_task(cases.batch(method))
    before, expected = {name: weight.clone() for name, weight in plain.named_parameters()}, plain(**stock).loss
    model = attached(method, plain)
    loss = model(**batch).loss
    assert abs(loss - expected) > 1e-4
    assert torch.allclose(loss, model.model(**batch), rtol=1e-5)
    loss.backward()
    for name, weight in model.model.trained():
        assert weight.grad is not None and (weight.grad.any() or name in cases.WITHOUT_GRADIENT), name
    one = cases.rows(batch, slice(0, 1))
    seen = [None if name not in one else one[name][0] for name in ("grid", "boxes")]
    frozen = Frozen.of(model.model, cases.TASKS[TASK], *seen)
    wanted = model(**one).loss
    assert model.detach() is plain
    assert all(torch.equal(weight, before[name]) for name, weight in plain.named_parameters())
    assert torch.equal(plain(**stock).loss, expected)
    static = frozen.on(plain)
    assert torch.allclose(static(**cases.without_task(one)).loss, wanted, rtol=1e-5)
    static.detach()
    assert torch.equal(plain(**stock).loss, expected)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in plain.modules())


@families
def test_frozen_matrices_are_cast_once_and_the_last_of_a_feed_forward_stays_fp32_under_fp16(family):
    model, batch = cases.model("vl_hyperpelt", family), cases.batch("vl_hyperpelt")
    digest, whole = model.backbone_sha256, model(**batch).item()

    def loss(precision):
        with torch.autocast("cpu", precision):
            return model(**batch)

    expected = loss(torch.bfloat16)
    model.compute_in(torch.bfloat16)
    assert torch.equal(loss(torch.bfloat16), expected)
    model = cases.model("vl_hyperpelt", family)
    model.compute_in(torch.float16)
    assert loss(torch.float16).item() == pytest.approx(whole, rel=5e-3)
    kept = [
        name
        for name, module in model.t5.named_modules()
        if isinstance(module, nn.Linear) and module.weight.dtype == torch.float32
    ]
    assert len(kept) == sum(len(layers(model, block)) for block in ("encoder_ff", "decoder_ff"))
    assert all(name.endswith(model.attachment.family.last_of_feed_forward) for name in kept)
    assert model.backbone_sha256 == digest
