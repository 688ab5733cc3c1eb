from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.errors import UserError
from vlhyper.scoring.scorers import find_scorer
from vlhyper.scoring.truth import prediction_file
from vlhyper.tasks import TASKS, find_task, target

ROW = {"id": "458752000", "targets": ["skateboard", "board", "wheels"], "weights": [1.0, 0.6, 0.4]}

# Table 4 of the paper, word for word; a picture's task has no more text than this.
PROMPTS = {
    "vqa": ({"question": "Q"}, "vqa question: Q"),
    "vg_qa": ({"question": "Q"}, "vqa question: Q"),
    "gqa": ({"question": "Q"}, "gqa question: Q"),
    "caption": ({}, "caption:"),
    "okvqa": ({"question": "Q"}, "okvqa question: Q"),
    "snli-ve": ({"hypothesis": "P"}, "snli-ve premise: P"),
    "cola": ({"sentence": "S"}, "cola sentence: S"),
    "sst2": ({"sentence": "S"}, "sst2 sentence: S"),
    "mrpc": ({"sentence1": "A", "sentence2": "B"}, "mrpc sentence1: A sentence2: B"),
    "qqp": ({"question1": "A", "question2": "B"}, "qqp question1: A question2: B"),
    "stsb": ({"sentence1": "A", "sentence2": "B"}, "stsb sentence1: A sentence2: B"),
    "mnli": ({"premise": "P", "hypothesis": "H"}, "mnli hypothesis: H premise: P"),
    "qnli": ({"question": "Q", "sentence": "S"}, "qnli question: Q sentence: S"),
    "rte": ({"sentence1": "A", "sentence2": "B"}, "rte sentence1: A sentence2: B"),
    "cb": ({"premise": "P", "hypothesis": "H"}, "cb hypothesis: H premise: P"),
    "boolq": ({"question": "Q", "context": "C"}, "boolq question: Q context: C"),
    "imdb": ({"sentence": "S"}, "imdb sentence: S"),
    "paws": ({"sentence1": "A", "sentence2": "B"}, "paws sentence1: A sentence2: B"),
}


@pytest.mark.parametrize("name", TASKS)
def test_prompts(name):
    row, prompt = PROMPTS[name]
    assert TASKS[name].prompt_of({"id": "1", **row}) == prompt
    assert set(TASKS[name].columns) == set(row)


def test_text_with_braces_stays_as_it_is():
    assert TASKS["vqa"].prompt_of({"question": "What is {id}?"}) == "vqa question: What is {id}?"


def test_draws_follow_the_weights():
    counts = Counter(target(ROW, epoch, seed=0) for epoch in range(20_000))
    # Four deviations of a binomial share at 20,000 draws are at most 1.4 points.
    assert {answer: counts[answer] / 20_000 for answer in ROW["targets"]} == {
        "skateboard": pytest.approx(0.5, abs=0.014),
        "board": pytest.approx(0.3, abs=0.014),
        "wheels": pytest.approx(0.2, abs=0.014),
    }


def test_a_draw_depends_on_row_epoch_and_seed_alone():
    """Pinned: a resumed run draws what the broken-off one would have drawn."""
    assert [target(ROW, epoch, seed=0) for epoch in range(8)] == PINNED
    assert [target(ROW, epoch, seed=1) for epoch in range(8)] != PINNED
    assert [target({**ROW, "id": "2"}, epoch, seed=0) for epoch in range(8)] != PINNED


PINNED = ["skateboard", "skateboard", "wheels", "board", "board", "board", "board", "skateboard"]


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=10), st.integers(0, 1000), st.integers(0, 1000))
def test_a_draw_is_always_a_target(weights, epoch, seed):
    row = {"id": "1", "targets": [str(number) for number in range(len(weights))], "weights": weights}
    assert target(row, epoch, seed) in row["targets"]


def test_a_row_without_targets_has_no_draw():
    with pytest.raises(ValueError, match="row 1 has no target"):
        target({"id": "1", "targets": [], "weights": []}, 0, 0)


@pytest.mark.parametrize(
    ("task", "record"),
    [
        ("vqa", {"question_id": 458752000, "answer": "red"}),
        ("okvqa", {"question_id": 458752000, "answer": "red"}),
        ("vg_qa", {"question_id": 458752000, "answer": "red"}),
        ("gqa", {"questionId": "458752000", "prediction": "red"}),
        ("caption", {"image_id": 458752000, "caption": "red"}),
        ("snli-ve", {"pairID": "458752000", "prediction": "red"}),
        ("cola", {"id": "458752000", "prediction": "red"}),
    ],
)
def test_submissions(task, record):
    assert prediction_file(TASKS[task]).records({"458752000": "red"}) == [record]


@pytest.mark.parametrize(("task", "key"), [("vqa", "question_id"), ("vg_qa", "question_id"), ("caption", "image_id")])
def test_ids_of_a_users_own_stay_text(task, key):
    assert prediction_file(TASKS[task]).records({"vg_986768": "red"})[0][key] == "vg_986768"


def test_decoding_is_that_of_the_peers():
    beams = {name: (task.decoding.beams, task.decoding.max_new_tokens) for name, task in TASKS.items()}
    assert beams.pop("caption") == (5, 40)
    assert set(beams.values()) == {(1, 20)}


def test_glue_has_eleven_metrics():
    glue = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte")
    assert sum(len(TASKS[name].metrics) for name in glue) == 11


def test_similarity_labels_are_the_multiples_of_a_fifth():
    labels = TASKS["stsb"].labels
    assert (labels[0], labels[1], labels[-1], len(labels)) == ("0.0", "0.2", "5.0", 26)


def test_an_unknown_task_is_told_the_nearest():
    with pytest.raises(UserError, match="unknown task 'captions'; did you mean 'caption'"):
        find_task("captions")


def test_every_scorer_is_one_that_exists():
    for task in TASKS.values():
        assert find_scorer(task.scorer)
