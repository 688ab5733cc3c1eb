"""Training examples of a task: what an index of the sampler means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vlhyper.errors import UserError
from vlhyper.tasks.task import Task, target

if TYPE_CHECKING:
    from datasets import Dataset


class Example(NamedTuple):
    """`id` and `image` as in the row; the text the model reads and the text it is to write."""

    id: str
    image: str
    prompt: str
    target: str


class Examples:
    """The rows a task can be trained on, one example a row or one a target (`Task.one_example_per_target`).

    Rows without targets are left out: there is nothing to learn from them. `len` is the size that temperature
    sampling counts.
    Raises UserError where the rows lack a text column of the prompt or no row has a target.
    """

    def __init__(self, task: Task, rows: Dataset, seed: int = 0) -> None:
        require_columns(task, rows.column_names)
        self.task, self.rows, self.seed = task, rows, seed
        counts = target_counts(rows)
        # examples of the rows up to and with row r: (rows,)
        self._ends = np.cumsum(counts if task.one_example_per_target else counts > 0)
        if not len(self):
            raise UserError(f"{task.name}: no row of this split has an answer, so nothing can be trained on it")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, chosen: Sequence[tuple[int, int]]) -> list[Example]:
        """The examples of (index, epoch), 0 ≤ index < len, each as it is in that epoch. Their rows are read at once."""
        positions = np.searchsorted(self._ends, [index for index, _ in chosen], side="right")
        columns = self.rows[positions.tolist()]
        rows = ({name: values[number] for name, values in columns.items()} for number in range(len(chosen)))
        # Counted from a row's last target back, a wording needs the running sums alone.
        ends = self._ends[positions].tolist()
        return [
            self._example(row, index - end, epoch) for row, end, (index, epoch) in zip(rows, ends, chosen, strict=True)
        ]

    def _example(self, row: Mapping[str, Any], wording_at: int, epoch: int) -> Example:
        drawn = not self.task.one_example_per_target
        wording = target(row, epoch, self.seed) if drawn else row["targets"][wording_at]
        return Example(row["id"], row["image"], self.task.prompt_of(row), wording)


def require_columns(task: Task, columns: Sequence[str] | Mapping[str, Any]) -> None:
    """Raises UserError where a data set lacks a text the task's prompt wants."""
    lacking = [name for name in task.columns if name not in columns]
    if lacking:
        raise UserError(
            f"task {task.name} reads {', '.join(task.columns)}, but its data has no {' and no '.join(lacking)} "
            f"(columns: {', '.join(columns)}); does the manifest belong to another task?"
        )


def target_counts(rows: Dataset) -> np.ndarray:
    """How many targets each row has: (rows,) int."""
    import pyarrow.compute as pc

    counts = rows.with_format("arrow").select_columns("targets")[:]["targets"]
    return pc.list_value_length(counts).to_numpy().astype(np.int64)
