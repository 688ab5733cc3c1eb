import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.readers.answers import human_answers, scored_labels, soft_scores
from vlhyper.readers.fields import FieldError


@pytest.mark.parametrize(("people", "score"), [(1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_the_score_follows_how_many_people_agree(people, score):
    assert soft_scores(["net"] * people) == (["net"], [score])


def test_the_commonest_answer_comes_first_and_empty_ones_are_none():
    assert soft_scores(["down", "net", "net", "", " "]) == (["net", "down"], [0.6, 0.3])


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=10))
def test_each_answer_once_with_a_score_of_the_scale(answers):
    targets, weights = soft_scores(answers)
    assert sorted(targets) == sorted(set(answers) - {""})
    assert len(weights) == len(targets)
    assert set(weights) <= {0.3, 0.6, 0.9, 1.0}
    assert weights == sorted(weights, reverse=True)


def test_answers_may_be_texts_or_objects():
    assert human_answers({"answers": ["red", "red"]}) == (["red"], [0.6])
    assert human_answers({"answers": [{"answer": "red", "answer_id": 1}]}) == (["red"], [0.3])


def test_labels_keep_their_scores():
    assert scored_labels({"skateboard": 1, "board": 0.3}) == (["skateboard", "board"], [1.0, 0.3])
    assert scored_labels({}) == ([], [])


def test_what_would_never_be_drawn_is_no_target():
    assert scored_labels({"net": 0, "mesh": 0.3}) == (["mesh"], [0.3])


@pytest.mark.parametrize("score", [-1, 1.5, "1", True, None])
def test_a_score_outside_the_scale_is_refused(score):
    with pytest.raises(FieldError, match="'board'"):
        scored_labels({"board": score})
