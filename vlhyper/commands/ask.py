"""`vlhyper ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Encoder, Map, Overrides, Weights


def command(
    run: Annotated[Path, typer.Argument(help="Run folder written by `vlhyper train`.")],
    image: Annotated[
        str, typer.Argument(help="An image, a folder of them, an id of the run's features; or `none` for text alone.")
    ],
    question: Annotated[
        str,
        typer.Argument(help="A question; or a .txt file with one a line, a .jsonl file with the texts of a prompt."),
    ],
    overrides: Overrides = None,
    task: Annotated[
        str | None, typer.Option(help="Task of the run; the first that takes a question if left out.")
    ] = None,
    others: Annotated[int, typer.Option(min=0, max=50, help="How many runners-up to show.")] = 4,
    weights: Weights = None,
    encoder: Encoder = None,
    map_to: Map = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")] = False,
) -> None:
    """Ask a trained run about an image: the answer, its probability, and the answer without the image.

    Example: vlhyper ask runs/first photo.jpg "What is the man riding?"

    The image is seen through the encoder that made the run's features; --weights says where its weights are now.
    A probability is that of exactly this answer; of a task with labels, its share among the labels. The answer without
    the image is that of the same model with its visual side switched off: where it is the same, the image did not
    matter.

    --json prints {"answer", "probability", "others": [{"answer", "probability"}], "without_image": {"answer",
    "probability"}}; for several images or questions a list of such objects, each with its image and question. Images of
    a folder that cannot be read are skipped, one line each on standard error.
    """
    from vlhyper.ask.questions import choose_task, read_questions
    from vlhyper.commands._asking import answered
    from vlhyper.run.config import load_run

    # Importing torch takes seconds: what the words above lack is said before.
    config = load_run(run, overrides or [])
    chosen, questions = choose_task(config, run, task), read_questions(question)
    answered(run, config, chosen, image, questions, overrides or [], weights, encoder, others, as_json, map_to)
