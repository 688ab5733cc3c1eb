import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.readers.splits import drawn, karpathy_names, part_of

ids_lists = st.lists(st.text(max_size=8), min_size=2, max_size=60, unique=True)


@given(ids_lists, st.integers(0, 5))
def test_the_halves_are_disjoint_and_whole(ids, seed):
    first, second = part_of(ids, "first-half", seed), part_of(ids, "second-half", seed)
    assert sorted(first + second) == list(range(len(ids)))
    assert (len(first), len(second)) == (len(ids) // 2, (len(ids) + 1) // 2)
    assert first == sorted(first)


@given(ids_lists, st.randoms())
def test_the_order_of_the_file_changes_nothing(ids, random):
    shuffled = random.sample(ids, len(ids))
    chosen = {ids[index] for index in part_of(ids, "first-half")}
    assert chosen == {shuffled[index] for index in part_of(shuffled, "first-half")}


@given(ids_lists, st.randoms(), st.integers(0, 5))
def test_shots_depend_on_ids_and_seed_alone_and_fewer_are_a_part_of_more(ids, random, seed):
    shuffled = random.sample(ids, len(ids))
    fewer = set()
    for shots in range(len(ids) + 1):
        chosen = {ids[index] for index in drawn(ids, shots, seed)}
        assert len(chosen) == shots and fewer <= chosen
        assert chosen == {shuffled[index] for index in drawn(shuffled, shots, seed)}
        fewer = chosen


def test_every_row_is_drawn_as_often_as_another():
    ids, counts = [f"q{number}" for number in range(20)], [0] * 20
    for seed in range(500):
        for index in drawn(ids, 4, seed):
            counts[index] += 1
    # 100 expected, deviation 9.
    assert min(counts) > 64 and max(counts) < 136


@pytest.mark.parametrize(("examples", "held_out"), [(67_349, 1000), (1001, 1000), (50, 7)])
def test_held_out_rows(examples, held_out):
    ids = [str(number) for number in range(examples)]
    held = part_of(ids, "held-out", held_out=held_out)
    rest = part_of(ids, "all-but-held-out", held_out=held_out)
    assert len(held) == held_out
    assert sorted(held + rest) == list(range(examples))


def test_another_seed_is_another_half():
    ids = [str(number) for number in range(100)]
    assert part_of(ids, "first-half", seed=0) != part_of(ids, "first-half", seed=1)


def test_the_halves_stay_what_they_are():
    """Pinned: published few-shot figures hold only while the rule picks the same rows."""
    assert part_of([str(number) for number in range(12)], "first-half") == PINNED


PINNED = [1, 2, 5, 6, 7, 10]


def test_too_few_rows_to_hold_out():
    with pytest.raises(UserError, match="cannot hold out 1000 of 5 rows"):
        part_of(list("abcde"), "held-out")


def test_unknown_names():
    with pytest.raises(UserError, match="did you mean 'first-half'"):
        part_of(["a", "b"], "firsthalf")
    with pytest.raises(UserError, match="did you mean 'test'"):
        karpathy_names("tests")


def test_restval_is_training():
    assert karpathy_names("train") == ("train", "restval")
