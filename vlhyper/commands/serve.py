"""`vlhyper serve`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Encoder, Overrides, Weights


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    overrides: Overrides = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 7860 on.")] = None,
    max_mb: Annotated[int, typer.Option(min=1, help="Largest file that is taken, in MB.")] = 20,
    max_pixels: Annotated[int, typer.Option(min=1, help="Largest image that is taken, in millions of pixels.")] = 50,
    weights: Weights = None,
    encoder: Encoder = None,
) -> None:
    """Serve a page on this machine to ask a trained run: drop an image, ask, and see what the answer depended on.

    Example: vlhyper serve runs/first --port 7860

    The page needs pip install 'vlhyper[serve]'. It listens on 127.0.0.1 alone, loads nothing from elsewhere, answers
    one user after the other, and keeps pictures in a temporary folder that is gone when the program ends. Others reach
    it through a tunnel: ssh -L 7860:127.0.0.1:7860 THIS_MACHINE.
    """
    from vlhyper.ask.questions import page_tasks
    from vlhyper.run.config import load_run

    # Importing torch takes seconds: what the words above lack is said before.
    tasks = page_tasks(load_run(run, overrides or []), run)
    # Not imported yet: it reads the name of its temporary folder when it is.
    if find_spec("gradio") is None:
        raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
    from vlhyper.ask.asker import Asker
    from vlhyper.ask.page import serve

    asker = Asker(run, weights, encoder, overrides or [])
    asker.images.most_pixels = 1_000_000 * max_pixels
    serve(asker, tasks, port, 1_000_000 * max_mb)
