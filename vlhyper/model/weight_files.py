"""The files of a backbone in a folder or the hub's local cache: which there are, and whether they hold all tensors.

No torch: only the headers of safetensors files are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open

from vlhyper.errors import UserError, first_few
from vlhyper.files import read_json
from vlhyper.model.families import FAMILIES
from vlhyper.model.sizes import Shape, Size

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
FLOATS = ("F64", "F32", "F16", "BF16")


def local_file(name: str, file: str) -> Path | None:
    """A file of a model, in its folder or in the hub's cache; None where it is in neither."""
    if Path(name).is_dir():
        path = Path(name, file)
        return path if path.is_file() else None
    cached = try_to_load_from_cache(name, file)
    return Path(cached) if isinstance(cached, str) else None


def weight_files(name: str) -> list[str]:
    """The names of the files that the weights are in: one, or the several that an index names."""
    index = None if local_file(name, WEIGHTS) else local_file(name, INDEX)
    if index is None:
        return [WEIGHTS]
    content = read_json(index)
    listed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(listed, dict) or not listed or not all(isinstance(file, str) for file in listed.values()):
        raise UserError(f"{index}: has no 'weight_map' from tensors to files; copy the index again")
    return sorted(set(listed.values()))


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
    found = {}
    try:
        with safe_open(path, "np") as file:
            for key in file.keys():  # noqa: SIM118
                part = file.get_slice(key)
                if part.get_dtype() not in FLOATS:
                    raise UserError(f"{path}: {key} has the type {part.get_dtype()}; weights must be floats")
                found[key] = tuple(part.get_shape())
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged or incomplete safetensors file ({error}); copy it again") from None
    return found


def _differences(found: Mapping[str, Shape], size: Size) -> Iterator[str]:
    wanted, family = size.shapes(), FAMILIES[size.family]
    found = {family.renamed(key): shape for key, shape in found.items()}
    for name, aliases in family.aliases(size).items():
        tied = {key: found.pop(key) for key in (name, *aliases) if key in found}
        if tied:
            found[name] = next(iter(tied.values()))
    found = {key: shape for key, shape in found.items() if not any(fnmatchcase(key, part) for part in family.unused)}
    if missing := sorted(wanted.keys() - found.keys()):
        yield f"{len(missing)} tensors are missing ({first_few(missing)}); copy the whole model again"
    if surplus := sorted(found.keys() - wanted.keys()):
        told = f"{len(surplus)} tensors are not of this {family.title} ({first_few(surplus)})"
        yield f"{told}; is config.json another model's?"
    odd = [f"{key} is {found[key]}, not {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape]
    if odd:
        yield f"{len(odd)} tensors have another shape than config.json says ({first_few(odd)}); copy the model again"
