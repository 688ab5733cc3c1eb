"""`vlhyper init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of your images and annotations, in any subfolders.")],
    out: Annotated[Path, typer.Option(help="Config to write; a file that is there is not replaced.")] = Path(
        "my_run.yaml"
    ),
) -> None:
    """Look at a folder of images and annotations and write the config of a run on it.

    Example: vlhyper init coco --out my_run.yaml

    Known by their content are VQA v2 and OK-VQA, questions and answers in one file (JSON, csv, tsv), VL-T5's lists,
    GQA, Visual Genome, COCO's captions, Karpathy's file, captions in plain forms (Flickr8k, Flickr30k), SNLI-VE and
    feature files; by their folders and names GLUE, CB, BoolQ, PAWS and IMDB. What is left out is told with the reason,
    and the commands that come next are shown. Where one file holds everything, a tenth of it is held out to validate.
    """
    from vlhyper.errors import UserError, first_few
    from vlhyper.files import write_text
    from vlhyper.survey.config import FEATURES, about, commands, keyed, text_of
    from vlhyper.survey.kinds import UNKNOWN
    from vlhyper.survey.plan import survey

    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: is there already; name another file with --out, or move it away")
    plan = survey(folder, out.with_name(FEATURES))
    write_text(out, text_of(plan, out))
    short = plan.contents.short
    typer.echo(f"found in {folder}:")
    for key, one in keyed(plan):
        typer.echo(f"  {key}: {', '.join(map(short, one.paths))}")
        typer.echo(f"    {about(one)}")
    known = {path: why for path, why in plan.left_out.items() if why != UNKNOWN}
    unknown = [short(path) for path in plan.left_out if path not in known]
    if plan.left_out:
        typer.echo("left out:")
    for path, why in known.items():
        typer.echo(f"  {short(path)}: {why}")
    if unknown:
        typer.echo(f"  {UNKNOWN}: {first_few(unknown, 4)}")
    typer.echo(f"wrote {out}; next:")
    for line in commands(plan, out):
        typer.echo(f"  {line}")
