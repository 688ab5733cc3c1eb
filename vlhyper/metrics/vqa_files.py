"""Annotation files of VQA v2 and OK-VQA, official and VL-T5's, read into columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from vlhyper.errors import UserError, nearest
from vlhyper.metrics.decoding import Identified, Questions, decoded, vqa_annotations
from vlhyper.metrics.normalise import normalise_answer
from vlhyper.metrics.reading import (
    field_of,
    kind,
    load_json,
    named,
    shown,
    some,
    text_of,
    whole_number,
    without_doubles,
)
from vlhyper.splits import part_of

HALVES = {"first": "first-half", "second": "second-half"}


@dataclass(frozen=True)
class VqaTruth:
    """What people answered, one entry a question in each column, in the order of the file.

    answers: about ten texts a question. in_domain: whether the best answer of people is a frequent one, where known.
    other_half: ids that exist and are not asked for. flags: how many of the questions tell whether they are in domain.
    """

    ids: Sequence[int]
    images: Sequence[Any]
    answers: Sequence[list[str]]
    question_types: Sequence[str | None]
    answer_types: Sequence[str | None]
    in_domain: Sequence[bool] | None = None
    other_half: Sequence[int] = ()
    flags: int = 0

    def half(self, which: str | None) -> VqaTruth:
        """The first or second half of the questions, as few-shot runs have them; None keeps them all."""
        if which is None:
            return self
        if which not in HALVES:
            raise UserError(f"unknown half {which!r}{nearest(which, HALVES)}")
        rows = part_of([str(identifier) for identifier in self.ids], HALVES[which])
        chosen = set(rows)
        return VqaTruth(
            ids=[self.ids[row] for row in rows],
            images=[self.images[row] for row in rows],
            answers=[self.answers[row] for row in rows],
            question_types=[self.question_types[row] for row in rows],
            answer_types=[self.answer_types[row] for row in rows],
            in_domain=None if self.in_domain is None else [self.in_domain[row] for row in rows],
            other_half=[identifier for row, identifier in enumerate(self.ids) if row not in chosen],
        )


def read_truth(annotations: str, questions: str | None = None, answer_key: str = "answer") -> VqaTruth:
    """The annotations of VQA v2 or OK-VQA, or VL-T5's Karpathy file. Raises UserError that names the record.

    questions: the official questions file; it is checked that every annotated question stands in it.
    """
    truth = _usual(annotations, answer_key) or _unusual(annotations, answer_key)
    without_doubles(list(truth.ids), annotations)
    if questions is not None:
        _check_questions(truth, annotations, questions)
    return truth


def _usual(annotations: str, answer_key: str) -> VqaTruth | None:
    """The columns of a file whose every record has the usual form, else None."""
    value = decoded(annotations, vqa_annotations(answer_key))
    if value is None:
        return None
    records = value if isinstance(value, list) else value.annotations
    # Two million answers are a hundred thousand texts: each is kept once, which saves the time to reach it.
    kept = dict[str, str]().setdefault
    flags = [record.is_topk_optimal for record in records if record.is_topk_optimal is not None]
    return VqaTruth(
        ids=[record.question_id for record in records],
        images=[record.question_id if record.image is UNSET else record.image for record in records],
        answers=[[kept(answer.text, answer.text) for answer in record.answers] for record in records],
        question_types=[record.question_type for record in records],
        answer_types=[record.answer_type for record in records],
        in_domain=flags if len(flags) == len(records) else None,
        flags=len(flags),
    )


def _unusual(annotations: str, answer_key: str) -> VqaTruth:
    """The columns of any file that has them, record by record."""
    value = load_json(annotations)
    if isinstance(value, Mapping) and isinstance(value.get("annotations"), list):
        return _columns(value["annotations"], annotations, "image_id", answer_key)
    if isinstance(value, list):
        return _columns(value, annotations, "img_id", answer_key)
    raise UserError(f"{annotations}: {_wrong_file(value)}; give VQA annotations or VL-T5's karpathy_test.json")


def _wrong_file(value: Any) -> str:
    if isinstance(value, Mapping) and "questions" in value:
        return "this is a questions file and holds no answers"
    return f"holds {kind(value)} without a list 'annotations'"


def _columns(records: Sequence[Any], path: str, image_key: str, answer_key: str) -> VqaTruth:
    if not records:
        raise UserError(f"{path}: holds no question")
    ids: list[int] = []
    answers = []
    for index, record in enumerate(records):
        where = f"{path}: record {index}"
        ids.append(whole_number(field_of(record, "question_id", where), "question_id", where))
        answers.append(_answers(record, answer_key, path))
    flags = _column(records, "is_topk_optimal", (bool, int), path)
    images = _column(records, image_key, (str, int, float), path)
    return VqaTruth(
        ids=ids,
        images=[identifier if image is None else image for image, identifier in zip(images, ids, strict=True)],
        answers=answers,
        question_types=_column(records, "question_type", (str,), path),
        answer_types=_column(records, "answer_type", (str,), path),
        in_domain=None if None in flags else list(map(bool, flags)),
        flags=len(flags) - flags.count(None),
    )


def _column(records: Sequence[Any], key: str, types: tuple[type, ...], path: str) -> list[Any]:
    """One field of every record, None where it is missing or null."""
    values = [record.get(key) for record in records]
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, types):
            raise UserError(f"{path}: record {index}: {key!r} is {shown(value)}; give the file as it was published")
        if isinstance(value, str):
            text_of(value, key, f"{path}: record {index}")
    return values


def _answers(record: Mapping[str, Any], key: str, path: str) -> list[str]:
    """The texts of a record's answers; its place is worded only for an error, for there are millions of answers."""
    answers = record.get("answers")
    if not isinstance(answers, list) or not answers:
        raise UserError(f"{path}: question {named(record['question_id'])}: {_no_answers(record)}")
    try:
        # The hub's OK-VQA has plain texts where the official files have objects.
        texts = answers if type(answers[0]) is str else [answer[key] for answer in answers]
    except (KeyError, TypeError, IndexError):
        raise UserError(
            f"{path}: question {named(record['question_id'])}: an answer has no {key!r}{_other_key(key)}"
        ) from None
    if set(map(type, texts)) == {str}:
        return texts
    return [text_of(text, key, f"{path}: question {named(record['question_id'])}") for text in texts]


def _no_answers(record: Mapping[str, Any]) -> str:
    if "answers" not in record:
        return "has no 'answers' of people; VQA accuracy needs them (LXMERT's files lack them)"
    return f"'answers' is {shown(record['answers'])}; it must be a list of about ten answers"


def _other_key(key: str) -> str:
    return "; score with --answers stemmed" if key == "raw_answer" else ""


def _check_questions(truth: VqaTruth, annotations: str, questions: str) -> None:
    asked = set(question_ids(questions))
    strange = [identifier for identifier in truth.ids if identifier not in asked]
    if strange:
        raise UserError(
            f"{annotations}: {len(strange)} questions are not in {questions} ({some(strange)}); "
            "give the two files of one split"
        )


def question_ids(questions: str) -> list[int]:
    """The ids of an official questions file (or of VL-T5's list), in its order."""
    usual = decoded(questions, Questions | list[Identified])
    if usual is not None:
        found = [record.question_id for record in (usual if isinstance(usual, list) else usual.questions)]
        return without_doubles(found, questions)
    value = load_json(questions)
    records = value.get("questions") if isinstance(value, Mapping) else value
    if not isinstance(records, list):
        raise UserError(f"{questions}: holds no list 'questions'; give an official VQA questions file")
    places = [f"{questions}: question {index}" for index in range(len(records))]
    found = [
        whole_number(field_of(record, "question_id", where), "question_id", where)
        for record, where in zip(records, places, strict=True)
    ]
    return without_doubles(found, questions)


def in_vocabulary(truth: VqaTruth, vocabulary: str) -> VqaTruth:
    """`in_domain` anew: whether the answer that most people gave (any of them at a tie) is in an answer vocabulary.

    vocabulary: a JSON file, a list of answers or an object whose keys they are (`trainval_ans2label.json`).
    """
    value = load_json(vocabulary)
    numbers = value.values() if isinstance(value, Mapping) else ()
    if (
        not isinstance(value, list | Mapping)
        or not value
        or not all(isinstance(answer, str) for answer in value)
        or not all(type(number) is int for number in numbers)
    ):
        raise UserError(
            f"{vocabulary}: holds {kind(value)} of another form; an answer vocabulary is a list of texts or "
            '{"answer": number}, such as trainval_ans2label.json'
        )
    frequent = {normalise_answer(answer) for answer in value}
    return replace(truth, in_domain=[not frequent.isdisjoint(best_answers(answers)) for answers in truth.answers])


def best_answers(answers: Sequence[str]) -> list[str]:
    """The normalised answers that most people gave; several at a tie."""
    counts = Counter(map(normalise_answer, answers))
    most = max(counts.values())
    return [answer for answer, count in counts.items() if count == most]
