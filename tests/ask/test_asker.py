"""Answers, their probabilities and what is left without the image, against evaluation and the model's own loss."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vlhyper import VLHyperPELT
from vlhyper.ask.answers import Said, distinct
from vlhyper.ask.asker import BATCH, Asker
from vlhyper.errors import UserError
from vlhyper.run.batches import Collator
from vlhyper.run.config import load_config
from vlhyper.run.evaluate import answer
from vlhyper.run.rows import load_split
from vlhyper.run.tasks import resolve

pytestmark = pytest.mark.usefixtures("fresh_process")


def test_an_image_is_seen_as_extraction_saw_it(asker, features, picture):
    with Image.open(picture) as image:
        given = [picture, str(picture), image.copy(), np.asarray(image), picture.stem]
    stored = features.read([picture.stem])[0]
    rows = asker.images.rows(given)
    assert {row.dtype for row in rows} == {stored.dtype} and np.abs(stored).max() > 0.5
    for row in rows:
        # The order of additions depends on the batch, then all is rounded to float16.
        np.testing.assert_allclose(row.astype(float), stored.astype(float), rtol=2e-3, atol=2e-5)


def test_answers_are_those_of_evaluation(asked, asker, features):
    run = resolve(load_config(asked / "config.yaml"))
    for task in ("vqa", "caption"):
        rows = load_split(run, {task: "test"}, features)[task]
        collator = Collator(asker.collator.tokenizer, features, run.config.training.max_target_tokens)
        evaluated = answer(asker.model, rows, collator, rows.task.decoding, 16)
        questions = rows.rows["question"][:6] if task == "vqa" else [""] * 6
        for id, image, question in zip(rows.rows["id"][:6], rows.rows["image"][:6], questions, strict=True):
            assert asker.ask(rows.keys[image], question, task=task, others=0).answer == evaluated[id]


def test_a_probability_is_that_of_all_tokens_of_the_text(asker, features, picture):
    task, question = asker.task("vqa"), "what color is the circle?"
    found = asker.ask(picture, question, others=3)
    inputs = asker.inputs(task, [task.kind.prompt_of({"question": question})], features.read([picture.stem]))
    options = {"max_new_tokens": task.decoding.max_new_tokens, "do_sample": False}
    greedy = asker.model.generate(**inputs, **options)
    beams = asker.model.generate(**inputs, **options, num_beams=5, num_return_sequences=5, length_penalty=0.0)
    decode = asker.collator.tokenizer.decode
    expected = {}
    for tokens in (*beams, *greedy):
        with torch.no_grad():
            loss = asker.model(**inputs, labels=asker.targets(tokens[None]), denominator=1).item()
        expected[decode(tokens, skip_special_tokens=True)] = pytest.approx(math.exp(-loss), rel=2e-2)
    assert {said.answer: said.probability for said in found.others}.items() <= expected.items()
    assert (found.answer, found.probability) == (text := decode(greedy[0], skip_special_tokens=True), expected[text])
    shares = [said.probability for said in found.others]
    assert len(shares) == 3 and shares == sorted(shares, reverse=True)


def test_a_target_ends_with_its_first_end(asker):
    end = asker.collator.tokenizer.eos_token_id
    tokens = torch.tensor([[[0, 7, end, 0, 0], [0, 7, 8, 9, 10], [0, end, end, 0, 0]]])
    assert asker.targets(tokens).tolist() == [[[7, end, -100, -100], [7, 8, 9, 10], [end, -100, -100, -100]]]


def test_without_the_image_is_the_row_without_an_image(asker, features, picture):
    found = asker.ask(picture, "what color is the circle?")
    alone = asker.ask(None, "what color is the circle?")
    assert found.without_image == Said(alone.answer, alone.probability) and alone.without_image is None
    assert abs(math.log(found.without_image.probability / found.probability)) > 0.1


def test_a_choice_gives_every_label_its_share(asker, picture):
    found = asker.ask(picture, "there is a circle.", task="snli-ve")
    said = [found, *found.others]
    assert {one.answer for one in said} == {"entailment", "neutral", "contradiction"}
    assert sum(one.probability for one in said) == pytest.approx(1)
    assert found.probability == max(one.probability for one in said)
    assert found.without_image.answer in {one.answer for one in said}


def test_a_text_task_is_asked_without_an_image(asker, picture):
    found = asker.ask(None, "a red circle", task="sst2")
    assert {found.answer, *(one.answer for one in found.others)} == {"negative", "positive"}
    with pytest.raises(UserError, match="task 'sst2' of this run sees no images"):
        asker.ask(picture, "a red circle", task="sst2")


def test_many_are_answered_as_each_by_itself(asker, lab):
    pictures = sorted((lab.folder / "images" / "test").glob("*.jpg"))
    questions = ["what color is the circle?", "how many things are there?", "is there a star in the picture?"]
    task = asker.task("vqa")
    together = list(asker.ask_all(pictures, questions, task))
    assert [(image, question) for image, question, _ in together] == [(p, q) for p in pictures for q in questions]
    for image, question, found in together[::5]:
        alone = asker.ask(image, question)
        assert (alone.answer, alone.without_image.answer) == (found.answer, found.without_image.answer)
        assert alone.probability == pytest.approx(found.probability, rel=2e-2)


def test_features_are_held_of_a_few_questions_at_a_time(asker, picture, monkeypatch):
    held, answers = [], Asker.answers

    def seen(self, task, questions, grid, *rest):
        held.append(len(grid))
        return answers(self, task, questions, grid, *rest)

    monkeypatch.setattr(Asker, "answers", seen)
    questions = [f"is there a star ? {number}" for number in range(BATCH + 3)]
    found = list(asker.ask_all([picture], questions, asker.task("vqa"), others=0))
    assert [question for _, question, _ in found] == questions and held == [BATCH, 3]


def test_threads_take_turns(asker, lab):
    pictures = sorted((lab.folder / "images" / "test").glob("*.jpg"))
    asked = [(picture, text, task) for picture in pictures[:3] for text, task in (("what?", "vqa"), ("", "caption"))]
    alone = [asker.ask(*one) for one in asked]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda one: asker.ask(*one), asked)) == alone


def test_texts_that_differ_in_form_alone_count_once():
    found = [Said("a dog", 0.2), Said("the dog", 0.3), Said("Two", 0.1), Said("cat", 0.15), Said("2", 0.05)]
    assert distinct(found, Said("cat.", 0.15)) == (Said("the dog", 0.3), Said("Two", 0.1))


def test_a_loaded_model_answers_by_itself(asked, asker, picture):
    model = VLHyperPELT.from_pretrained(asked)
    with Image.open(picture) as image:
        assert (
            model.ask(image, "what color is the circle?").answer
            == asker.ask(picture, "what color is the circle?").answer
        )
    assert model.ask(picture, task="caption").answer == asker.ask(picture, task="caption").answer
    built = VLHyperPELT.build(model.spec, model.inputs)
    with pytest.raises(UserError, match="not loaded from a run folder"):
        built.ask(picture, "what color is the circle?")


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.zeros((4, 4), np.float64), r"the image cannot be read \(an array of float64 \(4, 4\) is no image"),
        (np.zeros((4, 0, 3), np.uint8), "is no image"),
        (Path("nowhere.jpg"), r"nowhere\.jpg: cannot be read \(the file no longer exists\)"),
    ],
)
def test_what_is_no_image_is_told(asker, image, why):
    with pytest.raises(UserError, match=why):
        asker.ask(image, "what color is the circle?")


@pytest.mark.parametrize(
    ("task", "question", "why"),
    [
        ("vqa", " ", "the question of its prompt 'vqa question: {question}' is empty or missing"),
        ("vqa", {"text": "x"}, "the question of its prompt"),
        ("caption", "what?", "task caption takes no question"),
        ("vqaa", "what?", "unknown task 'vqaa'; did you mean 'vqa'?"),
    ],
)
def test_questions_that_do_not_fit_are_told(asker, picture, task, question, why):
    with pytest.raises(UserError, match=why):
        asker.ask(picture, question, task=task)
