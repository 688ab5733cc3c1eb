"""The command `vlhyper extract`, and the program `python -m feature_extraction`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from vlhyper.errors import UserError
from vlhyper.program import HELP_OPTIONS, run_program

Precision = Literal["bf16", "fp16", "fp32"]
Store = Literal["float16", "float32"]


def extract(
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders (searched with their subfolders).")],
    out: Annotated[Path, typer.Option(help="Feature file to write, to complete or to add to.")],
    encoder: Annotated[
        str, typer.Option(help="Name of an open_clip model (RN50 … ViT, ConvNeXt, SigLIP), or a .json model config.")
    ] = "RN101",
    weights: Annotated[
        str | None,
        typer.Option(help="A safetensors or state dict FILE; or `openai`, or another tag of open_clip, to download."),
    ] = None,
    list_: Annotated[
        Path | None, typer.Option("--list", help="Extract only the images listed in this file, one id per line.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Number format of the computation.")] = "fp32",
    store: Annotated[Store, typer.Option(help="Number format of the file.")] = "float16",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step; default 32, on a GPU 128.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Decoding processes; default one per core, minus one.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=0, help="Skip images of more pixels; default 179 million, 0 for no limit.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 if an image could not be read.")] = False,
    trust_weights: Annotated[
        bool, typer.Option("--trust-weights", help="Run a TorchScript archive that was not published by OpenAI.")
    ] = False,
) -> None:
    """Extract image features with a frozen encoder (RN101: 49 x 2048 per image).

    Example: vlhyper extract coco/val2014 --out coco.h5 --weights openai

    The id of an image is its file name without the suffix. Images that cannot be read are skipped and listed in
    FEATURES.skipped.jsonl (delete the list to try them again). Run the same command again to continue an interrupted
    extraction. Under torchrun or accelerate launch each process writes a shard, and FEATURES.h5 refers to the shards
    (`vlhyper merge` copies them into one file).
    """
    if weights is None:
        raise UserError(
            f"--weights is missing: give --weights FILE (safetensors or a state dict of {encoder}), "
            "or --weights openai to download the published weights"
        )
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; name the feature file to write, such as {out / 'features.h5'}")
    from feature_extraction.encoder import load_encoder
    from feature_extraction.images import MOST_PIXELS
    from feature_extraction.listing import find_images
    from feature_extraction.machine import default_batch_size, default_workers
    from feature_extraction.ranks import extract_share

    found = find_images(images, list_)
    loaded = load_encoder(encoder, weights, precision, trust_weights)
    images_a_step = batch_size or default_batch_size(loaded.device)
    decoders = default_workers() if workers is None else workers
    most_pixels = MOST_PIXELS if max_pixels is None else max_pixels
    skipped = extract_share(loaded, found, out, store, images_a_step, decoders, most_pixels)
    if skipped and strict:
        raise typer.Exit(1)


def main() -> None:
    """`python -m feature_extraction`: this command alone."""

    def build() -> typer.Typer:
        app = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=HELP_OPTIONS
        )
        app.command()(extract)
        return app

    run_program("feature_extraction", build, sys.argv[1:])
