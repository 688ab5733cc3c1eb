"""A frozen T5 with sites: forms are put in, and its attentions and feed-forwards apply them.

The T5 model file is not touched: the attention function is registered with transformers under the name `vlhyper`, and
whatever is added to a module's output is a forward hook (docs/method.md, "T5 without a copy of its model file").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, T5ForConditionalGeneration
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from vlhyper.errors import UserError
from vlhyper.model.adapters import ADDED
from vlhyper.model.attention import beside, prefix_attention
from vlhyper.model.forms import Form
from vlhyper.model.sites import ATTENTION, STACKS, Site

# The module of each block in a layer of its stack. Forms of the table ADDED are applied to its output; what else is put
# at an attention changes it from within.
MODULES: dict[str, Callable[[Any], nn.Module]] = {
    "encoder_self": lambda layer: layer.layer[0].SelfAttention,
    "encoder_ff": lambda layer: layer.layer[1].DenseReluDense,
    "decoder_self": lambda layer: layer.layer[0].SelfAttention,
    "decoder_cross": lambda layer: layer.layer[1].EncDecAttention,
    "decoder_ff": lambda layer: layer.layer[2].DenseReluDense,
}


def _linear(block: str, part: str) -> Callable[[Any], nn.Module]:
    return lambda layer: getattr(MODULES[block](layer), part)


MODULES |= {f"{block}_{part}": _linear(block, part) for block in ATTENTION for part in "qkvo"}


# What an attached T5 carries, so that a second attachment is refused.
MARK = "vlhyper_attached"


class Attachment:
    """The sites of one T5. `set` puts forms in; they stay until the next `set`.

    They must stay: gradient checkpointing runs blocks again during backward and needs the same forms.
    """

    def __init__(self, t5: T5ForConditionalGeneration) -> None:
        """Prepare every site of `t5`. A site without forms computes exactly what T5 computes there.

        Raises UserError where another attachment holds this T5: the two would replace each other's forms.
        """
        if getattr(t5, MARK, None) is not None:
            raise UserError("this T5 has a method attached already; detach that one first")
        setattr(t5, MARK, self)
        self._t5, self._attention = t5, t5.config._attn_implementation
        self._hooks: list[Any] = []
        self._modules = _modules(t5)
        # What is put at each module: what its output is given to, and what changes an attention from within.
        self._added: dict[nn.Module, list[Any]] = {}
        self._within: dict[nn.Module, list[Any]] = {}
        self._tokens: Sequence[Any] = ()
        # (S, S) bool, where the encoder's relative position bias applies; None: everywhere.
        self.biased: Tensor | None = None
        for site, module in self._modules.items():
            if site.block in ATTENTION:
                # Plain attributes: the registered function gets only the attention module to find its forms by.
                module.vlhyper_attachment, module.vlhyper_encodes = self, site.block == "encoder_self"
        # Two blocks may name one module.
        for module in dict.fromkeys(self._modules.values()):
            self._hooks.append(module.register_forward_hook(self._add))
        # Older releases do not hand it on to the stacks, which would go on without prefixes and without a word.
        for part in (t5, t5.encoder, t5.decoder):
            part.set_attn_implementation("vlhyper")

    def detach(self) -> None:
        """Leave T5 as it was found: no hooks, no marks, its own attention function."""
        self.set({})
        for hook in self._hooks:
            hook.remove()
        for site, module in self._modules.items():
            if site.block in ATTENTION:
                del module.vlhyper_attachment, module.vlhyper_encodes
        for part in (self._t5, self._t5.encoder, self._t5.decoder):
            part.set_attn_implementation(self._attention)
        delattr(self._t5, MARK)

    def set(self, forms: Mapping[Site, Sequence[Form]]) -> None:
        """Replace all forms. Sites that are left out have none."""
        self._tokens = forms.get(Site("input", 0), ())
        self._added, self._within, self.biased = {}, {}, None
        for site, put in forms.items():
            for form in put if site.block != "input" else ():
                to = self._added if type(form) in ADDED else self._within
                to.setdefault(self._modules[site], []).append(form)

    @property
    def modules(self) -> Mapping[Site, nn.Module]:
        """The module of each site."""
        return self._modules

    def within(self, module: nn.Module) -> Sequence[Any]:
        """The prefixes of an attention."""
        return self._within.get(module, ())

    def encoder_inputs(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """What T5's forward and generate are given: ids, or embeddings where there are tokens beside the text."""
        if not self._tokens:
            return {"input_ids": input_ids, "attention_mask": attention_mask}
        embeds, mask, self.biased = beside(self._t5.shared(input_ids), attention_mask, self._tokens)
        return {"inputs_embeds": embeds, "attention_mask": mask}

    def _add(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
        # An attention gives more than its output.
        result, *others = output if isinstance(output, tuple) else (output,)
        for form in self._added.get(module, ()):
            result = ADDED[type(form)](form, inputs[0], result)
        return (result, *others) if isinstance(output, tuple) else result


def _modules(t5: T5ForConditionalGeneration) -> dict[Site, Any]:
    stacks: dict[str, Any] = {"encoder": t5.encoder.block, "decoder": t5.decoder.block}
    return {
        Site(block, number): module_of(layer)
        for block, module_of in MODULES.items()
        for number, layer in enumerate(stacks[STACKS[block]])
    }


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    position_bias: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """The signature of transformers' attention functions around `prefix_attention`."""
    attachment, bias = module.vlhyper_attachment, position_bias
    if bias is not None and module.vlhyper_encodes and attachment.biased is not None:
        bias = bias.masked_fill(~attachment.biased, 0)
    if attention_mask is not None:
        bias = attention_mask if bias is None else bias + attention_mask
    # A Python float of 1.0 (T5 does not scale) costs no kernel.
    scaled = query if scaling == 1.0 else query * scaling
    output = prefix_attention(scaled, key, value, bias, attachment.within(module), dropout)
    return output.transpose(1, 2).contiguous(), None


def _mask(**options: Any) -> Tensor:
    """The mask of eager attention, made in every case.

    sdpa's mask function may leave the causal mask out and trust `is_causal`, which is silently wrong as soon as keys
    (with their prefix) are longer than queries. To leave out a mask without padding all have to look at its values, for
    which the host would wait for the device twice a step.
    """
    return eager_mask(**{**options, "allow_is_bidirectional_skip": False})


AttentionInterface.register("vlhyper", _attention)
AttentionMaskInterface.register("vlhyper", _mask)
