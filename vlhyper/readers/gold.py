"""What is right for each item of a split: what a scorer compares answers with."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vlhyper.errors import UserError
from vlhyper.readers.fields import FieldError
from vlhyper.wording import named, some


@dataclass(frozen=True)
class Gold:
    """The items of a split that are scored, in the order of the files. The sequences run in step.

    ids: as predictions give them. right: what is right for each: a text, a number, several texts, or a record whose
    `answer` is right. clusters: what items share (their image), where known. columns: what else is known of each item,
    by name. others: items that exist and are not scored, by id; a prediction for one is no mistake. settings: what
    the report says about how these were read. names: other ids that predictions may have for the items, such as the
    names of their images; each a sequence.
    """

    ids: Sequence[Any]
    right: Sequence[Any]
    clusters: Sequence[Any] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    others: Mapping[Any, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    names: Sequence[Sequence[Any]] = ()

    def at(self, indices: Sequence[int]) -> Gold:
        """The items at these indices; the rest are `others`."""
        if len(indices) == len(self.ids):
            return self
        chosen = set(indices)
        rest = {self.ids[index]: self.right[index] for index in range(len(self.ids)) if index not in chosen}

        def taken(values: Sequence[Any]) -> list[Any]:
            return [values[index] for index in indices]

        return replace(
            self,
            ids=taken(self.ids),
            right=taken(self.right),
            clusters=None if self.clusters is None else taken(self.clusters),
            columns={name: taken(values) for name, values in self.columns.items()},
            names=[taken(names) for names in self.names],
            others={**self.others, **rest},
        )

    def among(self, ids: Container[Any]) -> Gold:
        """The items with these ids; the rest are `others`."""
        return self.at([index for index, id in enumerate(self.ids) if id in ids])

    def by_id(self, given: Mapping[Any, str]) -> tuple[dict[Any, str], bool]:
        """Predictions by the ids of the items, and whether they had other names; those that name no item stay.

        Of the ids and the other names those are taken that most predictions have, the ids first.
        """
        # Names that several items share tell nothing: a.jpg and a.png without their endings.
        known = [self.ids, *(names for names in self.names if len(set(names)) == len(names))]
        fits = [sum(id in given for id in ids) for ids in known]
        best = known[fits.index(max(fits))]
        id_of = dict(zip(best, self.ids, strict=True))
        found = {id_of.get(name, name): text for name, text in given.items()}
        # Of an item that has two predictions, by id and by name, both stay as they are.
        return (found, True) if best is not self.ids and len(found) == len(given) else (dict(given), False)

    def answers(self) -> dict[Any, str]:
        """One right answer for each item, as a system would give it."""
        return dict(zip(self.ids, map(_one_answer, self.right), strict=True))


def _one_answer(right: Any) -> str:
    if isinstance(right, Mapping):
        return str(right["answer"])
    return right[0] if isinstance(right, list) else str(right)


def gold_of_rows(
    rows: Iterable[Mapping[str, Any]],
    right_of: Callable[[Mapping[str, Any]], Any],
    as_id: Callable[[Any, str], Any],
    where: str,
) -> Gold:
    """The gold that rows tell, as `load_rows` gives them; rows without targets are `others`.

    Raises UserError for a row of which `right_of` raises FieldError; it names the row, and `where` as their source.
    """
    ids: list[Any] = []
    right: list[Any] = []
    images: list[str] = []
    others: dict[Any, Any] = {}
    for row in rows:
        id = as_id(row["id"], "id")
        if row["targets"]:
            ids.append(id)
            try:
                right.append(right_of(row))
            except FieldError as error:
                raise UserError(f"{where}: row {named(id)} {error}") from None
            images.append(row["image"])
        else:
            others[id] = None
    return Gold(ids, right, images if any(images) else None, others=others)


def best_target(row: Mapping[str, Any]) -> str:
    """The target of a row with the highest weight, the first of equal ones."""
    best: str = row["targets"][row["weights"].index(max(row["weights"]))]
    return best


def without_duplicates(ids: Sequence[Any], where: str, key: str = "id") -> None:
    """Raises UserError that names the ids which several items have."""
    if len(set(ids)) < len(ids):
        seen: set[Any] = set()
        doubles = list(dict.fromkeys(id for id in ids if id in seen or seen.add(id)))  # type: ignore[func-returns-value]
        raise UserError(duplicates(doubles, where, key))


def duplicates(ids: Sequence[Any], where: str, key: str = "id") -> str:
    """What is said of ids that several items have."""
    found = f"duplicate {key} {named(ids[0])}; remove one" if len(ids) == 1 else None
    found = found or f"{len(ids)} duplicate {key}s ({some(ids)}); remove one of each"
    return f"{where}: {found}, or is a file listed twice?"
