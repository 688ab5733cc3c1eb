"""Which examples every step sees: a function of the seed and the step alone, so that a run can be resumed anywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


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
        drawn = range(before, before + self.batch)
        return [(int(self._order(number, index // size)[index % size]), index // size) for index in drawn]

    def _order(self, number: int, epoch: int) -> np.ndarray:
        known = self._orders.get(number)
        if known is None or known[0] != epoch:
            order = np.random.default_rng([self.seed, number, epoch]).permutation(self.sizes[number])
            known = self._orders[number] = (epoch, order)
        return known[1]
