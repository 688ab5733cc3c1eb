"""Run folders of earlier releases: their names of tensors made those of today."""

from __future__ import annotations

from torch import Tensor

from vlhyper.model.makers.hyper import BLOCK_ROWS, used_rows
from vlhyper.model.methods import method

OLD, NEW = "maker.", "makers.hyper."


def upgraded(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of a run of method `name`, or of its optimiser's moments, under today's names.

    Until 0.1 every method had one maker, and its table of block embeddings had a row for every block, used or not.
    """
    if not any(key.startswith(OLD) for key in state):
        return state
    blocks = used_rows(block for part in method(name).parts for block in part.blocks if part.maker == "hyper")
    rows = [BLOCK_ROWS[block] for block in blocks]
    found = {}
    for key, value in state.items():
        old = key.startswith(OLD)
        if old and key.split(".")[1] == "block" and value.ndim == 3:
            value = value[rows]
        found[key.replace(OLD, NEW, 1) if old else key] = value
    return found
