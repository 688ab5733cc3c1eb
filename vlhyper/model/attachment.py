"""A frozen backbone with sites: forms are put in, and its attentions and feed-forwards apply them.

The model file of transformers is not touched: the attention function is registered under the name `vlhyper`, and
whatever is added to a module's output is a forward hook (docs/method.md, "T5 without a copy of its model file").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from vlhyper.errors import UserError
from vlhyper.model.adapters import ADDED
from vlhyper.model.attention import beside, prefix_attention
from vlhyper.model.backbone import family_in
from vlhyper.model.forms import Form, Tokens
from vlhyper.model.sites import ATTENTION, STACKS, Site

# What an attached backbone carries, so that a second attachment is refused.
MARK = "vlhyper_attached"


class Attachment:
    """The sites of one backbone. `set` puts forms in; they stay until the next `set`.

    They must stay: gradient checkpointing runs blocks again during backward and needs the same forms.
    """

    def __init__(self, backbone: PreTrainedModel) -> None:
        """Prepare every site. One without forms computes exactly what the backbone computes there.

        Raises UserError for a model that is not in the table of backbones, and where another attachment holds this one:
        the two would replace each other's forms.
        """
        self.family = family_in(backbone)
        if getattr(backbone, MARK, None) is not None:
            raise UserError("this model has a method attached already; detach that one first")
        setattr(backbone, MARK, self)
        self._backbone = backbone
        self._modules: dict[Site, nn.Module] = {}
        # What is put at each module: what its output is given to, and what changes an attention from within.
        self._added: dict[nn.Module, list[Any]] = {}
        self._within: dict[nn.Module, list[Any]] = {}
        self._tokens: Sequence[Tokens] = ()
        # What a module was given whose input belongs to another one's output.
        self._inputs: dict[nn.Module, Tensor] = {}
        # (S,) bool, which tokens of the encoder's input have positions, and (S, S), which pairs of them; None: all.
        self._placed: Tensor | None = None
        self.biased: Tensor | None = None
        self._hooks: list[Any] = []
        self._prepare()
        # Older releases do not hand it on to the stacks, which would go on without prefixes and without a word.
        self._attentions = {part: part.config._attn_implementation for part in self._parts()}
        for part in self._attentions:
            part.set_attn_implementation("vlhyper")

    def _prepare(self) -> None:
        reading: dict[Any, Any] = {}
        for site, reads, adds in self._places():
            # Two blocks may name one module.
            self._modules[site], reading[adds] = adds, reads
            if site.block in ATTENTION:
                # Plain attributes: the registered function gets only the attention module to find its forms by.
                adds.vlhyper_attachment, adds.vlhyper_encodes = self, site.block == "encoder_self"
        for adds, reads in reading.items():
            if reads is not adds:
                self._hooks.append(reads.register_forward_pre_hook(partial(self._read, adds)))
            self._hooks.append(adds.register_forward_hook(self._add, with_kwargs=True))
        if self.family.positions == "learned":
            self._hooks.append(self._positions.register_forward_hook(self._place))

    def _places(self) -> Iterator[tuple[Site, Any, Any]]:
        """Every site with the module whose input it reads and the one to whose output it adds."""
        for block, names in self.family.modules.items():
            layers: Any = self._backbone.get_submodule(self.family.layers[STACKS[block]])
            reads, adds = (names, names) if isinstance(names, str) else names
            for number, layer in enumerate(layers):
                yield Site(block, number), layer.get_submodule(reads), layer.get_submodule(adds)

    def _parts(self) -> list[Any]:
        """What has an attention function of its own. A model that a part was taken off would warn of that part."""
        stacks = [self._backbone.get_submodule(name) for name in self.family.stacks]
        return stacks if self.family.removed else [self._backbone, *stacks]

    def detach(self) -> None:
        """Leave the backbone as it was found: no hooks, no marks, its own attention function."""
        self.set({})
        for hook in self._hooks:
            hook.remove()
        attentions: set[Any] = {module for site, module in self._modules.items() if site.block in ATTENTION}
        for module in attentions:
            del module.vlhyper_attachment, module.vlhyper_encodes
        for part, attention in self._attentions.items():
            part.set_attn_implementation(attention)
        delattr(self._backbone, MARK)

    @property
    def _positions(self) -> Any:
        """The encoder's table of learned positions."""
        return self._backbone.get_encoder().embed_positions

    @property
    def word_scale(self) -> float:
        """What the encoder multiplies the table of token embeddings with."""
        return self.family.word_scale(self._backbone.config)

    def set(self, forms: Mapping[Site, Sequence[Form]]) -> None:
        """Replace all forms. Sites that are left out have none."""
        self._tokens = forms.get(Site("input", 0), ())  # type: ignore[assignment]
        self._added, self._within, self._inputs = {}, {}, {}
        self._placed = self.biased = None
        for site, put in forms.items():
            for form in put if site.block != "input" else ():
                to = self._added if type(form) in ADDED else self._within
                to.setdefault(self._modules[site], []).append(form)

    @property
    def modules(self) -> Mapping[Site, nn.Module]:
        """The module of each site: the one to whose output it adds."""
        return self._modules

    def within(self, module: nn.Module) -> Sequence[Any]:
        """The prefixes of an attention."""
        return self._within.get(module, ())

    def encoder_inputs(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """What the model's forward and generate are given: ids, or embeddings where there are tokens beside the text.

        Raises UserError where the backbone has no positions for so many tokens.
        """
        if not self._tokens:
            self._require_positions(input_ids.shape[1])
            return {"input_ids": input_ids, "attention_mask": attention_mask}
        words: Any = self._backbone.get_input_embeddings()
        embeds, mask, placed = beside(words(input_ids), attention_mask, self._fitting())
        self._require_positions(embeds.shape[1])
        self._placed, self.biased = placed, None if placed is None else placed[:, None] & placed
        return {"inputs_embeds": embeds, "attention_mask": mask}

    def _fitting(self) -> list[Tokens]:
        """The tokens as this family takes them."""
        tokens = list(self._tokens)
        if self.family.positions == "rotary":
            # A rotation cannot be left out. Before the text they are at the same distances whatever is padded behind.
            tokens.sort(key=lambda form: not form.front)
            tokens = [form._replace(front=True, biased=True) for form in tokens]
        if self.family.scales_embeddings:
            tokens = [form._replace(embeds=form.embeds / self.word_scale) for form in tokens]
        return tokens

    def _require_positions(self, length: int) -> None:
        most: int = getattr(self._backbone.config, "max_position_embeddings", length)
        if self.family.positions == "learned" and length > most:
            raise UserError(
                f"a source of {length} tokens, with those beside the text: this {self.family.title} has {most} "
                "positions; set max_source_tokens lower"
            )

    def _read(self, adds: nn.Module, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._inputs[adds] = inputs[0]

    def _add(self, module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any], output: Any) -> Any:
        forms = self._added.get(module, ())
        source = self._inputs.pop(module, None)
        if not forms:
            return output
        if source is None:
            source = inputs[0] if inputs else named["hidden_states"]
        # An attention gives more than its output.
        result, *others = output if isinstance(output, tuple) else (output,)
        for form in forms:
            result = ADDED[type(form)](form, source, result)
        return (result, *others) if isinstance(output, tuple) else result

    def _place(self, table: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Learned positions: those of the text stay as they are, tokens without a position get none."""
        if self._placed is None:
            return output
        numbers = (self._placed.cumsum(0) - 1).clamp(min=0) + table.offset
        return (nn.functional.embedding(numbers, table.weight) * self._placed[:, None]).expand_as(output)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    position_bias: Tensor | None = None,
    softcap: float | None = None,
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
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        # The heads that share a key are as many more queries of one head. A mask is the same for all heads.
        scaled = scaled.unflatten(1, (-1, groups)).flatten(2, 3)
        bias = None if bias is None else bias.repeat(1, 1, groups, 1)
    output = prefix_attention(scaled, key, value, bias, attachment.within(module), dropout, softcap)
    if groups > 1:
        output = output.unflatten(2, (groups, -1)).flatten(1, 2)
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
