"""The figure of answers taken from sentences stands beside the official one, and never changes it."""

import json

import pytest
from gqa_cases import QUESTIONS
from vqa_cases import annotation, official, write

from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.metrics.sentences import RULE, short_answer
from vlhyper.scoring import score

SENTENCES = {
    "The answer is a Dog.": "dog",
    "Answer: yes": "yes",
    "The correct answer is: 3.5": "3.5",
    "Answer: the answer is red.": "red",
    "**Two**": "two",
    "It’s red.": "red",
    "There are 3 people.": "3 people",
    "the answer to the question is that it is raining.": "raining",
    "The answer is": "the answer is",
    "Answers vary": "answers vary",
    "this island": "this island",
    "a dog": "a dog",
    "...": "..",
    # Several sentences, as models that reason write them.
    "The man holds a bat. So the answer is Baseball.": "baseball",
    "The sky is blue.\nAnswer: **Blue**": "blue",
    "Let me see. The answer is red. No, the correct answer is green. I am sure.": "green",
    "I do not know the answer is": "i do not know the answer is",
    "Final answer: 3.5": "3.5",
    "He is tall. The final answer is 3.5.": "3.5",
    "Yes, there is a dog in the picture.": "yes",
    "No. The street is empty.": "no",
    "no parking": "no parking",
    "A dog. A cat.": "a dog. a cat",
    "": "",
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_short_answer(text):
    assert short_answer(text) == SENTENCES[text]


def truths(folder):
    (folder / "boolq.jsonl").write_text('{"idx": 0, "label": true}\n{"idx": 1, "label": false}\n')
    (folder / "s.jsonl").write_text('{"pairID": "a#1", "gold_label": "neutral"}\n')
    return {
        "vqa": {
            "annotations": official(folder / "a.json", [annotation(1, ["black"] * 10), annotation(2, ["no"] * 10)])
        },
        "gqa": {"questions": write(folder / "g.json", QUESTIONS)},
        "boolq": {"annotations": folder / "boolq.jsonl"},
        "snli-ve": {"annotations": folder / "s.jsonl"},
    }


GIVEN = {
    "vqa": [{"question_id": 1, "answer": "It is Black."}, {"question_id": 2, "answer": "no"}],
    "gqa": [{"questionId": id, "prediction": f"The answer is {q['answer'].upper()}."} for id, q in QUESTIONS.items()],
    "boolq": ["Answer: True.", "Answer: False."],
    "snli-ve": [{"pairID": "a#1", "prediction": "Neutral."}],
}
OFFICIAL = {"vqa": 50.0, "gqa": 0.0, "boolq": 0.0, "snli-ve": 0.0}


@pytest.mark.parametrize("task", GIVEN)
def test_it_stands_beside_under_its_own_key(tmp_path, task):
    files = truths(tmp_path)[task]
    plain = score(task, predictions=GIVEN[task], **files).to_json()
    both = score(task, predictions=GIVEN[task], chat=True, **files).to_json()
    beside = both.pop("answers_from_sentences")
    assert both == plain
    name = "overall" if task == "vqa" else "accuracy"
    assert (plain["metrics"][name], beside["metrics"][name]) == (OFFICIAL[task], 100.0)
    assert beside["rule"] == RULE and beside["changed"] == plain["n"] - (task == "vqa")


def test_it_is_a_column_of_its_own(tmp_path, capsys):
    path = write(tmp_path / "p.json", GIVEN["vqa"])
    arguments = [
        "score",
        "vqa",
        "--annotations",
        truths(tmp_path)["vqa"]["annotations"],
        "--predictions",
        path,
        "--chat",
    ]
    run(arguments)
    shown = capsys.readouterr()
    assert "answers from" in shown.out and "50.00" in shown.out and "100.00" in shown.out
    assert "is not the official score: lower case, a leading phrase" in shown.err and "(1 changed)" in shown.err
    run([*arguments, "--json"])
    assert json.loads(capsys.readouterr().out)["answers_from_sentences"]["metrics"]["overall"] == 100.0


def test_captions_are_sentences(tmp_path):
    with pytest.raises(UserError, match="scoring caption takes no --chat"):
        score("caption", predictions=[], annotations="x.json", chat=True)
