"""One door to every scorer: `score("vqa", predictions=..., annotations=...)`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.metrics import bootstrap, significance
from vlhyper.metrics.power import power as power_of
from vlhyper.metrics.report import Report
from vlhyper.readers.opening import content_of
from vlhyper.readers.streams import no_collection
from vlhyper.scoring.predictions import Predictions, match, name_of, read_predictions, same_items
from vlhyper.scoring.scorer import Scorer
from vlhyper.scoring.scorers import find_scorer
from vlhyper.scoring.truth import gold_of_files, report_of


def score(
    task: str,
    *,
    predictions: Predictions,
    questions: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    split: str | None = None,
    confidence: bool = False,
    against: Predictions | Sequence[Path] | None = None,
    power: float | None = None,
    id_key: str | None = None,
    answer_key: str | None = None,
    **options: Any,
) -> Report:
    """Score predictions (a path, or a list of records in the task's official format) against a task's own files.

    confidence: add 95 % bootstrap intervals. against: a second system's predictions, to be compared on the same items,
    or a list of `Path`s, one for each of several systems; p-values are corrected by Holm's method over them. power: add
    the number of items that are needed to see a difference of so many points (vlhyper.metrics.power), of pairs where
    systems are compared.
    id_key, answer_key: the keys of a record, where the predictions have others than the usual ones. options are the
    scorer's own, as `vlhyper score --help` names them (`clip` is what feature_extraction.clip.load_clip gives); None
    means not given. Raises UserError for an unknown task, for an option or file the task does not take, and for
    whatever is wrong with a file.
    """
    scorer = find_scorer(task)
    chosen = _chosen(task, scorer, {"questions": questions, "annotations": annotations, "split": split, **options})
    with no_collection():
        report = _score(scorer, predictions, chosen, (id_key, answer_key))
    if confidence:
        report.extra["confidence"] = bootstrap.confidence(report)
    if power is not None and not 0 < power < math.inf:
        raise UserError(f"power is {power}; it must be the points of a difference, such as 1")
    if against is None and power is not None:
        report.extra["power"] = power_of(report, power)
    if against is not None:
        systems = _systems(against)
        others = [_score(scorer, source, chosen, (id_key, answer_key)) for source in systems]
        found = _comparisons(report, predictions, systems, others, power)
        report.others |= zip(map(name_of, systems), others, strict=True)
        report.extra["against"] = found if len(found) > 1 else found[0]
    return report


def _systems(against: Predictions | Sequence[Path]) -> list[Predictions]:
    """Each system's predictions; paths in a list are several systems, anything else in one its records."""
    if isinstance(against, list | tuple) and against and all(isinstance(one, Path) for one in against):
        return list(dict.fromkeys(against))
    return [against]


def _comparisons(
    report: Report, source: Predictions, systems: Sequence[Predictions], others: Sequence[Report], points: float | None
) -> list[dict[str, Any]]:
    """The report against each of the others, with p-values corrected over all of them."""
    for system, other in zip(systems, others, strict=True):
        same_items(report.ids, other.ids, name_of(source), name_of(system))
    p = [significance.p_values(report, other) for other in others]
    return [
        {"predictions": name_of(system)}
        | bootstrap.compare(report, other)
        | {"test": significance.TEST, "exchanges": significance.EXCHANGES, "p": own, "p_holm": holm}
        | ({} if points is None else {"power": power_of(report, points, other)})
        for system, other, own, holm in zip(systems, others, p, significance.corrected(p), strict=True)
    ]


def _score(
    scorer: Scorer, source: Predictions, options: Mapping[str, Any], keys: tuple[str | None, str | None]
) -> Report:
    with _plain_file(scorer, options) as files:
        gold = gold_of_files(scorer, files)
    given, renamed = gold.by_id(read_predictions(source, scorer.predictions, gold.ids, keys))
    if renamed:
        say(f"{name_of(source)}: the ids are names of images; each is taken for the item of that image")
    complete = options.get("complete", False)
    against = name_of(options[scorer.truth])
    partial = (options.get("partial", False) or scorer.scores_part) and not complete
    more = options.get("partial", False)
    hint = {"instead": ", or leave out --complete"} if complete else {}
    indices = match(
        given, gold.ids, source=source, against=against, partial=partial, others=gold.others, more=more, **hint
    )
    return report_of(scorer, gold.at(indices), given, options, total=len(gold.ids))


@contextmanager
def _plain_file(scorer: Scorer, options: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The options with a copy of the truth in place of a shell's pipe, which can be read once only."""
    path = options[scorer.truth]
    if path.is_file() or path.is_dir():
        yield options
        return
    with TemporaryDirectory() as folder:
        content = content_of(path)
        ending = {b"[": ".json", b"{": ".jsonl"}.get(content.lstrip()[:1], ".tsv")
        copy = Path(folder, f"pipe{ending}")
        copy.write_bytes(content)
        try:
            yield {**options, scorer.truth: copy}
        except UserError as error:
            raise UserError(str(error).replace(str(copy), str(path))) from None


def _chosen(task: str, scorer: Scorer, given: Mapping[str, Any]) -> dict[str, Any]:
    """The files and options that were given, after the scorer was found to take and to need just these."""
    accepted = scorer.accepted
    chosen = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in accepted:
            raise UserError(f"scoring {task} takes no {option(name)}; it takes {', '.join(map(option, accepted))}")
        chosen[name] = accepted[name](value, name)
    if scorer.truth not in chosen:
        raise UserError(f"scoring {task} needs {option(scorer.truth)}")
    return chosen


def option(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"
