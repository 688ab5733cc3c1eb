"""Hypernetworks that make prefixes and adapters from a task's embedding, from an image, or from both.

Source: the paper, sections 3.2 and 3.3; docs/method.md, "Makers". On each side, task and visual,

    I   = relu([z ; l_i ; b_j] W_1) W_2
    K   = I W_K,  V = I W_V
    W_down = reshape(Ī A_down),  W_up = reshape(Ī A_up),   Ī = mean of I over its N rows

with z_τ learned for every task, or z_v = G M made from the image's grid. One projector (W_1, W_2) and one hypernetwork
for each form serve all sites; the tables of layer embeddings l_i and block embeddings b_j are shared by both sides.

Letters: B rows · R rows with embeddings of their own (1 or B) · Q sites · N prefix length = grid cells · d_v grid
channels · d_τ embedding width · m projector width · d_I hyper-embedding width · r adapter bottleneck · D model width ·
H·P joint width of the heads · L layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from vlhyper.errors import UserError, nearest
from vlhyper.model.forms import Bottleneck, Form, LatentBottleneck, Prefix
from vlhyper.model.makers.maker import Conditions, Fill, Maker, Normal, Tensors, Weight
from vlhyper.model.sites import Site, sites
from vlhyper.settings import Strict

if TYPE_CHECKING:
    from torch import Tensor

# Rows of the table of block embeddings as published runs have them; a method's table has those of its blocks.
BLOCK_ROWS = {"encoder_self": 0, "decoder_self": 1, "decoder_cross": 2, "encoder_ff": 3, "decoder_ff": 4}
SIDES = ("task", "visual")
# Adapter weights of a step up to this many numbers (256 MiB) are made for all sites together and kept until backward,
# which is faster; more of them are made at each site and once more in backward, which takes less memory.
KEPT = 2**26


class Options(Strict):
    """Settings of the hypernetworks. Defaults are the paper's values for V&L (docs/method.md, "Counts")."""

    embedding_width: int | None = Field(None, gt=0, description="d_τ; the backbone's width where left out")
    projector_width: int = Field(128, gt=0, description="m")
    hyper_width: int = Field(64, gt=0, description="d_I")
    bottleneck: int = Field(64, gt=0, description="r")
    prefix_length: int = Field(49, gt=0, description="N of a method without images; with images N is their cell count")


class Settings(Strict):
    """Settings of a part."""

    sides: tuple[Literal["task", "visual"], ...] = Field(min_length=1, description="what makes the part's form")


class Hyper(Maker):
    """The sides of a part each make a form at its sites; the task's comes first."""

    Options = Options
    Settings = Settings
    forms = ("prefix", "bottleneck")

    def __init__(self, options: Any, parts: Any, size: Any, inputs: Any) -> None:
        super().__init__(options, parts, size, inputs)
        self.blocks = used_rows(block for part in parts for block in part.blocks)
        self.sides = [side for side in SIDES if any(side in self.settings(part).sides for part in parts)]
        if "visual" in self.sides and not (inputs.tokens and inputs.width):
            raise UserError("this method makes weights from images; say how many cells and channels they have")
        self.sites = {(side, form): self._sites(side, form) for side in self.sides for form in self.forms}
        self.length = inputs.tokens if "visual" in self.sides else options.prefix_length
        self.width = options.embedding_width or size.d_model

    def _sites(self, side: str, form: str) -> list[Site]:
        parts = [part for part in self.parts if part.form == form and side in self.settings(part).sides]
        return sites(self.size, [block for part in parts for block in part.blocks])

    def weights(self) -> dict[str, Weight]:
        embedding = (self.length, self.width)
        # Deviation 1: in a trial with tables ten times smaller the model no longer told the image's cells apart, which
        # differ only by the rows of these tables.
        found = {
            "layer": Weight((self.size.layers, *embedding), Normal(), "layer embeddings"),
            "block": Weight((len(self.blocks), *embedding), Normal(), "block embeddings"),
        }
        if "task" in self.sides:
            shape = (len(self.inputs.tasks), *embedding)
            found["sources.task.weight"] = Weight(shape, Normal(), "task embeddings", per_task=True)
        if "visual" in self.sides:
            channels = self.inputs.width or 0
            mapping = Weight((channels, self.width), Normal(channels**-0.5), "visual mapping")
            found["sources.visual.weight"] = mapping
        for side in self.sides:
            found |= {f"sides.{side}.{name}": weight for name, weight in self._side(side).items()}
        return found

    def _side(self, side: str) -> dict[str, Weight]:
        hidden, hyper = self.options.projector_width, self.options.hyper_width
        # 1.4 ≈ √2 makes up for what the relu takes away; a trial trained well with it on both layers.
        found = {
            "projector_in": Weight((3 * self.width, hidden), Normal(1.4 * (3 * self.width) ** -0.5), "projectors"),
            "projector_out": Weight((hidden, hyper), Normal(1.4 * hidden**-0.5), "projectors"),
        }
        if self.sites[side, "prefix"]:
            # Of the two factors the relu takes one; what is left in I (1.4² / √2) is taken off here.
            unit, shape, group = (hyper * 1.92) ** -0.5, (hyper, self.size.key_inner), "prefix hypernetworks"
            found["key"] = Weight(shape, Normal(unit, of="key"), group)
            found["value"] = Weight(shape, Normal(unit, of="value"), group)
        if adapters := self.sites[side, "bottleneck"]:
            shape, group = (hyper, self.options.bottleneck * self.size.d_model), "adapter hypernetworks"
            found["down"] = Weight(shape, Normal((hyper * self.size.d_model) ** -0.5), group)
            # With no way up an adapter starts as a no-op.
            found["up"] = Weight(shape, Fill(0.0), group)
            found["scale"] = Weight((len(adapters),), Fill(1.0), "adapter scales")
        return found

    def buffers(self) -> dict[str, Weight]:
        """What standardises a grid: channel means are taken off, then it is divided by the overall deviation."""
        if "visual" not in self.sides:
            return {}
        return {
            "sources.visual.mean": Weight((self.inputs.width or 0,), Fill(0.0), ""),
            "sources.visual.deviation": Weight((), Fill(1.0), ""),
        }

    def indices(self) -> dict[str, Sequence[Any]]:
        """(2, Q): the rows of the sites of each side and form in the tables of layers and of blocks."""
        return {
            f"places.{side}.{form}": [[site.layer for site in at], [self.blocks[site.block] for site in at]]
            for (side, form), at in self.sites.items()
        }

    def make(self, tensors: Tensors, conditions: Conditions) -> dict[Site, list[Form]]:
        """The forms of every side at every site, the task's before the image's.

        Without a grid there is no visual side. The first layer is split, [z ; l ; b] W_1 = z W_z + l W_l + b W_b, so
        that the part of the image is computed once for all sites.
        """
        made: dict[Site, list[Form]] = {}
        for side in self.sides:
            if side == "visual" and conditions.grid is None:
                continue
            own = {name.removeprefix(f"sides.{side}."): tensor for name, tensor in tensors.items()}
            w_z, w_l, w_b = own["projector_in"].chunk(3)
            embedded = _task(tensors, conditions, w_z) if side == "task" else _visual(tensors, conditions, w_z)
            places = {form: tensors[f"places.{side}.{form}"] for form in self.forms}
            rows = _Rows(embedded, tensors["layer"] @ w_l, tensors["block"] @ w_b, places)
            present = conditions.pictured if side == "visual" else None
            found = _prefixes(self.sites[side, "prefix"], rows, own, present)
            found |= _adapters(self.sites[side, "bottleneck"], rows, own, present, self.size.d_model)
            for site, form in found.items():
                made.setdefault(site, []).append(form)
        return made


def used_rows(blocks: Iterable[str]) -> dict[str, int]:
    """The row that each block has in a table with the rows of just these blocks, in the order of BLOCK_ROWS."""
    wanted = set(blocks)
    if unknown := sorted(wanted - BLOCK_ROWS.keys()):
        raise UserError(f"maker hyper has no embedding for block {unknown[0]!r}{nearest(unknown[0], BLOCK_ROWS)}")
    return {block: row for row, block in enumerate(sorted(wanted, key=BLOCK_ROWS.__getitem__))}


def _task(tensors: Tensors, conditions: Conditions, w_z: Tensor) -> Tensor:
    """z_τ W_z: (R, N, m)."""
    z = tensors["sources.task.weight"][conditions.task.reshape(-1)]
    return z @ w_z


def _visual(tensors: Tensors, conditions: Conditions, w_z: Tensor) -> Tensor:
    """(G M) W_z as G (M W_z): (B, N, m). The embedding z_v = G M of width d_τ is never made."""
    assert conditions.grid is not None
    mean, deviation = tensors["sources.visual.mean"], tensors["sources.visual.deviation"]
    grid = (conditions.grid.to(mean.dtype) - mean) / deviation
    return grid @ (tensors["sources.visual.weight"] @ w_z)


class _Rows:
    """The three parts of the first layer's sum: (R, N, m), (L, N, m), (blocks, N, m)."""

    def __init__(self, embedded: Tensor, layer: Tensor, block: Tensor, places: dict[str, Tensor]) -> None:
        self.embedded, self.layer, self.block, self.places = embedded, layer, block, places

    def hidden(self, form: str) -> Tensor:
        """relu(z W_z + l_i W_l + b_j W_b) for the Q sites of a form: (Q, R, N, m)."""
        layers, blocks = self.places[form]
        return (self.embedded + (self.layer[layers] + self.block[blocks])[:, None]).relu()


def _prefixes(at: Sequence[Site], rows: _Rows, own: Tensors, present: Tensor | None) -> dict[Site, Form]:
    if not at:
        return {}
    latents = (rows.hidden("prefix") @ own["projector_out"]).unbind()
    return {site: Prefix(latent, own["key"], own["value"], present) for site, latent in zip(at, latents, strict=True)}


def _adapters(at: Sequence[Site], rows: _Rows, own: Tensors, present: Tensor | None, width: int) -> dict[Site, Form]:
    """The mean over N is taken before W_2, with which it commutes. Rows that are not present get weights of 0."""
    if not at:
        return {}
    mean = rows.hidden("bottleneck").mean(dim=2) @ own["projector_out"]
    if present is not None:
        mean = mean * present[:, None].to(mean.dtype)
    scales = own["scale"].unbind()
    if mean.requires_grad and 2 * mean[..., 0].numel() * own["down"].shape[1] > KEPT:
        made: Iterable[Form] = (
            LatentBottleneck(latent, own["down"], own["up"], scale)
            for latent, scale in zip(mean.unbind(), scales, strict=True)
        )
    else:
        # One product for all sites: a small one at each site would read the large matrices every time.
        down = (mean @ own["down"]).unflatten(-1, (-1, width)).unbind()
        up = (mean @ own["up"]).unflatten(-1, (width, -1)).unbind()
        made = map(Bottleneck, down, up, scales)
    return dict(zip(at, made, strict=True))
