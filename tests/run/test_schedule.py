"""Which examples every step sees."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from vlhyper.run.schedule import Schedule, TrainingBatches, shares, upcoming
from vlhyper.tasks import Example

SIZES = {"large": 1000, "small": 40, "tiny": 3}


def schedule(steps: int = 200, batch: int = 8, temperature: float = 2, seed: int = 0) -> Schedule:
    return Schedule(SIZES, steps, batch, temperature, seed)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1, [0.9, 0.1]), (2, [0.75, 0.25]), (1e9, [0.5, 0.5])],
)
def test_shares_follow_the_root_of_the_sizes(temperature, expected):
    # 900^(1/2) : 100^(1/2) = 3 : 1
    assert list(shares({"a": 900, "b": 100}, temperature).values()) == pytest.approx(expected)


def test_steps_are_drawn_by_these_shares():
    counts = Counter(schedule(steps=20_000).tasks.tolist())
    for number, share in enumerate(shares(SIZES, 2).values()):
        # Four deviations of a binomial count.
        assert abs(counts[number] - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("task", ["small", "tiny"])
def test_every_epoch_of_a_task_is_a_new_permutation_of_it(task):
    made, size = schedule(), SIZES[task]
    seen = [place for step in range(200) if made.task(step) == task for place in made.examples(step)]
    epochs = [seen[start : start + size] for start in range(0, len(seen) - size + 1, size)]
    assert len(epochs) > 3
    for number, epoch in enumerate(epochs):
        assert sorted(epoch) == [(index, number) for index in range(size)]
    assert len({tuple(index for index, _ in epoch) for epoch in epochs}) > 1


def test_a_step_is_a_function_of_seed_and_number_alone():
    forwards, backwards = schedule(), schedule()
    assert [backwards.examples(step) for step in reversed(range(200))][::-1] == list(map(forwards.examples, range(200)))
    assert list(map(schedule(seed=1).examples, range(200))) != list(map(forwards.examples, range(200)))


def test_a_longer_run_begins_as_the_shorter_one():
    assert schedule(steps=300).tasks[:200].tolist() == schedule(steps=200).tasks.tolist()


@dataclass
class Told:
    """Stands for rows, examples and collator; a batch is what it was asked for."""

    name: str = ""
    asked: list = field(default_factory=list)

    def example(self, index: int, epoch: int) -> Example:
        return Example(f"{index}:{epoch}", self.name, "", f"{index}:{epoch}")

    def inputs(self, rows, prompts, images):
        return {"task": rows.name}

    def labels(self, targets):
        return targets


def batches(rank: int = 0, world: int = 1, accumulation: int = 1) -> TrainingBatches:
    named = {name: Told(name) for name in SIZES}
    return TrainingBatches(schedule(steps=30), named, named, Told(), accumulation, rank, world)


@pytest.mark.parametrize(("world", "accumulation"), [(1, 2), (2, 1), (2, 2), (4, 2)])
def test_shares_of_ranks_and_micro_batches_are_together_the_batch(world, accumulation):
    whole = batches()
    parts = [batches(rank, world, accumulation) for rank in range(world)]
    assert all(len(part) == 30 * accumulation for part in parts)
    for step in range(30):
        micro = [part[step * accumulation + number] for number in range(accumulation) for part in parts]
        assert {one["task"] for one in micro} == {whole[step]["task"]}
        assert len({len(one["labels"]) for one in micro}) == 1
        assert [target for one in micro for target in one["labels"]] == whole[step]["labels"]


@pytest.mark.parametrize("accumulation", [1, 2])
def test_batches_go_on_from_any_step(accumulation):
    made = batches(accumulation=accumulation)
    for first in (0, 7, 30):
        assert list(upcoming(made, first, 0)) == [made[place] for place in range(first * accumulation, len(made))]
