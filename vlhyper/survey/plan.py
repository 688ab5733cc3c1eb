"""A survey of a folder: what is found in it, what a run on it needs, and what is left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from vlhyper.errors import UserError, first_few
from vlhyper.survey.contents import Contents, look
from vlhyper.survey.features import Grid, grids_of
from vlhyper.survey.kinds import Piece, piece_of
from vlhyper.survey.sets import DataSet, data_sets
from vlhyper.survey.texts import TextSet, text_sets
from vlhyper.tasks import TASKS


@dataclass(frozen=True)
class Plan:
    """What a config is made of.

    grid: features that are there; None where `extract` is to make them. folders: those of the pictures that it needs.
    """

    contents: Contents
    sets: list[DataSet]
    texts: list[TextSet]
    grid: Grid | None
    folders: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


def survey(folder: Path, beside: Path) -> Plan:
    """Look through a folder. Raises UserError where there is nothing in it to learn from.

    beside: a feature file outside the folder, which an earlier `extract` may have made.
    """
    contents = look(folder)
    left_out: dict[Path, str] = {}
    texts = _texts(contents, left_out)
    grids, others = grids_of(list(dict.fromkeys([*contents.hdf5, *([beside] if beside.is_file() else [])])))
    left_out |= others
    stems = set(contents.stems_below(folder))
    pieces = _pieces(contents, stems, [one.root for one in texts], left_out)
    sets, grid = _with_most_images(pieces, stems, grids, left_out)
    for other in grids:
        if other is not grid:
            left_out |= dict.fromkeys(other.paths, f"{len(other.ids)} images' features, of fewer of the images")
    if not sets and not texts:
        raise UserError(_nothing(contents, left_out))
    folders = _folders(contents, {key for one in sets for key in one.found.values()}) if grid is None else []
    sets.sort(key=lambda one: list(TASKS).index(one.home.task))
    return Plan(contents, sets, texts, grid, folders, dict(sorted(left_out.items())))


def _texts(contents: Contents, left_out: dict[Path, str]) -> list[TextSet]:
    found: dict[str, TextSet] = {}
    for one in text_sets(contents.folders):
        if isinstance(one, tuple):
            left_out[one[0]] = one[1]
        elif one.task in found:
            left_out[one.root] = f"is {one.task}, as {contents.short(found[one.task].root)} is"
        else:
            found[one.task] = one
    return list(found.values())


def _pieces(contents: Contents, stems: set[str], taken: list[Path], left_out: dict[Path, str]) -> list[Piece]:
    """The annotation files outside the folders that are taken or left out as a whole."""
    whole = [*taken, *left_out]
    found: list[Piece] = []
    for path in contents.readable:
        if any(path.is_relative_to(folder) for folder in whole):
            continue
        piece = piece_of(path, stems)
        if isinstance(piece, str):
            left_out[path] = piece
        else:
            found.append(piece)
    return _chunks_joined(found)


def _chunks_joined(pieces: list[Piece]) -> list[Piece]:
    """GQA's train_all_questions is a folder of train_all_questions_0.json and so on, which is read as one."""
    folders = [piece.path.parent for piece in pieces if piece.format == "gqa"]
    chunked = {folder for folder in folders if folders.count(folder) > 1 and _is_chunk(folder, pieces)}
    return list(
        dict.fromkeys(
            piece._replace(path=piece.path.parent) if piece.path.parent in chunked else piece for piece in pieces
        )
    )


def _is_chunk(folder: Path, pieces: list[Piece]) -> bool:
    names = [piece.path.stem for piece in pieces if piece.path.parent == folder]
    return all(name.rpartition("_")[0] == folder.name and name.rpartition("_")[2].isdigit() for name in names)


def _with_most_images(
    pieces: list[Piece], stems: set[str], grids: list[Grid], left_out: dict[Path, str]
) -> tuple[list[DataSet], Grid | None]:
    """The data sets with the images of the features that find most of them, or with the pictures where these do."""
    best: tuple[list[DataSet], dict[Path, str], Grid | None] | None = None
    known: list[tuple[Collection[str], Grid | None]] = [(grid.ids, grid) for grid in grids]
    for ids, grid in [*known, (stems, None)] if stems or not known else known:
        sets, out = data_sets(pieces, ids)
        if best is None or sum(one.size for one in sets) > sum(one.size for one in best[0]):
            best = sets, out, grid
    assert best is not None
    left_out |= best[1]
    return best[0], best[2] if best[0] else None


def _folders(contents: Contents, wanted: set[str]) -> list[Path]:
    """The folders of pictures in which a wanted one lies; of several the one above them, where it has no others."""
    found = {folder for folder, stems in contents.pictures.items() if not wanted.isdisjoint(stems)}
    for folder in contents.folders:
        below = {one for one in contents.pictures if one.is_relative_to(folder)}
        if len(below) > 2 and below <= found:
            found = found - below | {folder}
    return sorted(folder for folder in found if found.isdisjoint(folder.parents))


def _nothing(contents: Contents, left_out: dict[Path, str]) -> str:
    pictures = sum(map(len, contents.pictures.values()))
    held = [f"{pictures} images" if pictures else "", f"{len(left_out)} other files" if left_out else ""]
    reasons = first_few(f"{contents.short(path)}: {why}" for path, why in left_out.items())
    return (
        f"{contents.root}: nothing to learn from among {' and '.join(filter(None, held)) or 'its files'}"
        f"{f' ({reasons})' if reasons else ''}; put annotations beside the images, such as a table with the columns "
        "image, question and answer, or image and caption"
    )
