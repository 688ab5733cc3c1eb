"""`vlhyper configs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlhyper.commands._options import complete_shipped

command = typer.Typer(invoke_without_command=True)


@command.callback()
def configs(context: typer.Context) -> None:
    """List the configs and data-set manifests that come with vlhyper, or copy one.

    Example: vlhyper configs

    `check`, `params`, `train` and `fewshot` take a config by its name too: vlhyper check vl_hyperpelt. Its features
    and, unless VLHYPER_DATA names their folder, its data sets are looked for in the current directory, as if a copy of
    it lay there. In a config of yours a task may name a manifest (data: vqa_v2).
    """
    if context.invoked_subcommand is not None:
        return
    from vlhyper.shipped import shipped
    from vlhyper.show.tables import print_list

    typer.echo("Configs:")
    print_list((file.name, file.about) for file in shipped("configs"))
    typer.echo("\nManifests of data sets:")
    print_list((file.name, file.about) for file in shipped("data"))
    typer.echo("\nTo change one, copy it: vlhyper configs copy NAME")


@command.command("copy")
def copy(
    name: Annotated[
        str, typer.Argument(help="Name of a config or manifest, as listed.", autocompletion=complete_shipped)
    ],
    to: Annotated[Path, typer.Option(help="Folder to copy to.")] = Path(),
) -> None:
    """Copy a config with all manifests that it names, so that it works from there.

    Example: vlhyper configs copy vl_hyperpelt --to my_project

    Configs are written to TO/configs, manifests to TO/data, so that the commands in the first lines of a config work in
    TO as they are written there. A file that is there already and differs is never replaced.
    """
    from vlhyper.shipped import copy_shipped

    written, same = copy_shipped(name, to)
    for path in written:
        typer.echo(f"wrote {path}")
    for path in same:
        typer.echo(f"is there already: {path}")
