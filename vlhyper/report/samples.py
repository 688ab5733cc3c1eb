"""What a page knows of each item: its texts, what is right, the answers of systems, their scores, groups it is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# A column and a label in it. Samples that have all of them are those behind a number.
Where = list[tuple[str, str]]
# A column with fewer labels than this can be chosen from a list on the page.
SHORT_LIST = 80


@dataclass(frozen=True)
class Column:
    """A label of every sample: `of` has its number in `labels`, -1 where a sample has none."""

    labels: list[str]
    of: list[int]

    @classmethod
    def from_values(cls, values: Iterable[str | None], labels: Iterable[str] = ()) -> Column:
        """labels: those that come first, in this order."""
        number = {label: index for index, label in enumerate(labels)}
        of = [-1 if value is None else number.setdefault(value, len(number)) for value in values]
        return cls(list(number), of)

    def values(self) -> list[str | None]:
        return [None if number < 0 else self.labels[number] for number in self.of]

    def members(self) -> dict[str, list[int]]:
        """The samples that have each label."""
        found: dict[str, list[int]] = {label: [] for label in self.labels}
        for index, number in enumerate(self.of):
            if number >= 0:
                found[self.labels[number]].append(index)
        return found


@dataclass(frozen=True)
class Samples:
    """The samples of one task. All sequences run in step with `ids`.

    images: as the annotations name them, "" for none. texts: what was asked, by name. right: wordings with the number
    of people who gave each, 0 where nobody was counted. answers: by system. scores: by metric and system, None where a
    metric is not about a sample. columns: by name, what groups the samples.
    """

    ids: Sequence[Any]
    images: Sequence[str]
    texts: Mapping[str, Sequence[str]]
    right: Sequence[Sequence[tuple[str, int]]]
    answers: Mapping[str, Sequence[str]]
    scores: Mapping[str, Mapping[str, Sequence[float | None]]]
    columns: Mapping[str, Column] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the script of the page; each wording is written once."""
        words: dict[str, int] = {}

        def number(word: str) -> int:
            return words.setdefault(word, len(words))

        right = [[part for word, count in one for part in (number(word), count)] for one in self.right]
        answers = [[number(answer) for answer in given] for given in self.answers.values()]
        return {
            "ids": list(map(str, self.ids)),
            "images": list(self.images) if any(self.images) else None,
            "texts": {name: list(texts) for name, texts in self.texts.items()},
            "words": list(words),
            "right": right,
            "systems": list(self.answers),
            "answers": answers,
            "metrics": list(self.scores),
            "scores": [[_rounded(values) for values in by.values()] for by in self.scores.values()],
            "columns": {
                name: {"labels": column.labels, "of": column.of, "listed": len(column.labels) < SHORT_LIST}
                for name, column in self.columns.items()
            },
        }


def _rounded(values: Sequence[float | None]) -> list[float | int | None]:
    # Whole numbers, which most scores are, are written without a point.
    return [None if value is None else int(value) if value == int(value) else round(value, 2) for value in values]
