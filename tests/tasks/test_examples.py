import pytest

from vlhyper.errors import UserError
from vlhyper.tasks import TASKS, Example, Examples

datasets = pytest.importorskip("datasets")


def rows(*targets: list[str], **columns):
    count = len(targets)
    texts = {name: [f"{name} {number}" for number in range(count)] for name in columns.pop("texts", ())}
    return datasets.Dataset.from_dict(
        {
            "id": [str(number) for number in range(count)],
            "image": [f"image {number}" for number in range(count)],
            **texts,
            "targets": list(targets),
            "weights": [[1.0] * len(answers) for answers in targets],
        }
    )


def test_each_wording_of_a_caption_is_an_example():
    examples = Examples(TASKS["caption"], rows(["a", "b"], [], ["c"], ["d", "e", "f"]))
    assert len(examples) == 6
    assert [examples.example(index, epoch=0) for index in range(6)] == [
        Example("0", "image 0", "caption:", "a"),
        Example("0", "image 0", "caption:", "b"),
        Example("2", "image 2", "caption:", "c"),
        Example("3", "image 3", "caption:", "d"),
        Example("3", "image 3", "caption:", "e"),
        Example("3", "image 3", "caption:", "f"),
    ]


def test_a_question_is_one_example_however_many_answers_it_has():
    examples = Examples(TASKS["vqa"], rows([], ["a", "b"], ["c"], texts=["question"]), seed=3)
    assert len(examples) == 2
    assert examples.example(1, epoch=0) == Example("2", "image 2", "vqa question: question 2", "c")
    assert {examples.example(0, epoch).target for epoch in range(30)} == {"a", "b"}


def test_the_same_example_in_whatever_order():
    forth = Examples(TASKS["vqa"], rows(*[["a", "b"]] * 50, texts=["question"]), seed=1)
    back = Examples(TASKS["vqa"], rows(*[["a", "b"]] * 50, texts=["question"]), seed=1)
    forwards = [forth.example(index, epoch=4) for index in range(50)]
    assert [back.example(index, epoch=4) for index in reversed(range(50))][::-1] == forwards
    assert [forth.example(index, epoch=5) for index in range(50)] != forwards


def test_parts_of_a_data_set_are_counted_as_they_are_selected():
    part = rows(["a"], ["b", "c"], ["d"]).select([1, 2])
    assert [Examples(TASKS["caption"], part).example(index, 0).target for index in range(3)] == ["b", "c", "d"]


def test_a_lacking_text_is_named():
    with pytest.raises(
        UserError, match=r"task mnli reads hypothesis, premise, but its data has no hypothesis \(columns:"
    ):
        Examples(TASKS["mnli"], rows(["entailment"], texts=["premise"]))


def test_nothing_to_train_on():
    with pytest.raises(UserError, match="vqa: no row of this split has an answer"):
        Examples(TASKS["vqa"], rows([], [], texts=["question"]))
