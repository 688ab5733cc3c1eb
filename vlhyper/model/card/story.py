"""What a card tells: a model, and what the config and the scores beside its weights say of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vlhyper.errors import UserError
from vlhyper.files import read_object
from vlhyper.model.methods import Method, method
from vlhyper.model.saved import SCORES
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import ModelSpec
from vlhyper.settings import read_yaml
from vlhyper.tasks import TASKS, Task


class Score(NamedTuple):
    """A metric of a task on a split of a data set, × 100; its 95 % interval where the scores hold one."""

    task: str
    data: str
    split: str
    metric: str
    value: float
    interval: Sequence[float] | None
    items: str


@dataclass(frozen=True)
class Story:
    """A model and its run.

    parts: trained parameters by part; total: all parameters. config: the run's, as its file has it. data: the manifest
    of each task. config, data and scores are empty for a model that is in no run folder.
    """

    spec: ModelSpec
    inputs: Inputs
    parts: Mapping[str, int]
    total: int
    backbone_sha256: str
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scores: Sequence[Score] = ()

    @property
    def method(self) -> Method:
        return method(self.spec.method)

    @property
    def local(self) -> bool:
        """Whether others cannot get the backbone by its name."""
        return not isinstance(self.spec.backbone, str) or Path(self.spec.backbone).is_dir()

    @property
    def backbone(self) -> str:
        """What the backbone is called: a hub id, or the name of its folder, whose place is nobody else's business."""
        name = self.spec.backbone
        if not isinstance(name, str):
            return "random weights from a config"
        return Path(name).resolve().name if self.local else name

    def entry(self, name: str) -> Mapping[str, Any]:
        """What the config says of a task."""
        found: Mapping[str, Any] = self.config.get("tasks", {}).get(name, {})
        return found

    def kind(self, name: str) -> Task | None:
        """The row of the table of tasks; None where the table has none of that name."""
        return TASKS.get(self.entry(name).get("task") or name)

    def sees_image(self, name: str) -> bool:
        """Whether the model is given an image for this task."""
        kind = self.kind(name)
        return self.method.images != "none" and (kind is None or kind.sees_image)


def told_of_run(folder: Path) -> dict[str, Any]:
    """`config`, `data` and `scores` of a story. Raises UserError for a file that cannot be read."""
    path, scores = folder / "config.yaml", folder / SCORES
    config = read_yaml(path, "a config") if path.is_file() else {}
    entries: Mapping[str, Any] = config.get("tasks", {})
    data = {name: _manifest(entry.get("data")) for name, entry in entries.items()}
    reports = read_object(scores) if scores.is_file() else {}
    try:
        found = list(_scores(reports, entries, data))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{scores}: not scores as `vlhyper evaluate` writes them; evaluate again") from None
    return {"config": config, "data": data, "scores": found}


def _manifest(data: Any) -> Mapping[str, Any]:
    """A manifest as it is written; of one that was moved away, its name."""
    if isinstance(data, Mapping):
        return data
    try:
        return read_yaml(data, "a manifest")
    except UserError:
        return {"name": Path(str(data)).stem}


def _scores(scores: Mapping[str, Any], entries: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Score]:
    for split, reports in scores.items():
        for task, report in reports.items():
            # Scores of earlier releases do not say what they were measured on: it is what the config names.
            stated = {"name": data.get(task, {}).get("name", task), "split": entries.get(task, {}).get(split, split)}
            measured = report.get("data", stated)
            intervals = report.get("confidence", {}).get("intervals", {})
            items = f"{report['n']:,} of {report['total']:,}"
            for metric, value in report["metrics"].items():
                if isinstance(value, int | float):
                    low_high = intervals.get(metric)
                    yield Score(task, measured["name"], measured["split"], metric, value, low_high, items)
