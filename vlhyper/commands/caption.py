"""`vlhyper caption`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Encoder, Map, Overrides, Weights


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    image: Annotated[str, typer.Argument(help="An image, a folder of them, or an id of the run's features.")],
    overrides: Overrides = None,
    task: Annotated[
        str | None, typer.Option(help="Task of the run; the first that writes captions if left out.")
    ] = None,
    others: Annotated[int, typer.Option(min=0, max=50, help="How many other captions to show.")] = 0,
    weights: Weights = None,
    encoder: Encoder = None,
    map_to: Map = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
) -> None:
    """Describe an image with a trained run: the caption, its probability, and the caption without the image.

    Example: vlhyper caption runs/first photo.jpg

    Everything is as in `vlhyper ask`, also the keys of --json. The probability is that of exactly this sentence, which
    is small for long ones.
    """
    from vlhyper.ask.questions import caption_task
    from vlhyper.commands._asking import answered
    from vlhyper.run.config import load_run

    config = load_run(run, overrides or [])
    answered(
        run,
        config,
        caption_task(config, run, task),
        image,
        [""],
        overrides or [],
        weights,
        encoder,
        others,
        as_json,
        map_to,
    )
