"""What answers are taken for, by hand from each program's source, and scores from files."""

import json

import pytest

from vlhyper.metrics.multiple_choice import choice_of
from vlhyper.scoring import score

ANIMALS = {"A": "a dog", "B": "Cat", "C": "cow", "D": "cowboy"}
READINGS = {
    # answer: a-okvqa, llava, vlmevalkit
    "Cat": ("B", None, "B"),
    "cat": (None, None, "B"),
    "B": (None, "B", "B"),
    "b": (None, None, None),
    "B.": (None, None, "B"),
    "(B)": (None, None, "B"),
    "B. Cat": (None, "B", "B"),
    "F. Cat": (None, None, "B"),
    "The answer is B.": (None, "B", "B"),
    "The answer is B": (None, None, "B"),
    "The answer is BC": (None, "B", "B"),
    "The answer is B. The answer is B.": (None, None, "B"),
    "B, because it has whiskers and it sits there": (None, None, None),
    "The correct answer is **B**. It has whiskers and sits there": (None, None, "B"),
    "the cat": (None, None, "B"),
    # Two texts are in it.
    "cowboy": ("D", None, None),
    "A cat": (None, None, "A"),
    "A or B": (None, None, None),
    "it is a cat, as one sees by its whiskers, and by nothing else": (None, None, None),
    "Z": (None, None, None),
    "Cannot determine the answer, maybe B": (None, None, None),
    "Failed to obtain answer via API: cat": (None, None, None),
    "E": (None, None, None),
    "": (None, None, None),
}


@pytest.mark.parametrize("answer", READINGS)
def test_each_program_reads_an_answer_in_its_way(answer):
    programs = ("a-okvqa", "llava", "vlmevalkit")
    assert tuple(choice_of(answer, ANIMALS, program) for program in programs) == READINGS[answer]


def question(number, **more):
    base = {"question_id": f"q{number}", "image_id": number // 2, "question": "?", "choices": list(ANIMALS.values())}
    return {**base, "correct_choice_idx": 1, **more}


@pytest.fixture
def aokvqa(tmp_path):
    (tmp_path / "aokvqa_v1p0_val.json").write_text(json.dumps([question(number) for number in range(4)]))
    return tmp_path / "aokvqa_v1p0_val.json"


def test_aokvqa_by_its_own_program_and_others(aokvqa):
    given = dict(zip(("q0", "q1", "q2", "q3"), ("Cat", "B", "I think it is (B).", "The cow"), strict=True))
    records = [{"question_id": id, "prediction": text} for id, text in given.items()]
    report = score("multiple-choice", predictions=records, annotations=aokvqa, chat=True, confidence=True)
    content = report.to_json()
    assert (content["variant"], content["metrics"]) == ("a-okvqa", {"accuracy": 25.0})
    assert content["answers_from_sentences"]["metrics"] == {"accuracy": 75.0}
    assert "3 of 4 answers are no choice to this program" in content["notes"][0]
    assert content["confidence"]["resampled"] == "image"
    other = score("multiple-choice", predictions=records, annotations=aokvqa, variant="vlmevalkit")
    assert other.metrics == {"accuracy": 75.0}
    # The same figure as the one that stands beside VQA accuracy.
    answered = [question(n, direct_answers=["cat"] * 10) for n in range(4)]
    aokvqa.write_text(json.dumps(answered))
    vqa = score(
        "vqa", predictions=[{"question_id": id, "answer": text} for id, text in given.items()], annotations=aokvqa
    )
    assert vqa.metrics["multiple_choice"] == 25.0


def test_scienceqa_from_llavas_answers(tmp_path):
    problem = {
        "question": "?",
        "choices": ["north", "south"],
        "answer": 1,
        "split": "test",
        "subject": "natural science",
    }
    problems = {"4": {**problem, "image": "image.png"}, "5": {**problem, "image": None, "subject": "language science"}}
    (tmp_path / "problems.json").write_text(json.dumps(problems | {"6": {**problem, "split": "val", "image": None}}))
    lines = [
        {"question_id": "4", "prompt": "<image>?", "text": "B"},
        {"question_id": "5", "text": "So: The answer is B"},
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = {"predictions": tmp_path / "test.jsonl", "annotations": tmp_path / "problems.json"}
    report = score("scienceqa", chat=True, **arguments)
    assert report.variant == "llava"
    assert report.metrics == {
        "accuracy": 50.0,
        "with_image": 100.0,
        "category": {"language science": 0.0, "natural science": 100.0},
    }
    assert report.extra["answers_from_sentences"]["metrics"]["accuracy"] == 100.0


def test_vlmevalkits_table(tmp_path):
    head = "index\tquestion\tA\tB\tanswer\tcategory"
    (tmp_path / "MMBench.tsv").write_text(f"{head}\n0\t?\tdog\tcat\tB\tx\n1\t?\tdog\tcat\tA\ty\n")
    (tmp_path / "m.tsv").write_text(
        f'{head}\tprediction\n0\t?\tdog\tcat\tB\tx\t"It is\n""cat"""\n1\t?\tdog\tcat\tA\ty\tB\n'
    )
    report = score("mcq", predictions=tmp_path / "m.tsv", annotations=tmp_path / "MMBench.tsv")
    assert report.variant == "vlmevalkit"
    assert report.metrics == {"accuracy": 50.0, "category": {"x": 100.0, "y": 0.0}}
