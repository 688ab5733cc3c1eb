"""Which examples every step sees."""

from collections import Counter

import pytest

from vlhyper.run.schedule import Schedule, shares

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
    seen = [pair for step in range(200) if made.task(step) == task for pair in made.examples(step)]
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
