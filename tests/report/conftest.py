import json

import pytest
from page_cases import GIVEN, QUESTIONS, RIGHT, TYPES
from PIL import Image


@pytest.fixture(scope="session")
def vqa(tmp_path_factory):
    """Official VQA files of 20 questions about 10 pictures, and the predictions of two systems."""
    folder = tmp_path_factory.mktemp("vqa")
    annotations, questions = [], []
    for number in range(20):
        kind = number % 4
        ids = {"question_id": number, "image_id": number // 2}
        questions.append({**ids, "question": QUESTIONS[kind]})
        people = [{"answer": RIGHT[kind], "answer_id": one} for one in range(8)] + [{"answer": "none"}] * 2
        annotations.append({**ids, "answer_type": TYPES[kind], "question_type": "what", "answers": people})
    content = {"a.json": {"annotations": annotations}, "q.json": {"questions": questions}}
    for name, given in GIVEN.items():
        content[f"{name}.json"] = [{"question_id": n, "answer": given[n % 4]} for n in range(20)]
    for name, value in content.items():
        (folder / name).write_text(json.dumps(value))
    (folder / "images").mkdir()
    for number in range(10):
        picture = Image.new("RGB", (64, 48), (20 * number, 90, 160))
        picture.save(folder / f"images/COCO_val2014_{number:012d}.jpg")
    return folder


@pytest.fixture(scope="session")
def page(vqa):
    """The page of both systems, with pictures."""
    from vlhyper.cli import run

    files = {"annotations": "a.json", "questions": "q.json", "predictions": "ours.json", "against": "theirs.json"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(vqa / file))]
    run(["score", "vqa", *words, "--report", str(vqa / "page.html"), "--images", str(vqa / "images")])
    return vqa / "page.html"
