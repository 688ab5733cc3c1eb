"""The table of methods: each a row of parts, what of T5 trains, and what it does with images (paper tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vlhyper.errors import UserError, nearest
from vlhyper.model.sites import ATTENTION, FEED_FORWARD, INPUT, QUERY, VALUE

IMAGES = ("none", "condition", "tokens")


@dataclass(frozen=True)
class Part:
    """A maker and the form it makes for some blocks.

    settings: of the maker, fixed by the row. name: parts of one name share one maker, its weights too; the maker's name
    where left out.
    """

    maker: str
    form: str
    blocks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Method:
    """One row.

    trains: patterns over the names of T5's parameters; those that match are trained as well. images: `none` (the model
    sees none), `condition` (weights are made from them) or `tokens` (they are tokens in the encoder's input).
    defaults: values of options where the method's source has others than its makers.
    """

    title: str
    parts: tuple[Part, ...]
    trains: tuple[str, ...] = ()
    images: Literal["none", "condition", "tokens"] = "none"
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise UserError(f"method {self.title!r}: images is {self.images!r}{nearest(self.images, IMAGES)}")

    @property
    def boxes(self) -> bool:
        """Whether a part wants the boxes of image regions."""
        return any(part.settings.get("boxes") for part in self.parts)


NORMS = ("*norm*",)
ALL = ("*",)
TASK, VISUAL, BOTH = {"sides": ("task",)}, {"sides": ("visual",)}, {"sides": ("task", "visual")}
# Behind self-attentions and feed-forwards, as HyperFormer's T5 has them; its cross-attentions have none.
BEHIND_SELF = ("encoder_self", "decoder_self", *FEED_FORWARD)
EVERYWHERE = (*ATTENTION, *FEED_FORWARD)
# Adapters behind a block, with biases and gelu; HyperFormer's have a norm, VL-Adapter's have none.
SEQUENTIAL = {"sequential": True, "activation": "gelu_new", "biases": True}
HOULSBY = {**SEQUENTIAL, "norm": True, "start": "small"}
VL_ADAPTER = {**SEQUENTIAL, "start": "linear"}
# Parallel to the feed-forward, four times its output (He et al. 2022, section 4.6).
MAM = {"biases": True, "scale": 4.0, "start": "nothing"}


def _hyper(prefix: Mapping[str, Any] | None, adapter: Mapping[str, Any] | None) -> tuple[Part, ...]:
    """The sides that make prefixes and the sides that make adapters."""
    parts = []
    if prefix:
        parts.append(Part("hyper", "prefix", ATTENTION, prefix))
    if adapter:
        parts.append(Part("hyper", "bottleneck", FEED_FORWARD, adapter))
    return tuple(parts)


IMAGE = Part("image", "tokens", INPUT)
REGIONS = Part("image", "tokens", INPUT, {"boxes": True})
# VL-Adapter's scripts pool 49 cells to 36, and their r is 768 / 4.
VL_DEFAULTS = {"image_tokens": 36, "bottleneck": 192}

METHODS: dict[str, Method] = {
    "full_finetuning": Method("Full fine-tuning", (), ALL),
    "adapters": Method(
        "Adapters", (Part("free", "bottleneck", BEHIND_SELF, HOULSBY),), NORMS, defaults={"bottleneck": 24}
    ),
    "prefix_tuning": Method("Prefix-tuning", (Part("free", "prefix", ATTENTION),)),
    "prefix_tuning_network": Method("Prefix-tuning, made by a network", (Part("network", "prefix", ATTENTION),)),
    "mam_adapter": Method(
        "MAM Adapter",
        (Part("network", "prefix", ATTENTION), Part("free", "bottleneck", FEED_FORWARD, MAM)),
        defaults={"prefix_length": 30, "bottleneck": 512},
    ),
    "prompt_tuning": Method("Prompt-tuning", (Part("free", "tokens", INPUT),)),
    "lora": Method("LoRA, one for each task", (Part("free", "low_rank", (*QUERY, *VALUE)),)),
    "lora_shared": Method(
        "LoRA, one for all tasks", (Part("free", "low_rank", (*QUERY, *VALUE)),), defaults={"shared": True}
    ),
    "hyperformer": Method("HyperFormer++", (Part("hyperformer", "bottleneck", BEHIND_SELF),), NORMS),
    "hyperpelt": Method("HyperPELT", _hyper(TASK, TASK), NORMS),
    "hyperpelt_prefix": Method("HyperPELT, prefixes only", _hyper(TASK, None), NORMS),
    "hyperpelt_adapter": Method("HyperPELT, adapters only", _hyper(None, TASK), NORMS),
    "clip_t5": Method("CLIP-T5", (IMAGE,), ALL, "tokens"),
    "vl_t5": Method("VL-T5", (REGIONS,), ALL, "tokens"),
    "vl_adapter": Method(
        "VL-Adapter, one adapter for all tasks",
        (IMAGE, Part("free", "bottleneck", EVERYWHERE, VL_ADAPTER)),
        images="tokens",
        defaults={**VL_DEFAULTS, "shared": True},
    ),
    "vl_adapter_per_task": Method(
        "VL-Adapter, an adapter for each task",
        (IMAGE, Part("free", "bottleneck", EVERYWHERE, VL_ADAPTER)),
        images="tokens",
        defaults=VL_DEFAULTS,
    ),
    "vl_lora": Method(
        "LoRA with image tokens",
        (IMAGE, Part("free", "low_rank", (*QUERY, *VALUE))),
        images="tokens",
        defaults={"shared": True},
    ),
    "vl_hyperpelt": Method("VL-HyperPELT", _hyper(BOTH, BOTH), NORMS, "condition"),
    "vl_hyperpelt_prefix": Method("VL-HyperPELT, prefixes only", _hyper(BOTH, None), NORMS, "condition"),
    "vl_hyperpelt_adapter": Method("VL-HyperPELT, adapters only", _hyper(None, BOTH), NORMS, "condition"),
    "vl_hyperpelt_visual_prefix": Method(
        "VL-HyperPELT, prefixes from the image, adapters from the task", _hyper(VISUAL, TASK), NORMS, "condition"
    ),
    "vl_hyperpelt_visual_adapter": Method(
        "VL-HyperPELT, prefixes from the task, adapters from the image", _hyper(TASK, VISUAL), NORMS, "condition"
    ),
}


def method(name: str) -> Method:
    """The row of `name`. Raises UserError with the nearest valid name."""
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}{nearest(name, METHODS)}")
    return METHODS[name]
