"""The plain form of every method: docs/method.md, sections 2 and 3, written down literally, and a T5 as well.

The tests' oracle, and the slow way that benchmarks compare with. None of vlhyper.model's code runs here. Only the
numbers of a built model are taken, by the names of its parameters, and what its row of the table of methods says.
Every row of the batch gets weights of its own, prefixes are made as keys and values, [z ; l ; b] is put together. Rows
without an image are computed as a batch of their own that has no image at all.

Letters: B rows · S source tokens · T target tokens · H heads · P width of a head · N prefix length or image tokens ·
D model width · r adapter bottleneck.
"""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

ATTENTION = ("encoder_self", "decoder_self", "decoder_cross")
BLOCKS = (*ATTENTION, "encoder_ff", "decoder_ff")


class PlainWeights:
    """What a batch has at every (block, layer), the task's before the image's, and the tokens behind its text."""

    def __init__(
        self, model: nn.Module, rows: int, task: Tensor, grid: Tensor | None = None, boxes: Tensor | None = None
    ) -> None:
        """`grid` None: no row has an image."""
        self.keys: dict[tuple[str, int], list[Tensor]] = defaultdict(list)  # (B, N, H·P)
        self.values: dict[tuple[str, int], list[Tensor]] = defaultdict(list)  # (B, N, H·P)
        # Each a function of a module's input and output, (B', S, D) both, that gives its new output.
        self.added: dict[tuple[str, int], list[Callable[[Tensor, Tensor], Tensor]]] = defaultdict(list)
        self.times = 1  # beams a row
        self.front: Tensor | None = None  # (B, N, D), tokens before the text
        self.tokens: Tensor | None = None  # (B, N, D), tokens behind it
        self.width = model.t5.config.d_model
        self.layers = {"encoder": len(model.t5.encoder.block), "decoder": len(model.t5.decoder.block)}
        for name, maker in model.makers.items():
            tensors = dict(maker.named_parameters()) | dict(maker.named_buffers())
            self.boxes, self.maker = boxes, maker.maker
            getattr(self, f"_{name}")(tensors, task.expand(rows), grid, model.t5.shared.weight)

    def _free(self, tensors: dict[str, Tensor], task: Tensor, grid: Tensor | None, words: Tensor) -> None:
        """Numbers of its own at every site, a row for each task or a single one for all."""
        for part in self.maker.parts:
            for block in part.blocks:
                own = {name.removeprefix(f"{block}."): t for name, t in tensors.items() if name.startswith(f"{block}.")}
                own = {name: _of_task(t, task) for name, t in own.items()}
                for i in range(own[min(own)].shape[1]):
                    self._put(part, (block, i), {name: t[:, i] for name, t in own.items()})

    def _put(self, part: Any, at: tuple[str, int], own: dict[str, Tensor]) -> None:
        if part.form == "prefix":
            self.keys[at].append(own["key"])
            self.values[at].append(own["value"])
        elif part.form == "tokens":
            self.front = own["words"]
        elif part.form == "low_rank":
            self._add_low_rank(at, own, self.maker.options.alpha / self.maker.options.rank)
        else:
            self._add_adapter(at, own, **part.settings)

    def _network(self, tensors: dict[str, Tensor], task: Tensor, grid: Tensor | None, words: Tensor) -> None:
        """tanh(E W_1 + b_1) W_2 + b_2 holds the keys and values of all layers, one layer after the other."""
        for block in ATTENTION:
            names = ("table", "first", "first_bias", "second", "second_bias")
            table, first, b1, second, b2 = (_of_task(tensors[f"{block}.{name}"], task) for name in names)
            made = ((table @ first + b1[:, None]).tanh() @ second + b2[:, None]).chunk(
                2 * self.layers[block.split("_")[0]], dim=-1
            )
            for i in range(len(made) // 2):
                self.keys[block, i].append(made[2 * i])
                self.values[block, i].append(made[2 * i + 1])

    def _hyperformer(self, tensors: dict[str, Tensor], task: Tensor, grid: Tensor | None, words: Tensor) -> None:
        """HyperFormer++'s adapters, each made by itself; blocks have their embeddings in the order of the row."""
        for stack in ("encoder", "decoder"):
            own = {name.removeprefix(f"{stack}."): t for name, t in tensors.items() if name.startswith(f"{stack}.")}
            applied = lambda name, x, own=own: x @ own[f"{name}.weight"] + own[f"{name}.bias"]  # noqa: E731
            blocks = [block for part in self.maker.parts for block in part.blocks if block.startswith(stack)]
            for j, block in enumerate(blocks):
                for i in range(self.layers[stack]):
                    z = tensors["task"][task]
                    x = torch.cat([z, own["layer"][i].expand_as(z), own["block"][j].expand_as(z)], dim=-1)
                    x = applied("projector_out", applied("projector_in", x).relu())
                    x = F.layer_norm(x, x.shape[-1:], own["norm.gain"], own["norm.shift"], 1e-6)
                    made = {name: applied(name, x) for name in ("down_bias", "up_bias", "gain", "shift")}
                    made["down"] = applied("down", x).reshape(len(z), -1, self.width)
                    made["up"] = applied("up", x).reshape(len(z), self.width, -1)
                    self._add_adapter((block, i), made, sequential=True, activation="gelu_new")

    def _add_adapter(
        self,
        at: tuple[str, int],
        own: dict[str, Tensor],
        sequential: bool = False,
        activation: str = "relu",
        scale: Any = 1.0,
        **_: object,
    ) -> None:
        """y + λ norm(W_up act(W_down s + b) + b'), row by row; s is y for a sequential adapter, otherwise x."""

        def add(x: Tensor, y: Tensor) -> Tensor:
            rows = []
            for b, (s, before) in enumerate(zip(y if sequential else x, y, strict=True)):
                mine = {name: t[b // self.times] for name, t in own.items()}
                hidden = F.linear(s, mine["down"], mine.get("down_bias"))
                hidden = hidden.relu() if activation == "relu" else F.gelu(hidden, approximate="tanh")
                delta = F.linear(hidden, mine["up"], mine.get("up_bias"))
                if "gain" in mine:
                    delta = F.layer_norm(delta, delta.shape[-1:], mine["gain"], mine["shift"])
                rows.append(before + scale * delta)
            return torch.stack(rows)

        self.added[at].append(add)

    def _add_low_rank(self, at: tuple[str, int], own: dict[str, Tensor], scale: float) -> None:
        """y + λ B A x, with B A put together."""
        matrices = own["b"] @ own["a"] * scale
        self.added[at].append(lambda x, y: y + x @ matrices.repeat_interleave(self.times, 0).transpose(1, 2))

    def _image(self, tensors: dict[str, Tensor], task: Tensor, grid: Tensor | None, words: Tensor) -> None:
        """VL-T5's visual embedding; boxes are 0 or given, and the cell n has the word embedding n from the end."""
        if grid is None:
            return
        if wanted := self.maker.options.image_tokens:
            cells = math.isqrt(grid.shape[1])
            square = grid.transpose(1, 2).reshape(len(grid), -1, cells, cells)
            grid = F.adaptive_max_pool2d(square, math.isqrt(wanted)).flatten(2).transpose(1, 2)
        boxes = torch.zeros(*grid.shape[:2], 5)
        if self.boxes is not None:
            boxes[..., :4] = self.boxes
            boxes[..., 4] = (self.boxes[..., 3] - self.boxes[..., 2]) * (self.boxes[..., 1] - self.boxes[..., 0])
        summed = torch.zeros(*grid.shape[:2], self.width)
        for name, x in (("feature", grid), ("position", boxes)):
            y = F.linear(x, tensors[f"{name}.weight"].T, tensors[f"{name}.bias"])
            summed = summed + tensors[f"{name}.norm"] * y / (y.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
        numbers = len(words) - 1 - torch.arange(grid.shape[1])
        self.tokens = summed + tensors["order"][0] + words[numbers]

    def _hyper(self, tensors: dict[str, Tensor], task: Tensor, grid: Tensor | None, words: Tensor) -> None:
        if "sources.task.weight" in tensors:
            self._side(tensors, "task", tensors["sources.task.weight"][task])
        if "sources.visual.weight" in tensors and grid is not None:
            standard = (grid - tensors["sources.visual.mean"]) / tensors["sources.visual.deviation"]
            self._side(tensors, "visual", standard @ tensors["sources.visual.weight"])

    def _side(self, tensors: dict[str, Tensor], side: str, z: Tensor) -> None:
        own = {name.split(".")[-1]: t for name, t in tensors.items() if name.startswith(f"sides.{side}.")}
        made = {name.split(".")[-1] for name in tensors}
        # The table has a row for each block that any side makes something for.
        rows = [block for block in BLOCKS if ("down" if block.endswith("ff") else "key") in made]
        for j, block in enumerate(rows):
            for i in range(self.layers[block.split("_")[0]]):
                joined = torch.cat([z, tensors["layer"][i].expand_as(z), tensors["block"][j].expand_as(z)], dim=-1)
                hyper = (joined @ own["projector_in"]).relu() @ own["projector_out"]
                if not block.endswith("ff") and "key" in own:
                    self.keys[block, i].append(hyper @ own["key"])
                    self.values[block, i].append(hyper @ own["value"])
                if block.endswith("ff") and "down" in own:
                    mean = hyper.mean(dim=1)
                    down = (mean @ own["down"]).reshape(len(z), -1, self.width)
                    up = (mean @ own["up"]).reshape(len(z), self.width, -1)
                    scale = own["scale"][i if block == "encoder_ff" else self.layers["encoder"] + i]
                    self._add_adapter((block, i), {"down": down, "up": up}, scale=scale)

    def repeated(self, times: int) -> PlainWeights:
        """The same weights for `times` beams a row, side by side."""
        if times == 1:
            return self
        other = copy.copy(self)
        for name in ("keys", "values"):
            made = {at: [t.repeat_interleave(times, 0) for t in parts] for at, parts in getattr(self, name).items()}
            setattr(other, name, defaultdict(list, made))
        # What is added looks up the beams where it was made.
        self.times = times
        return other


class PlainT5:
    """T5's forward over the parameters of a `T5ForConditionalGeneration`, without dropout."""

    def __init__(self, t5: nn.Module) -> None:
        self.t5, self.config = t5, t5.config
        self.act = F.relu if self.config.dense_act_fn == "relu" else lambda x: F.gelu(x, approximate="tanh")

    def encode(self, ids: Tensor, mask: Tensor, made: PlainWeights) -> tuple[Tensor, Tensor]:
        """(B, S) token ids and 0/1 mask -> (B, S + N, D) and (B, S + N) mask; tokens take no position bias."""
        stack = self.t5.encoder
        x = self.t5.shared.weight[ids]
        if made.front is not None:
            x = torch.cat([made.front, x], dim=1)
            mask = torch.cat([mask.new_ones(made.front.shape[:2]), mask], dim=1)
        position_bias = self._position_bias(stack, x.shape[1], two_way=True)
        if made.tokens is not None:
            more = made.tokens.shape[1]
            x, position_bias = torch.cat([x, made.tokens], dim=1), F.pad(position_bias, (0, more, 0, more))
            mask = torch.cat([mask, mask.new_ones(len(mask), more)], dim=1)
        bias = position_bias + _closed(mask[:, None, None, :] == 0)
        for i, block in enumerate(stack.block):
            attention = block.layer[0]
            normed = self._norm(x, attention.layer_norm)
            x = x + self._attend(attention.SelfAttention, normed, normed, bias, made, ("encoder_self", i))
            x = x + self._feed_forward(block.layer[1], x, made, ("encoder_ff", i))
        return self._norm(x, stack.final_layer_norm), mask

    def decode(self, ids: Tensor, states: Tensor, mask: Tensor, made: PlainWeights) -> Tensor:
        """(B, T) decoder input ids, (B, S, D) encoder states, (B, S) mask -> (B, T, vocabulary) logits."""
        stack, length = self.t5.decoder, ids.shape[1]
        x = self.t5.shared.weight[ids]
        future = torch.ones(length, length).triu(1) == 1
        bias = self._position_bias(stack, length, two_way=False) + _closed(future)
        source_bias = _closed(mask[:, None, None, :] == 0)
        for i, block in enumerate(stack.block):
            own, cross = block.layer[0], block.layer[1]
            normed = self._norm(x, own.layer_norm)
            x = x + self._attend(own.SelfAttention, normed, normed, bias, made, ("decoder_self", i))
            normed = self._norm(x, cross.layer_norm)
            x = x + self._attend(cross.EncDecAttention, normed, states, source_bias, made, ("decoder_cross", i))
            x = x + self._feed_forward(block.layer[2], x, made, ("decoder_ff", i))
        x = self._norm(x, stack.final_layer_norm)
        if self.config.scale_decoder_outputs:
            x = x * self.config.d_model**-0.5
        return x @ self.t5.lm_head.weight.T

    def _norm(self, x: Tensor, norm: nn.Module) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + self.config.layer_norm_epsilon).rsqrt() * norm.weight

    def _attend(
        self, a: nn.Module, x: Tensor, source: Tensor, bias: Tensor, made: PlainWeights, at: tuple[str, int]
    ) -> Tensor:
        """Keys and values are [task prefix ; visual prefix ; ordinary]; only ordinary ones take the bias and mask."""

        def linear(part: str, s: Tensor) -> Tensor:
            y = s @ getattr(a, part).weight.T
            for add in made.added[f"{at[0]}_{part}", at[1]]:
                y = add(s, y)
            return y

        keys = torch.cat([*made.keys[at], linear("k", source)], dim=1)
        values = torch.cat([*made.values[at], linear("v", source)], dim=1)
        q, k, v = (self._heads(t) for t in (linear("q", x), keys, values))
        logits = q @ k.transpose(2, 3)
        prefix = logits.shape[-1] - source.shape[1]
        logits = logits + F.pad(bias, (prefix, 0))
        output = logits.float().softmax(-1).to(v.dtype) @ v
        output = linear("o", output.transpose(1, 2).flatten(2))
        for add in made.added[at]:
            output = add(x, output)
        return output

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def _feed_forward(self, layer: nn.Module, x: Tensor, made: PlainWeights, at: tuple[str, int]) -> Tensor:
        """FF(x) and what is added to it, x the layer-normed input."""
        x, ff = self._norm(x, layer.layer_norm), layer.DenseReluDense
        if self.config.is_gated_act:
            inner = self.act(x @ ff.wi_0.weight.T) * (x @ ff.wi_1.weight.T)
        else:
            inner = self.act(x @ ff.wi.weight.T)
        y = inner @ ff.wo.weight.T
        for add in made.added[at]:
            y = add(x, y)
        return y

    def _position_bias(self, stack: nn.Module, length: int, two_way: bool) -> Tensor:
        """(1, H, length, length) relative position bias of the stack's first layer, which all its layers use."""
        table = stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight
        rows = [[self._bucket(key - query, two_way) for key in range(length)] for query in range(length)]
        return table[torch.tensor(rows)].permute(2, 0, 1)[None]

    def _bucket(self, distance: int, two_way: bool) -> int:
        """T5's bucket of a key `distance` tokens after the query: exact when near, logarithmic when far."""
        buckets, furthest = self.config.relative_attention_num_buckets, self.config.relative_attention_max_distance
        first = 0
        if two_way:
            buckets //= 2
            first = buckets if distance > 0 else 0
        away = abs(distance) if two_way else max(-distance, 0)
        exact = buckets // 2
        if away < exact:
            return first + away
        far = math.log(away / exact) / math.log(furthest / exact) * (buckets - exact)
        return first + min(exact + int(far), buckets - 1)


def _of_task(table: Tensor, task: Tensor) -> Tensor:
    """The rows of these tasks; the single row of a table that all tasks share."""
    return table[task if len(table) > 1 else torch.zeros_like(task)]


def _closed(where: Tensor) -> Tensor:
    return torch.zeros(where.shape).masked_fill(where, -math.inf)


def plain_loss(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor,
    labels: Tensor,
    task: Tensor,
    grid: Tensor | None = None,
    pictured: Tensor | None = None,
    boxes: Tensor | None = None,
) -> Tensor:
    """The mean cross-entropy of the target tokens; -100 marks padding."""
    task = task.expand(len(input_ids))
    losses = []
    for chosen, image in _parts(len(input_ids), grid, pictured):
        ids, mask, targets = input_ids[chosen], attention_mask[chosen], labels[chosen]
        regions = None if boxes is None or image is None else boxes[chosen]
        made, t5 = PlainWeights(model, len(ids), task[chosen], image, regions), PlainT5(model.t5)
        start = torch.full_like(targets[:, :1], model.t5.config.decoder_start_token_id)
        decoder_ids = torch.cat([start, targets[:, :-1]], dim=1).clamp(min=0)
        logits = t5.decode(decoder_ids, *t5.encode(ids, mask, made), made)
        each = -logits.float().log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        losses.append(each[targets != -100])
    return torch.cat(losses).mean()


def _parts(rows: int, grid: Tensor | None, pictured: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    """The rows with an image and their grid, the rows without; each is a batch of its own."""
    if grid is None or pictured is None:
        return [(torch.arange(rows), grid)]
    with_image, without = pictured.nonzero()[:, 0], (~pictured).nonzero()[:, 0]
    return [(chosen, image) for chosen, image in ((with_image, grid[with_image]), (without, None)) if len(chosen)]


@torch.no_grad()
def plain_generate(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor,
    task: Tensor,
    grid: Tensor | None = None,
    boxes: Tensor | None = None,
    **options: Any,
) -> Any:
    """transformers' search over plain forwards: no cache, weights repeated for every beam."""
    rows, t5 = len(input_ids), PlainT5(model.t5)
    made = PlainWeights(model, rows, task, grid, boxes)
    states, mask = t5.encode(input_ids, attention_mask, made)

    def forward(
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: Any = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        beams = made.repeated(len(decoder_input_ids) // rows)
        return Seq2SeqLMOutput(logits=t5.decode(decoder_input_ids, encoder_outputs[0], attention_mask, beams))

    # A shallow copy carries the parameters; only its forward is another.
    searcher = copy.copy(model.t5)
    searcher.forward = forward
    encoded = BaseModelOutput(last_hidden_state=states)
    return searcher.generate(encoder_outputs=encoded, attention_mask=mask, use_cache=False, **options)
