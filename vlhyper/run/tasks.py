"""A run resolved once: its config with every task's row, data set, splits and decoding looked up. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vlhyper.model.methods import method
from vlhyper.readers.manifest import Manifest, load_manifest
from vlhyper.run.config import FeatureConfig, RunConfig, task_of
from vlhyper.tasks import Decoding, Task


@dataclass(frozen=True)
class AskedTask:
    """What a run makes of one entry of the config's `tasks`, whatever its data.

    number: the row of its task embedding. max_source_tokens: longer prompts are cut. images: whether the model is given
    the image of each row; a method without images is not, whatever the task asks about. boxes: whether it is given the
    boxes too.
    """

    name: str
    number: int
    kind: Task
    decoding: Decoding
    max_source_tokens: int
    images: bool
    boxes: bool


@dataclass(frozen=True)
class RunTask(AskedTask):
    """One entry of the config's `tasks` with its data.

    splits: the manifest's name for `train`, `val` and `test`; None for a split that the run leaves out.
    """

    manifest: Manifest
    splits: Mapping[str, str | None]

    def split(self, name: str) -> str | None:
        """The manifest's name for a split; any name but `train`, `val` and `test` is the manifest's own."""
        return self.splits.get(name, name)

    def has(self, name: str) -> bool:
        """Whether the manifest has this split."""
        return self.split(name) in self.manifest.splits


@dataclass(frozen=True)
class Run:
    """A config and its tasks, in the order of their embeddings."""

    config: RunConfig
    tasks: Mapping[str, RunTask]

    @property
    def images(self) -> bool:
        """Whether any task is given images."""
        return any(task.images for task in self.tasks.values())

    @property
    def mixed(self) -> bool:
        """Whether some tasks are given images and others are not."""
        return len({task.images for task in self.tasks.values()}) == 2

    def feature_files(self) -> list[Path]:
        """Every feature file once, those of the config before those that the manifests name."""
        paths = [Path(path) for path in self.config.features.files]
        for task in self.tasks.values():
            paths += task.manifest.feature_paths() if task.images else []
        return list(dict.fromkeys(paths))

    def learned(self) -> dict[str, list[str]]:
        """By task, the manifest's splits that training reads."""
        names = ("train", "val") if self.config.validation.every else ("train",)
        splits = {task.name: [split for name in names if (split := task.split(name))] for task in self.tasks.values()}
        return {name: list(dict.fromkeys(found)) for name, found in splits.items()}

    def keyed(self, templates: Mapping[str, list[str]]) -> Run:
        """The same run with an `image_key` for each of these tasks."""
        entries = dict(self.config.tasks)
        for name, found in templates.items():
            entries[name] = entries[name].model_copy(update={"image_key": found})
        config = self.config.model_copy(update={"tasks": entries})
        changed = {name: resolve_task(config, name) for name in templates}
        return replace(self, config=config, tasks={**self.tasks, **changed})

    def stating(self, features: FeatureConfig) -> Run:
        """The same run with other settings of its features."""
        return replace(self, config=self.config.model_copy(update={"features": features}))


def resolve(config: RunConfig) -> Run:
    """Look up all tasks of a run. Raises UserError for the first manifest that cannot be read."""
    return Run(config, {name: resolve_task(config, name) for name in config.tasks})


def resolve_task(config: RunConfig, name: str) -> RunTask:
    """Look up one task of a run. Raises UserError for a manifest that cannot be read."""
    entry = config.tasks[name]
    manifest = load_manifest(entry.data, root=entry.root)
    return RunTask(
        **vars(asked_task(config, name)),
        manifest=manifest.with_image_key(entry.image_key) if entry.image_key else manifest,
        splits={"train": entry.train, "val": entry.validation, "test": entry.test},
    )


def asked_task(config: RunConfig, name: str) -> AskedTask:
    """One task of a run without its data, whose files need not be there."""
    entry, kind = config.tasks[name], task_of(config, name)
    own = kind.decoding
    return AskedTask(
        name=name,
        number=list(config.tasks).index(name),
        kind=kind,
        decoding=Decoding(entry.beams or own.beams, entry.max_new_tokens or own.max_new_tokens),
        max_source_tokens=entry.max_source_tokens or config.training.max_source_tokens or kind.max_source_tokens,
        images=kind.sees_image and method(config.model.method).images != "none",
        boxes=kind.sees_image and method(config.model.method).boxes,
    )
