"""Questions: answers follow from the scene by another way of looking, and no wording gives its answer away."""

import re
from collections import Counter, defaultdict
from random import Random

import pytest

from vlhyper.world import gqa
from vlhyper.world.language import captions, describe, hypothesis
from vlhyper.world.layouts import Picture, ask_okvqa, ask_vqa
from vlhyper.world.people import human_answers
from vlhyper.world.questions import KNOWLEDGE, VG_KINDS, VQA_KINDS, Balance, Question, ask
from vlhyper.world.scene import COLORS, PLACES, SHAPES, SIZES, draw_scene


def pictures(count, level="easy", unseen=False, seed=0):
    rng = Random(seed)
    return [Picture(number, draw_scene(rng, level, unseen)) for number in range(count)]


def matching(scene, words):
    """The things of a scene that fit every attribute word of a text."""
    words = re.findall(r"[a-z]+", words.lower())
    wanted = {word.removesuffix("s") if word.removesuffix("s") in SHAPES else word for word in words}
    found = list(scene)
    for attribute, values in (("color", COLORS), ("shape", SHAPES), ("size", SIZES)):
        if named := wanted & set(values):
            found = [thing for thing in found if getattr(thing, attribute) in named]
    if place := next((place for place in PLACES if place in " ".join(words)), None):
        found = [thing for thing in found if thing.place == place]
    return found


def answer_by_reading(text, scene):
    """The answer from the question's words alone: an oracle that shares nothing with the generator's code."""
    if text.startswith("How many"):
        return str(len(matching(scene, text)))
    if text.startswith("Is there"):
        return "yes" if matching(scene, text) else "no"
    if found := re.fullmatch(r"What (color|shape|size) is the (.*)\?", text):
        (thing,) = matching(scene, found[2])
        return getattr(thing, found[1])
    if found := re.fullmatch(r"What is the (color|shape|size) of the (.*)\?", text):
        (thing,) = matching(scene, found[2])
        return getattr(thing, found[1])
    if found := re.fullmatch(r"Where is the (.*)\?", text):
        (thing,) = matching(scene, found[1])
        return thing.place
    if found := re.fullmatch(r"What is at the (.*)\?", text):
        (thing,) = matching(scene, found[1])
        return ("an " if thing.color == "orange" else "a ") + f"{thing.color} {thing.shape}"
    if found := re.fullmatch(r"Is the (\w+ \w+) (left of|right of|above|below) the (.*)\?", text):
        (one,), (other,) = matching(scene, found[1]), matching(scene, found[3])
        true = {
            "left of": one.x < other.x,
            "right of": one.x > other.x,
            "above": one.y < other.y,
            "below": one.y > other.y,
        }
        return "yes" if true[found[2]] else "no"
    if found := re.fullmatch(r"Do the (\w+) and the (\w+) have the same (\w+)\?", text):
        (one,), (other,) = matching(scene, found[1]), matching(scene, found[2])
        return "yes" if getattr(one, found[3]) == getattr(other, found[3]) else "no"
    if found := re.fullmatch(r"Is the (.*?) (?:an? )?(\w+) or (?:an? )?(\w+)\?", text):
        (thing,) = matching(scene, found[1])
        (right,) = {found[2], found[3]} & {thing.color, thing.shape, thing.size}
        return right
    found = re.fullmatch(r"Is the (.*?) (?:an? )?(\w+)\?", text)
    (thing,) = matching(scene, found[1])
    return "yes" if found[2] in (thing.color, thing.shape, thing.size) else "no"


@pytest.mark.parametrize(("level", "unseen"), [("easy", False), ("hard", False), ("easy", True)])
def test_answers_are_right(level, unseen):
    shown = {picture.image_id: picture.scene for picture in pictures(150, level, unseen)}
    asked = ask_vqa(pictures(150, level, unseen), level, Random(1))
    assert len({one.question.kind for one in asked}) == len(VQA_KINDS[level])
    for one in asked:
        assert answer_by_reading(one.question.text, shown[one.image_id]) == one.question.answer
    balance = Balance(Random(2))
    for scene in shown.values():
        questions = gqa.ask(scene, balance, level) + [ask(scene, kind, balance) for kind in VG_KINDS]
        for question in filter(None, questions):
            assert answer_by_reading(question.text, scene) == question.answer


def test_knowledge_questions_join_the_picture_with_a_fact():
    shown = {picture.image_id: picture.scene for picture in pictures(150)}
    asked = ask_okvqa(pictures(150), Random(0))
    assert {one.question.kind for one in asked} == set(KNOWLEDGE)
    for one in asked:
        attribute, pointed = re.fullmatch(r"Which \w+ has the (\w+) of the (.*)\?", one.question.text).groups()
        (thing,) = matching(shown[one.image_id], pointed)
        assert one.question.answer == KNOWLEDGE[one.question.kind][1][getattr(thing, attribute)]


def by_wording(questions):
    answers = defaultdict(Counter)
    for text, answer in questions:
        answers[text][answer] += 1
    return answers


def guessing(fitted, asked):
    """Accuracy of the answer that was commonest for the wording in `fitted`, in percent."""
    commonest = {text: answers.most_common(1)[0][0] for text, answers in by_wording(fitted).items()}
    return 100 * sum(commonest.get(text, "yes") == answer for text, answer in asked) / len(asked)


def test_who_only_reads_the_question_guesses():
    train, test = pictures(1500, seed=1), pictures(400, seed=2)
    vqa = [[(a.question.text, a.question.answer) for a in ask_vqa(part, "easy", Random(5))] for part in (train, test)]
    assert guessing(*vqa) < 36

    def gqa_pairs(part):
        balance = Balance(Random(6))
        return [(q.text, q.answer) for picture in part for q in gqa.ask(picture.scene, balance)]

    assert guessing(gqa_pairs(train), gqa_pairs(test)) < 46


def test_answers_of_one_wording_are_even():
    asked = ask_vqa(pictures(1500), "easy", Random(0))
    for text, answers in by_wording((a.question.text, a.question.answer) for a in asked).items():
        if text.startswith(("What", "Where", "Is")) and answers.total() > 60:
            assert max(answers.values()) < 2.5 * answers.total() / len(answers), text


def test_ten_people_mostly_agree_and_the_right_answer_stays_fully_right():
    rng, question, agreed = Random(0), Question("What color is the star?", "purple", "color"), 0
    for _ in range(300):
        answers = human_answers(question, rng)
        given = Counter(answer for answer, _ in answers)
        assert len(answers) == 10 and given["purple"] >= 8
        assert all((sure == "yes") == (answer == "purple") for answer, sure in answers)
        agreed += len(given) == 1
    assert 150 < agreed < 240


def test_five_captions_name_every_thing_and_a_wrong_picture_has_others():
    first, second = (picture.scene for picture in pictures(2, seed=9))
    wordings = captions(first)
    assert len(set(wordings)) == 5
    for wording in wordings:
        assert all(thing.name in wording.lower() for thing in first)
        assert wording[0].isupper() and wording.endswith(".")
    assert not set(wordings) & set(captions(second))
    assert all(thing.size in wordings[-1].lower() and thing.place in wordings[-1] for thing in first)


def test_descriptions_tell_everything_in_any_order():
    scene = next(picture.scene for picture in pictures(20) if len(picture.scene) == 3)
    told = {describe(scene, Random(seed)) for seed in range(60)}
    assert len(told) == 6
    for text in told:
        described = [matching(scene, sentence) for sentence in text.rstrip(".").split(". ")]
        assert sorted(thing.place for (thing,) in described) == sorted(thing.place for thing in scene)


def test_statements_are_true_false_or_open():
    rng = Random(3)
    for picture in pictures(120):
        scene = picture.scene
        assert _holds(hypothesis(scene, "entailment", rng), scene) is True
        assert _holds(hypothesis(scene, "contradiction", rng), scene) is False
        assert _holds(hypothesis(scene, "neutral", rng), scene) is None


def _holds(sentence, scene):
    if sentence.startswith("There is"):
        return bool(matching(scene, sentence))
    name, rest = re.fullmatch(r"The (\w+ \w+) (.*)\.", sentence).groups()
    (thing,) = matching(scene, name)
    said = rest.removeprefix("is ").removeprefix("at the ")
    return said in (thing.size, thing.place) if said in SIZES + PLACES else None


def test_a_query_entails_the_questions_about_its_fact():
    for picture in pictures(60):
        asked = gqa.ask(picture.scene, Balance(Random(0)))
        queries = {question.fact for question in asked if question.structural == "query"}
        (entailed,) = [q for q in asked if q.fact in queries and q.structural != "query"]
        assert entailed.structural in ("verify", "choose")
        for question in asked:
            operations = question.operations()
            assert operations[0] == {"operation": "select", "argument": question.program[0][1], "dependencies": []}
            assert question.program_text().count("->") == len(operations) - 1
