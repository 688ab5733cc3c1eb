import pytest

from vlhyper.report.outcomes import outcome_of_answer, outcome_of_grade, outcomes_of_scores


@pytest.mark.parametrize(
    ("given", "right", "score", "outcome"),
    [
        ("red", "red", 100, "right"),
        ("red", "blue", 30, "partly right"),
        ("", "blue", 0, "no answer"),
        ("no", "yes", 0, "no for yes"),
        ("dog", "yes", 0, "no yes or no where one is asked for"),
        ("yes", "dog", 0, "yes or no where none is asked for"),
        ("4", "3", 0, "another number"),
        ("many", "3", 0, "no number where one is asked for"),
        ("answer is red", "red", 0, "the right words among others"),
        ("red", "dark red", 0, "a part of the right words"),
        ("redder", "red", 0, "another answer"),
    ],
)
def test_an_answer_fails_in_one_way(given, right, score, outcome):
    assert outcome_of_answer(given, right, score) == outcome


def test_labels_and_grades_have_outcomes_of_their_own():
    assert outcome_of_answer("maybe", "yes", 0, ("yes", "no")) == "no label"
    assert outcome_of_answer("no", "yes", 0, ("yes", "no")) == "another label"
    graded = {"3.5": "within 0.5", "4.1": "1 to 2 off", "0": "more than 2 off", "x": "no grade"}
    assert {text: outcome_of_grade(text, 3.0) for text in graded} == graded


def test_scores_of_prose_are_looked_at_in_quarters():
    assert outcomes_of_scores([1.0, 2.0, 3.0, 4.0, None])[:4] == [
        "lowest quarter",
        "second quarter",
        "third quarter",
        "highest quarter",
    ]
    assert outcomes_of_scores([1.0]) == [None]
