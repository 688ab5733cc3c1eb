"""What a model is, as a user writes it down and as a run folder keeps it; parameter counts follow from it. No torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vlhyper.errors import UserError
from vlhyper.model.methods import method
from vlhyper.model.shapes import shape_of
from vlhyper.model.sizes import HyperSizes


class ModelSpec(BaseModel):
    """A method on a backbone. Defaults are the paper's values for V&L (design.md section 4)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field("vl_hyperpelt", description="row of the table of methods")
    backbone: str | dict[str, Any] = Field(
        "google-t5/t5-base", description="hub id, local folder, or T5Config fields for random weights"
    )
    tokenizer: str | None = Field(None, description="hub id or local folder; the backbone's own where left out")
    embedding_width: int | None = Field(None, gt=0, description="d_τ; the backbone's width where left out")
    projector_width: int = Field(128, gt=0, description="m")
    hyper_width: int = Field(64, gt=0, description="d_I")
    bottleneck: int = Field(64, gt=0, description="r")
    prefix_length: int = Field(49, gt=0, description="N of a method without images; with images N is their cell count")


class Inputs(BaseModel):
    """What a model was made for: its tasks in the order of their embeddings, and the shape of its image features."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[str, ...] = Field(min_length=1)
    tokens: int | None = None  # cells of the image grid, None without images
    width: int | None = None  # channels of the image grid


def sizes(spec: ModelSpec, inputs: Inputs) -> HyperSizes:
    """The numbers the maker is built from. Raises UserError for a method on images without their sizes."""
    row, shape = method(spec.method), shape_of(spec.backbone)
    if row.visual and not (inputs.tokens and inputs.width):
        raise UserError(f"method {spec.method!r} makes weights from images; say how many cells and channels they have")
    return HyperSizes(
        shape=shape,
        sides=row.sides,
        blocks=row.blocks,
        tasks=len(inputs.tasks),
        length=(inputs.tokens or spec.prefix_length) if row.visual else spec.prefix_length,
        channels=(inputs.width or 0) if row.visual else 0,
        embedding_width=spec.embedding_width or shape.d_model,
        projector_width=spec.projector_width,
        hyper_width=spec.hyper_width,
        bottleneck=spec.bottleneck,
    )


class Counts(BaseModel):
    """Parameter counts of a run; shares in percent."""

    method: str
    backbone: str
    trained: int
    frozen: int
    total: int
    share: float
    share_per_task: float
    parts: dict[str, int]


def count(spec: ModelSpec, inputs: Inputs) -> Counts:
    """Trained and frozen parameters, computed before anything is built and without the hub.

    The image encoder is frozen and counted nowhere, as in the paper's table 2.
    """
    row, shape = method(spec.method), shape_of(spec.backbone)
    parts = sizes(spec, inputs).parameters()
    norms = shape.norm_vectors * shape.d_model if row.layer_norms else 0
    if norms:
        parts["layer norms"] = norms
    trained, frozen = sum(parts.values()), shape.parameters() - norms
    share = 100 * trained / (trained + frozen)
    return Counts(
        method=spec.method,
        backbone=spec.backbone if isinstance(spec.backbone, str) else "T5 from a config",
        trained=trained,
        frozen=frozen,
        total=trained + frozen,
        share=share,
        share_per_task=share / len(inputs.tasks),
        parts=parts,
    )
