"""The frozen backbone: loaded from the hub or a local folder, or built with random weights from a config."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import logging

from vlhyper.errors import UserError, first_few
from vlhyper.model.families import CONFIG, FAMILIES, BackboneFields, Family, family_of, folder_fields, given_fields
from vlhyper.model.hub import download
from vlhyper.model.weight_files import INDEX, faults, lacking, require_memory, weight_files
from vlhyper.tensors import load_tensors

# Of what a config says about generation these are the model's; how to search is the run's.
TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")


def build_backbone(backbone: str | Mapping[str, Any]) -> PreTrainedModel:
    """A model of one of the families with all parameters frozen, fp32.

    A string is a hub id or a local folder (published weights); a mapping holds fields of its config (random weights).
    Raises UserError where the weights are not available, do not fit config.json, or memory cannot hold them.
    """
    model = _pretrained(backbone) if isinstance(backbone, str) else _random(given_fields(backbone))
    config: Any = model.config
    if hasattr(config, "num_decoder_layers"):
        # generate makes room in its cache for so many layers. It does not ask T5's own name for them, and without this
        # a decoder deeper than the encoder has no room.
        config.decoder_layers = config.num_decoder_layers
    for name in FAMILIES[config.model_type].removed:
        holder, _, last = name.rpartition(".")
        delattr(model.get_submodule(holder), last)
    generation: Any = model.generation_config
    model.generation_config = GenerationConfig(**{name: getattr(generation, name) for name in TOKENS})
    return model.requires_grad_(False)


def _pretrained(name: str) -> PreTrainedModel:
    folder = Path(name) if Path(name).is_dir() else _fetched(name)
    if absent := lacking(str(folder)):
        raise UserError(
            f"backbone {name!r} cannot be loaded: the folder lacks {first_few(absent)}; give a local folder with "
            "config.json and model.safetensors"
        )
    fields = folder_fields(folder)
    for fault in faults(str(folder), fields.size):
        raise UserError(fault)
    require_memory(fields.size, f"backbone {name!r}")
    state: dict[str, Tensor] = {}
    for file in weight_files(str(folder)):
        state |= load_tensors(folder / file, "the weights of the backbone")
    family = FAMILIES[fields.size.family]
    held = family.parameters_in(state, fields.size)
    kind = getattr(transformers, family.model)
    with _quiet():
        # The library is given what was checked and not the folder: there it would also read, and follow, the settings
        # of generation, quantisation, adapters and code that may lie beside the weights.
        model: PreTrainedModel = kind.from_pretrained(
            None,
            config=_config(fields),
            state_dict={parameter: state[name] for parameter, name in held.items()},
            dtype=torch.float32,
        )
    model.config.name_or_path = name
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar over the tensors of one file, which would interrupt ours, and no word on what is not loaded.

    What is missing or surplus was refused before; what a family does not use is taken off.
    """
    level = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _config(fields: BackboneFields) -> Any:
    return getattr(transformers, FAMILIES[fields.size.family].config)(**fields.config())


def _fetched(name: str) -> Path:
    """The folder of a model of the hub in the local cache, its files fetched where that is allowed."""
    cure = "; give a local folder with config.json and model.safetensors, or download it once with network access"
    # The published models exist as safetensors; asking for nothing else keeps pickles out.
    return download(name, [CONFIG, "*.safetensors", INDEX], f"backbone {name!r} cannot be loaded", cure)


def _random(fields: BackboneFields) -> PreTrainedModel:
    size = fields.size
    if torch.get_default_device().type == "cpu":
        require_memory(size, "backbone")
    # Frozen weights are saved with no run, so the same config has to give the same ones whenever a run is opened.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = getattr(transformers, FAMILIES[size.family].model)(_config(fields))
        return _untied(model) if size.untied_head else model


def _untied(t5: Any) -> Any:
    # v1.1 and mT5 have a head of their own; transformers 5 unties it only when it loads one.
    t5.all_tied_weights_keys.pop("lm_head.weight", None)
    # Outputs are not scaled before this head, so its entries are small enough for logits of size 1.
    t5.lm_head.weight = nn.Parameter(torch.randn_like(t5.lm_head.weight) * t5.config.d_model**-0.5)
    return t5


def family_in(model: PreTrainedModel) -> Family:
    """The row of a model that is there. Raises UserError for one of another kind, or without a head for texts."""
    family = family_of(model.config.model_type, "the model's config")
    if not isinstance(model, getattr(transformers, family.model)):
        raise UserError(f"the model is a {type(model).__name__}; vlhyper needs a {family.model}")
    return family


@torch.no_grad()
def deviations_of(model: PreTrainedModel) -> dict[str, float]:
    """The deviation of a backbone's ordinary keys ("key") and values ("value"), and of its word embeddings ("word").

    A normed input has entries of mean square 1 times the norm's gain g, plus its shift s. So the entry o of a key has
    the mean square sum_d (g_d W_od)^2 + (W s + b)_o^2; where keys are normed themselves, that of the norm. Prefixes
    start at that size (docs/method.md, "Makers").
    """
    family = family_in(model)
    squares: dict[str, list[Tensor]] = {"key": [], "value": []}
    encoder: Any = model.get_submodule(family.layers["encoder"])
    for stack, blocks in (("encoder", ("encoder_self",)), ("decoder", ("decoder_self", "decoder_cross"))):
        layers: Any = model.get_submodule(family.layers[stack])
        for number, layer in enumerate(layers):
            for block in blocks:
                norm: Any = model.get_submodule(family.norm_of_keys(block, number, len(encoder)))
                key, value = (_map(family, layer, block, part) for part in "kv")
                squares["key"].append(_mean_square(key, norm, family))
                squares["value"].append(_mean_square(value, norm, family))
                attention: Any = layer.get_submodule(family.modules[block])
                if hasattr(attention, "k_norm"):
                    squares["key"][-1] = _gain(attention.k_norm, family).square().mean()
    found = {name: torch.stack(each).mean().sqrt().item() for name, each in squares.items()}
    words: Any = model.get_input_embeddings()
    return found | {"word": words.weight.std().item() * family.word_scale(model.config)}


def _map(family: Family, layer: nn.Module, block: str, part: str) -> Any:
    """A linear map of an attention; where it shares another's, that one."""
    name: Any = family.modules.get(f"{block}_{part}", family.modules[f"decoder_self_{part}"])
    return layer.get_submodule(name)


def _gain(norm: Any, family: Family) -> Tensor:
    return norm.weight + 1 if family.norm_adds_one else norm.weight


def _mean_square(linear: Any, norm: Any, family: Family) -> Tensor:
    square: Tensor = (linear.weight * _gain(norm, family)).square().sum(-1)
    if linear.bias is not None:
        square = square + (linear.weight @ norm.bias + linear.bias).square()
    return square.mean()


def cast_frozen(backbone: PreTrainedModel, dtype: torch.dtype, kept: Container[str] = ()) -> None:
    """Keep a backbone's frozen matrices in the type to which autocast would cast them at every use.

    Embeddings and norms stay fp32: what they make is added up in fp32. Under fp16 the last matrix of every feed-forward
    stays fp32 too: in published T5s its outputs exceed fp16 (transformers keeps it so for that reason).
    kept: names of parameters that belong to the run, tuned or not.
    """
    last = family_in(backbone).last_of_feed_forward
    for name, module in backbone.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        if dtype == torch.float16 and name.endswith(last):
            module.forward = partial(_without_autocast, module)  # type: ignore[method-assign]
        elif not module.weight.requires_grad and f"{name}.weight" not in kept:
            # A new parameter: the head may share its weight with the embeddings, which stay as they are.
            module.weight = nn.Parameter(module.weight.to(dtype), requires_grad=False)


def _without_autocast(linear: nn.Linear, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return F.linear(x.float(), linear.weight, linear.bias)


def copies_of(backbone: PreTrainedModel, names: Container[str]) -> dict[str, Tensor]:
    """Copies of some of a backbone's parameters, by name."""
    return {name: weight.detach().clone() for name, weight in backbone.named_parameters() if name in names}


def put_back(backbone: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
    """Put such copies in."""
    for name, weight in backbone.named_parameters():
        if name in weights:
            weight.data.copy_(weights[name])


@torch.no_grad()
def digest_without(backbone: PreTrainedModel, trained: Container[str]) -> str:
    """SHA-256 over names and numbers of all parameters but those: the same backbone wherever its files are."""
    digest, weights = hashlib.sha256(), dict(backbone.named_parameters())
    for name in family_in(backbone).used(weights):
        if name not in trained:
            digest.update(name.encode())
            digest.update(weights[name].detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
