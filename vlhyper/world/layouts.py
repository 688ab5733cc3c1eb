"""Annotations of scenes in the official layouts of VQA v2, OK-VQA, Visual Genome, GQA, COCO captions and SNLI-VE.

Each function takes the pictures of one split and returns the content of the official file; keys and types are those of
the public files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from vlhyper.world import gqa
from vlhyper.world.draw import SIDE
from vlhyper.world.language import captions, hypothesis
from vlhyper.world.people import human_answers
from vlhyper.world.questions import VG_KINDS, VQA_KINDS, Balance, Question, ask, knowledge
from vlhyper.world.scene import Scene
from vlhyper.world.texts import LABELS

INFO = {
    "description": "A miniature world of coloured shapes",
    "url": "",
    "version": "1.0",
    "year": 2025,
    "contributor": "vlhyper",
    "date_created": "2025-01-01 00:00:00",
}
LICENCE = {"url": "https://creativecommons.org/publicdomain/zero/1.0/", "name": "CC0 1.0"}
# OK-VQA's keys of the ten categories of knowledge it asks for.
OKVQA_TYPES = {
    "one": "Vehicles and Transportation",
    "two": "Brands, Companies and Products",
    "three": "Objects, Material and Clothing",
    "four": "Sports and Recreation",
    "five": "Cooking and Food",
    "six": "Geography, History, Language and Culture",
    "seven": "People and Everyday life",
    "eight": "Plants and Animals",
    "nine": "Science and Technology",
    "ten": "Weather and Climate",
    "other": "Other",
}
OKVQA_TYPE_OF = {"fruit": "five", "animal": "eight", "thing": "three"}


class Picture(NamedTuple):
    """A scene and the id of its image."""

    image_id: int
    scene: Scene

    @property
    def name(self) -> str:
        """The file name of the image without its suffix."""
        return f"world_{self.image_id:06d}"


class Asked(NamedTuple):
    question_id: int
    image_id: int
    question: Question


def ask_vqa(pictures: Sequence[Picture], level: str, rng: Random) -> list[Asked]:
    """One question of each kind that an image allows, numbered from image_id·1000 as in VQA."""
    return list(_ask(pictures, VQA_KINDS[level], rng))


def ask_okvqa(pictures: Sequence[Picture], rng: Random) -> list[Asked]:
    return list(_ask(pictures, (knowledge,), rng))


def _ask(pictures: Sequence[Picture], kinds: tuple[Any, ...], rng: Random) -> Iterator[Asked]:
    balance = Balance(rng)
    for image_id, scene in pictures:
        questions = (ask(scene, kind, balance) for kind in kinds)
        for number, question in enumerate(filter(None, questions)):
            yield Asked(image_id * 1000 + number, image_id, question)


def vqa_questions(asked: Sequence[Asked], split: str) -> dict[str, Any]:
    questions = [{"image_id": a.image_id, "question": a.question.text, "question_id": a.question_id} for a in asked]
    return {
        "info": INFO,
        "task_type": "Open-Ended",
        "data_type": "world",
        "license": LICENCE,
        "data_subtype": split,
        "questions": questions,
    }


def vqa_annotations(asked: Sequence[Asked], split: str, rng: Random) -> dict[str, Any]:
    annotations = [
        {
            "question_type": a.question.question_type,
            "multiple_choice_answer": a.question.answer,
            "answers": [
                {"answer": answer, "answer_confidence": sure, "answer_id": number}
                for number, (answer, sure) in enumerate(human_answers(a.question, rng), 1)
            ],
            "image_id": a.image_id,
            "answer_type": a.question.answer_type,
            "question_id": a.question_id,
        }
        for a in asked
    ]
    head = {"info": INFO, "license": LICENCE, "data_subtype": split}
    return {**head, "annotations": annotations, "data_type": "world"}


def okvqa_annotations(asked: Sequence[Asked], split: str, rng: Random) -> dict[str, Any]:
    """Like VQA, but with each answer also stemmed; the words of this world are already stems."""
    file = vqa_annotations(asked, split, rng)
    for annotation, one in zip(file["annotations"], asked, strict=True):
        del annotation["multiple_choice_answer"]
        annotation |= {"question_type": OKVQA_TYPE_OF[one.question.kind], "answer_type": "other", "confidence": 3}
        annotation["answers"] = [{**a, "raw_answer": a["answer"]} for a in annotation["answers"]]
    return {**file, "question_types": OKVQA_TYPES}


def visual_genome(pictures: Sequence[Picture], rng: Random) -> list[dict[str, Any]]:
    """Content of question_answers.json: answers are short sentences (`Red.`)."""
    asked = list(_ask(pictures, VG_KINDS, rng))
    by_image: dict[int, list[dict[str, Any]]] = {picture.image_id: [] for picture in pictures}
    for number, image_id, question in asked:
        by_image[image_id].append(
            {
                "a_objects": [],
                "question": question.text,
                "image_id": image_id,
                "qa_id": number,
                "answer": f"{question.answer[0].upper()}{question.answer[1:]}.",
                "q_objects": [],
            }
        )
    return [{"id": image_id, "qas": qas} for image_id, qas in by_image.items()]


def gqa_questions(pictures: Sequence[Picture], level: str, rng: Random) -> dict[str, dict[str, Any]]:
    """Records by question id. A query entails the other questions about its fact; other questions entail nothing."""
    balance, file = Balance(rng), {}
    for image_id, scene in pictures:
        asked = {f"{image_id}{number:02d}": q for number, q in enumerate(gqa.ask(scene, balance, level))}
        for id, question in asked.items():
            entailed = [other for other, q in asked.items() if other != id and q.fact == question.fact]
            file[id] = _gqa_record(id, image_id, question, entailed if question.structural == "query" else [])
    return file


def _gqa_record(id: str, image_id: int, question: gqa.GqaQuestion, entailed: list[str]) -> dict[str, Any]:
    return {
        "semantic": question.operations(),
        "entailed": entailed,
        "equivalent": [id],
        "question": question.text,
        "imageId": str(image_id),
        "isBalanced": True,
        "groups": {"global": question.group or None, "local": f"world-{question.fact}"},
        "answer": question.answer,
        "semanticStr": question.program_text(),
        "annotations": {"answer": {}, "question": {}, "fullAnswer": {}},
        "types": {
            "detailed": question.detailed,
            "semantic": question.semantic,
            "structural": question.structural,
        },
        "fullAnswer": question.full_answer,
    }


def coco_captions(pictures: Sequence[Picture]) -> dict[str, Any]:
    images, annotations = [], []
    for picture in pictures:
        images.append(
            {
                "license": 1,
                "file_name": f"{picture.name}.jpg",
                "coco_url": "",
                "height": SIDE,
                "width": SIDE,
                "date_captured": INFO["date_created"],
                "flickr_url": "",
                "id": picture.image_id,
            }
        )
        for number, caption in enumerate(captions(picture.scene)):
            number_of_all = picture.image_id * 10 + number
            annotations.append({"image_id": picture.image_id, "id": number_of_all, "caption": caption})
    return {"info": INFO, "licenses": [{**LICENCE, "id": 1}], "images": images, "annotations": annotations}


def snli_ve(pictures: Sequence[Picture], rng: Random) -> Iterator[dict[str, Any]]:
    """Records of the jsonl file: for each image a sentence that it entails, one undecided and one it contradicts."""
    for picture in pictures:
        for label in LABELS:
            key = f"{picture.image_id}.jpg"
            yield {
                "Flikr30kID": str(picture.image_id),
                "annotator_labels": [label],
                "captionID": f"{key}#0",
                "gold_label": label,
                "pairID": f"{key}#0r1{label[0]}",
                "sentence1": captions(picture.scene)[-1],
                "sentence2": hypothesis(picture.scene, label, rng),
            }
