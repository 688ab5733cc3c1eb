"""Which examples every step sees: a function of the seed and the step alone, so that a run can be resumed anywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vlhyper.run.batches import Collator, TaskRows
from vlhyper.tasks import Examples


def shares(examples: Mapping[str, int], temperature: float) -> dict[str, float]:
    """Probability of each task under temperature sampling: p_τ ∝ N_τ^(1/T) (paper section 4.1)."""
    weights = {name: count ** (1 / temperature) for name, count in examples.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


class Schedule:
    """The task of every step, and the examples of every batch.

    A task is gone through in a fresh random order each epoch of its own; a batch may reach into the next epoch.
    """

    def __init__(self, examples: Mapping[str, int], steps: int, batch: int, temperature: float, seed: int) -> None:
        """
        Args:
            examples: number of training examples of each task.
            batch: examples a step.
        """
        self.names, self.sizes = list(examples), list(examples.values())
        self.batch, self.seed = batch, seed
        probabilities = list(shares(examples, temperature).values())
        self.tasks = np.random.default_rng(seed).choice(len(self.names), size=steps, p=probabilities)
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def task(self, step: int) -> str:
        return self.names[self.tasks[step]]

    def examples(self, step: int) -> list[tuple[int, int]]:
        """(index, epoch) of each example of a step."""
        number = self.tasks[step]
        before = int((self.tasks[:step] == number).sum()) * self.batch
        size = self.sizes[number]
        places = range(before, before + self.batch)
        return [(int(self._order(number, place // size)[place % size]), place // size) for place in places]

    def _order(self, number: int, epoch: int) -> np.ndarray:
        known = self._orders.get(number)
        if known is None or known[0] != epoch:
            order = np.random.default_rng([self.seed, number, epoch]).permutation(self.sizes[number])
            known = self._orders[number] = (epoch, order)
        return known[1]


class TrainingBatches(Dataset[dict[str, Tensor]]):
    """Item k is micro-batch k of this process: step k // accumulation, its share of that step's examples.

    Every process has the same task at the same time, so that all of them run the same computation.
    """

    def __init__(
        self,
        schedule: Schedule,
        rows: Mapping[str, TaskRows],
        examples: Mapping[str, Examples],
        collator: Collator,
        accumulation: int,
        rank: int,
        world: int,
    ) -> None:
        self.schedule, self.rows, self.examples, self.collator = schedule, rows, examples, collator
        self.accumulation, self.rank, self.world = accumulation, rank, world

    def __len__(self) -> int:
        return len(self.schedule.tasks) * self.accumulation

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        step, micro = divmod(index, self.accumulation)
        name = self.schedule.task(step)
        share = self.schedule.batch // (self.accumulation * self.world)
        first = (micro * self.world + self.rank) * share
        chosen = self.schedule.examples(step)[first : first + share]
        found = [self.examples[name].example(*place) for place in chosen]
        batch = self.collator.inputs(self.rows[name], [one.prompt for one in found], [one.image for one in found])
        batch["labels"] = self.collator.labels([one.target for one in found])
        return batch


def upcoming(batches: TrainingBatches, first_step: int, workers: int) -> torch.utils.data.DataLoader:
    """The micro-batches from a step on, in order; `workers` processes prepare them ahead."""
    order = range(first_step * batches.accumulation, len(batches))
    return torch.utils.data.DataLoader(batches, batch_size=None, sampler=order, num_workers=workers)
