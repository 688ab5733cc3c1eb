"""`vlhyper fewshot`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import Overrides, complete_method, complete_task


class Tune(str, Enum):
    all = "all"
    task_embedding = "task-embedding"


def command(
    run: Annotated[Path, typer.Argument(help="Run folder to start from, or a config: its method begins untrained.")],
    task: Annotated[
        str,
        typer.Option(
            help="The new task: cb, boolq, imdb, paws, okvqa, snli-ve or any other.", autocompletion=complete_task
        ),
    ],
    overrides: Overrides = None,
    shots: Annotated[str, typer.Option(help="Numbers of training examples; 0 is always among them.")] = "4,16,32",
    seeds: Annotated[int, typer.Option(min=1, help="How many times examples are drawn, for mean ± deviation.")] = 5,
    tune: Annotated[Tune | None, typer.Option(help="What is trained: all of the method, or the new task's z.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Another method on the backbone of RUN, untrained, such as prompt_tuning.",
            autocompletion=complete_method,
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Manifest of the task; TASK.yaml beside the manifests of RUN if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for all results; RUN/fewshot if left out.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the trained weights of every cell.")] = False,
) -> None:
    """Tune a trained run on a few examples of a new task: scores as mean ± deviation over seeds.

    Example: vlhyper fewshot runs/first --task okvqa --shots 4,16,32 --seeds 5

    The same seed draws the same examples for every method. What is finished is not run again. Results of one --out
    come in one table and one figure, OUT/fewshot.png and .svg; vlhyper fewshot-plot joins several folders.

    Prompt-tuning with as many numbers beside it: vlhyper fewshot runs/first --method prompt_tuning --task okvqa
    """
    from vlhyper.fewshot.study import plan

    numbers = _numbers(shots)
    study = plan(run, task, data, method, tune and tune.value, overrides or [])
    if out is None and not run.is_dir():
        raise typer.BadParameter("a config needs --out, a folder for the results")
    # Importing torch takes seconds: what is wrong with the words above is said before.
    from vlhyper.fewshot.transfer import transfer
    from vlhyper.fewshot.view import show
    from vlhyper.run.memory import keep_freed_memory

    keep_freed_memory()
    target = out or run / "fewshot"
    transfer(study, target, numbers, seeds, keep)
    show([target], target / "fewshot")


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [-1]
    if min(found) < 0:
        raise typer.BadParameter(f"--shots is {text!r}; write numbers of examples with commas: 4,16,32")
    return found
