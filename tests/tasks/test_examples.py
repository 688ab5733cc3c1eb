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
    assert examples.batch([(index, 0) for index in range(6)]) == [
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
    assert examples.batch([(1, 0)]) == [Example("2", "image 2", "vqa question: question 2", "c")]
    assert {example.target for example in examples.batch([(0, epoch) for epoch in range(30)])} == {"a", "b"}


def test_the_same_example_in_whatever_order():
    forth = Examples(TASKS["vqa"], rows(*[["a", "b"]] * 50, texts=["question"]), seed=1)
    back = Examples(TASKS["vqa"], rows(*[["a", "b"]] * 50, texts=["question"]), seed=1)
    forwards = forth.batch([(index, 4) for index in range(50)])
    assert [back.batch([(index, 4)])[0] for index in reversed(range(50))][::-1] == forwards
    assert forth.batch([(index, 5) for index in range(50)]) != forwards


def test_the_rows_of_a_batch_are_read_at_once(monkeypatch):
    reads = []
    read = datasets.Dataset.__getitem__
    examples = Examples(TASKS["caption"], rows(["a", "b"], ["c"], ["d"]))
    monkeypatch.setattr(datasets.Dataset, "__getitem__", lambda self, key: (reads.append(key), read(self, key))[1])
    assert [example.target for example in examples.batch([(3, 0), (1, 0), (0, 0), (1, 1)])] == ["d", "b", "a", "b"]
    assert reads == [[2, 0, 0, 0]]


def test_parts_of_a_data_set_are_counted_as_they_are_selected():
    part = rows(["a"], ["b", "c"], ["d"]).select([1, 2])
    assert [one.target for one in Examples(TASKS["caption"], part).batch([(0, 0), (1, 0), (2, 0)])] == ["b", "c", "d"]


def test_a_lacking_text_is_named():
    with pytest.raises(
        UserError, match=r"task mnli reads hypothesis, premise, but its data has no hypothesis \(columns:"
    ):
        Examples(TASKS["mnli"], rows(["entailment"], texts=["premise"]))


def test_nothing_to_train_on():
    with pytest.raises(UserError, match="vqa: no row of this split has an answer"):
        Examples(TASKS["vqa"], rows([], [], texts=["question"]))
