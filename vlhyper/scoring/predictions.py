"""Files of predictions: how a task's are written and read, and how they are matched with the items to score."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError, first_few
from vlhyper.files import write_json
from vlhyper.readers.fields import FieldError, any_id, value, whole_text
from vlhyper.readers.gold import duplicates
from vlhyper.readers.quick import decoded_texts
from vlhyper.readers.streams import record_name
from vlhyper.scoring.layouts import PREDICTED, name_of, prediction_records
from vlhyper.wording import kind, named, some

# A path, or the records themselves.
Predictions = str | os.PathLike[str] | Sequence[Any]
# The keys of id and answer in a record, where a user named them.
Keys = tuple[str | None, str | None]


@dataclass(frozen=True)
class PredictionFile:
    """A JSON list of records with an id and a text: what systems write, what is scored, and what servers take.

    as_id: an id as it is compared, from the value in a file and its key; raises FieldError. example: id and text of a
    right record, shown in errors. in_order: a list of texts, or of records without ids, is taken too, one for each item
    in its order. scalars: numbers and true or false are answers as well as texts.
    """

    id_key: str = "id"
    text_key: str = "prediction"
    as_id: Callable[[Any, str], Any] = any_id
    example: tuple[Any, str] = ("17", "acceptable")
    in_order: bool = False
    scalars: bool = False

    @property
    def shape(self) -> str:
        """A right file, for errors."""
        alone = ", or a list of texts in the order of the annotations" if self.in_order else ""
        return json.dumps([self.record(*self.example)]) + alone

    def record(self, id: Any, text: str) -> dict[str, Any]:
        """One record as it is written."""
        return {self.id_key: id, self.text_key: text}

    def records(self, answers: Mapping[Any, str]) -> list[dict[str, Any]]:
        """The records of answers by id (row ids too), in their order."""
        return [self.record(self.as_id(id, self.id_key), text) for id, text in answers.items()]


def read_predictions(
    source: Predictions,
    form: PredictionFile,
    ids: Sequence[Any] = (),
    keys: Keys = (None, None),
) -> dict[Any, str]:
    """Predictions as {id: text}. Raises UserError that names the record, and for ids with different answers.

    ids: those that a list of texts alone is for, where `form` takes one. keys: those of id and answer, where a user
    named them; else they are the form's own, or usual ones that the file has.
    """
    plain = isinstance(source, str | os.PathLike) and keys == (None, None)
    # A record with a prediction too means something else by its answer.
    other = PREDICTED if form.text_key != PREDICTED else None
    usual = decoded_texts(Path(source), form.id_key, form.text_key, other) if plain else None  # type: ignore[arg-type]
    if usual is not None:
        try:
            found = {form.as_id(id, form.id_key): text for id, text in usual}
        except FieldError:
            found = {}
        if len(found) == len(usual):
            return found
    records = records_of(source, form, keys)
    if form.in_order and records and all(_has_no_id(record, form) for record in records):
        if len(records) != len(ids):
            raise UserError(f"{name_of(source)}: {len(records)} texts for {len(ids)} rows; give one for each, or ids")
        if not isinstance(records[0], str):
            say(f"{name_of(source)}: records without ids, taken in the order of the annotations")
        texts = (record if isinstance(record, str) else record[form.text_key] for record in records)
        records = [form.record(id, text) for id, text in zip(ids, texts, strict=True)]
    return _keyed(name_of(source), records, form)


def _has_no_id(record: Any, form: PredictionFile) -> bool:
    """Whether it is a text alone, or a record of nothing but an answer."""
    return isinstance(record, str) or (
        isinstance(record, Mapping) and form.id_key not in record and form.text_key in record
    )


def write_predictions(path: Path, form: PredictionFile, answers: Mapping[Any, str]) -> None:
    """Write answers by id (row ids too) in their order."""
    write_json(path, form.records(answers))


def read_upload(path: Path, form: PredictionFile) -> dict[Any, str]:
    """A file as a server takes it. Scoring takes an id in quotes for a number, servers do not: that is a UserError."""
    given = read_predictions(path, form)
    ids = [record[form.id_key] for record in records_of(path, form)]
    if len(given) < len(ids):
        double = [id for id, count in Counter(form.as_id(id, form.id_key) for id in ids).items() if count > 1]
        raise UserError(duplicates(double, str(path), form.id_key))
    quoted = [id for id in ids if isinstance(id, str) and not isinstance(form.as_id(id, form.id_key), str)]
    if quoted:
        raise UserError(
            f"{path}: {len(quoted)} ids are texts ({some(quoted)}); the server takes numbers: "
            "give the file as --predictions to have it written right"
        )
    return given


def records_of(source: Predictions, form: PredictionFile, keys: Keys = (None, None)) -> list[Any]:
    """The records of a file in whichever layout, or the list itself. Raises UserError."""
    if isinstance(source, str | os.PathLike):
        return prediction_records(source, (form.id_key, form.text_key), form.shape, keys)
    if not isinstance(source, list | tuple):
        raise UserError(f"{name_of(source)}: is {kind(source)}; it must be a list of records: {form.shape}")
    return list(source)


def _keyed(name: str, records: Iterable[Any], form: PredictionFile) -> dict[Any, str]:
    found: dict[Any, str] = {}
    doubles: dict[Any, None] = {}
    repeated = 0
    for number, record in enumerate(records, start=1):
        try:
            id = form.as_id(value(record, form.id_key), form.id_key)
            text = _answer(record, form)
            # An id is written too.
            whole_text({form.id_key: str(id)}, form.id_key)
        except FieldError as error:
            raise UserError(f"{name}: {record_name(record, number)}: {error}") from None
        if found.get(id, text) != text:
            doubles[id] = None
        repeated += id in found
        found[id] = text
    if doubles:
        raise UserError(f"{duplicates(list(doubles), name, form.id_key)} (their answers differ)")
    if repeated:
        say(f"{name}: {repeated} records repeat another one, with the same answer")
    return found


def _answer(record: Any, form: PredictionFile) -> str:
    found = value(record, form.text_key)
    if form.scalars and (isinstance(found, bool | int) or (isinstance(found, float) and math.isfinite(found))):
        return str(found)
    return whole_text(record, form.text_key)


def match(
    given: Container[Any] | Mapping[Any, str],
    known: Sequence[Any],
    *,
    source: Predictions,
    against: str,
    partial: bool,
    others: Container[Any] = (),
    more: bool = False,
    instead: str = ", or score what is there with --partial",
) -> list[int]:
    """The indices of the known ids that have a prediction.

    Unknown ids are errors unless there may be `more`, and so are missing ones unless `partial`; `instead` is what else
    the error advises. `others` may have a prediction too.
    """
    ids = set(known)
    unknown = [id for id in given if id not in ids and id not in others]  # type: ignore[union-attr]
    told = f"{name_of(source)}: {len(unknown)} ids are not in {against} ({some(sorted(unknown, key=str))})"
    if unknown and not (more and any(id in given for id in known)):
        raise UserError(f"{told}; use predictions and annotations of the same split")
    if unknown:
        say(f"{told} and are left out")
    scored = [index for index, id in enumerate(known) if id in given]
    if len(scored) < len(known) and not partial:
        missing = [id for id in known if id not in given]
        raise UserError(
            f"{name_of(source)}: {len(missing)} of {len(known)} have no prediction ({some(missing)}); "
            f"predict them{instead}"
        )
    if not scored:
        raise UserError(f"{name_of(source)}: no prediction to score")
    return scored


def same_items(ours: Sequence[Any], theirs: Sequence[Any], our_name: str, their_name: str) -> None:
    """Raises UserError unless two systems were scored on the same items."""
    differing = [f"{named(id)} only in {our_name}" for id in sorted(set(ours).difference(theirs), key=str)]
    differing += [f"{named(id)} only in {their_name}" for id in sorted(set(theirs).difference(ours), key=str)]
    if differing:
        raise UserError(
            f"{their_name}: {len(differing)} items are scored for one system only ({first_few(differing, 2)}); "
            "two systems are compared on the same items: leave these out of the file"
        )
