"""`vlhyper freeze`."""

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import complete_task


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    task: Annotated[str, typer.Option(help="Task of the run to freeze the weights for.", autocompletion=complete_task)],
    out: Annotated[Path, typer.Option(help="File to write; with --peft a folder.")],
    image: Annotated[str | None, typer.Option(help="Id of an image of the run's features, frozen in as well.")] = None,
    peft: Annotated[bool, typer.Option("--peft", help="Write a LoRA run as a folder that PEFT loads.")] = False,
) -> None:
    """Freeze a trained method for one task into static weights: no hypernetwork at inference, the same answers.

    Example: vlhyper freeze runs/glue/hyperpelt --task rte --out rte.safetensors

    From Python: vlhyper.Frozen.load("rte.safetensors").on(t5).generate(input_ids, attention_mask).
    """
    import torch

    from vlhyper.console import say
    from vlhyper.errors import UserError
    from vlhyper.model.frozen import Frozen
    from vlhyper.model.model import VLHyperPELT
    from vlhyper.run.batches import relative_boxes
    from vlhyper.run.config import load_run
    from vlhyper.run.rows import find_features
    from vlhyper.run.tasks import resolve

    model = VLHyperPELT.from_pretrained(run)
    grid = boxes = None
    if image is not None:
        features = find_features(resolve(load_run(run)))
        if features is None:
            raise UserError(f"{run}: this run sees no images; leave --image out")
        grid = torch.from_numpy(features.read([image]))[0]
        if features.has("boxes"):
            boxes = torch.from_numpy(relative_boxes(features, [image]))[0]
    frozen = Frozen.of(model, task, grid, boxes, image or "")
    if peft:
        name = model.spec.backbone
        frozen.save_peft(out, model.t5, name if isinstance(name, str) else None)
    else:
        frozen.save(out)
    say(f"{out}: {frozen.numbers():,} numbers for task {task}{f' and image {image}' if image else ''}")
