"""The files of a backbone in a folder or the hub's local cache: which there are, and whether they hold all tensors.

No torch: only the headers of safetensors files are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from vlhyper.errors import UserError, first_few
from vlhyper.files import read_object
from vlhyper.model.families import CONFIG, FAMILIES
from vlhyper.model.sizes import Shape, Size
from vlhyper.tensors import header, require_floats
from vlhyper.wording import named

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def local_file(name: str, file: str) -> Path | None:
    """A file of a model, in its folder or in the hub's cache; None where it is in neither."""
    if Path(name).is_dir():
        path = Path(name, file)
        # What is there and no regular file is refused where it is read.
        return path if os.path.lexists(path) else None
    cached = try_to_load_from_cache(name, file)
    return Path(cached) if isinstance(cached, str) else None


def weight_files(name: str) -> list[str]:
    """The names of the files that the weights are in: one, or the several that an index names."""
    index = None if local_file(name, WEIGHTS) else local_file(name, INDEX)
    if index is None:
        return [WEIGHTS]
    listed = read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(file, str) for file in listed.values()):
        raise UserError(f"{index}: has no 'weight_map' from tensors to files; copy the index again")
    files = sorted(set(listed.values()))
    for file in files:
        # Not a path, which could lead anywhere, and no pickle.
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise UserError(f"{index}: {named(file)} is not the name of a safetensors file beside it; copy it again")
    return files


def require_memory(size: Size, name: str) -> None:
    """Raises UserError where this machine cannot hold the parameters in fp32."""
    needed, memory = 4 * size.parameters(), _memory()
    if memory is not None and needed > memory:
        raise UserError(
            f"{name}: {size.parameters():,} parameters need {needed / 1e9:,.0f} GB, this machine has "
            f"{memory / 1e9:,.0f} GB; choose smaller sizes"
        )


def _memory() -> int | None:
    """The bytes of this machine's memory; None on a system that does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


def lacking(name: str) -> list[str]:
    """The files of a model that are not here."""
    return [file for file in (CONFIG, *weight_files(name)) if not local_file(name, file)]


def faults(name: str, size: Size) -> Iterator[str]:
    """What is wrong with the weights that are here, one line each: damaged files, tensors missing, surplus or odd."""
    found: dict[str, Shape] = {}
    paths = [local_file(name, file) for file in weight_files(name)]
    for path in filter(None, paths):
        try:
            found |= _tensors(path)
        except UserError as error:
            yield str(error)
            return
    if all(paths):
        yield from (f"backbone {name!r}: {fault}" for fault in _differences(found, size))


def _tensors(path: Path) -> dict[str, Shape]:
    """Names and shapes of a safetensors file. Raises UserError for a damaged file or a tensor that is not float."""
    found = header(path, "the weights")
    require_floats(found, path)
    return {key: entry.shape for key, entry in found.items()}


def _differences(found: Mapping[str, Shape], size: Size) -> Iterator[str]:
    wanted, family = size.shapes(), FAMILIES[size.family]
    found = {parameter: found[name] for parameter, name in family.parameters_in(found, size).items()}
    if missing := sorted(wanted.keys() - found.keys()):
        yield f"{len(missing)} tensors are missing ({first_few(missing)}); copy the whole model again"
    if surplus := sorted(found.keys() - wanted.keys()):
        told = f"{len(surplus)} tensors are not of this {family.title} ({first_few(surplus)})"
        yield f"{told}; is config.json another model's?"
    odd = [f"{key} is {found[key]}, not {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape]
    if odd:
        yield f"{len(odd)} tensors have another shape than config.json says ({first_few(odd)}); copy the model again"
