"""From rows to the tensors of a batch, and the batches of every training step.

Letters: B rows of a batch · S source tokens · T target tokens · N cells of the image grid · d_v its channels.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from vlhyper.errors import JobError, UserError
from vlhyper.features import FeatureSet
from vlhyper.model.model import IGNORED
from vlhyper.run.rows import TaskRows
from vlhyper.run.schedule import Schedule
from vlhyper.tasks import Examples

# Lengths of sources and targets are multiples of these where there are to be few.
SOURCE_STEP, TARGET_STEP = 16, 8


@dataclass(frozen=True)
class Collator:
    """Makes the tensors of a batch from texts and image ids."""

    tokenizer: PreTrainedTokenizerBase
    features: FeatureSet | None
    max_target_tokens: int
    # Pad to few lengths, since a compiled model is compiled anew for every shape.
    few_lengths: bool = False

    def inputs(self, rows: TaskRows, prompts: Sequence[str], images: Sequence[str]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (B, S), `task` (); with images `grid` (B, N, d_v), and `boxes` if wanted."""
        batch = {**self.texts(prompts, rows.task.max_source_tokens), "task": torch.tensor(rows.task.number)}
        if rows.task.images:
            assert self.features is not None
            keys = [rows.keys[image] for image in images]
            batch["grid"] = torch.from_numpy(self.features.read(keys))
            if rows.task.boxes:
                batch["boxes"] = torch.from_numpy(relative_boxes(self.features, keys))
        return batch

    def texts(self, prompts: Sequence[str], most: int) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (B, S) of prompts, cut to `most` tokens."""
        return self._encoded(prompts, most)

    def labels(self, targets: Sequence[str]) -> Tensor:
        """(B, T) token ids of the targets, -100 behind their ends."""
        encoded = self.tokenizer(list(targets), truncation=True, max_length=self.max_target_tokens)["input_ids"]
        rows = [self._ended(ids) for ids in encoded]
        length = self._length(max(map(len, rows)), TARGET_STEP)
        return torch.tensor([ids + [IGNORED] * (length - len(ids)) for ids in rows])

    def _ended(self, ids: list[int]) -> list[int]:
        """A target that ends with the end token, as those of T5 and BART do.

        Gemma's tokenizer begins texts and does not end them; its decoder is given the beginning by the model.
        """
        end = self.tokenizer.eos_token_id
        if ids and ids[-1] == end:
            return ids
        text = ids[1:] if ids[:1] == [self.tokenizer.bos_token_id] else ids[: self.max_target_tokens - 1]
        return [*text, end]

    def _encoded(self, texts: Sequence[str], most: int) -> dict[str, Tensor]:
        found = self.tokenizer(list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt")
        ids, mask = found["input_ids"], found["attention_mask"]
        # The tokenizer itself would refuse a `most` that is no multiple.
        more = self._length(ids.shape[1], SOURCE_STEP) - ids.shape[1]
        return {
            "input_ids": F.pad(ids, (0, more), value=self.tokenizer.pad_token_id),
            "attention_mask": F.pad(mask, (0, more)),
        }

    def _length(self, longest: int, step: int) -> int:
        return longest + (-longest % step if self.few_lengths else 0)


class TrainingBatches(Dataset[dict[str, Tensor] | Exception]):
    """Item k is micro-batch k of this process: step k // accumulation, its share of that step's examples.

    Every process has the same task at the same time, so that all of them run the same computation.
    """

    def __init__(
        self,
        schedule: Schedule,
        rows: Mapping[str, TaskRows],
        examples: Mapping[str, Examples],
        collator: Collator,
        accumulation: int,
        rank: int,
        world: int,
    ) -> None:
        self.schedule, self.rows, self.examples, self.collator = schedule, rows, examples, collator
        self.accumulation, self.rank, self.world = accumulation, rank, world

    def __len__(self) -> int:
        return len(self.schedule.tasks) * self.accumulation

    def __getitem__(self, index: int) -> dict[str, Tensor] | Exception:
        """The batch, or what is wrong with it: an error raised in a worker would bring its traceback along."""
        try:
            return self._batch(index)
        except (UserError, JobError) as error:
            return error

    def ids(self, step: int) -> list[str]:
        """The ids of the rows of a step, those of all processes."""
        return [one.id for one in self.examples[self.schedule.task(step)].batch(self.schedule.examples(step))]

    def _batch(self, index: int) -> dict[str, Tensor]:
        step, micro = divmod(index, self.accumulation)
        name = self.schedule.task(step)
        share = self.schedule.batch // (self.accumulation * self.world)
        first = (micro * self.world + self.rank) * share
        chosen = self.schedule.examples(step)[first : first + share]
        found = self.examples[name].batch(chosen)
        batch = self.collator.inputs(self.rows[name], [one.prompt for one in found], [one.image for one in found])
        batch["labels"] = self.collator.labels([one.target for one in found])
        return batch


def upcoming(batches: TrainingBatches, first_step: int, workers: int) -> Iterator[dict[str, Tensor]]:
    """The micro-batches from a step on, in order; `workers` processes prepare them ahead.

    Raises UserError for input that cannot be used. See `worker_errors` for a worker that was killed.
    """
    order = range(first_step * batches.accumulation, len(batches))
    # From pinned memory a batch is copied to the GPU while the last step still runs.
    pinned = torch.cuda.is_available()
    for found in DataLoader(batches, batch_size=None, sampler=order, num_workers=workers, pin_memory=pinned):
        if isinstance(found, Exception):
            raise found
        yield found


@contextmanager
def worker_errors() -> Iterator[None]:
    """A killed worker as a JobError that says what to do.

    torch raises it in the main thread wherever that is when the signal comes, so this goes around the whole training.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
            # torch's handler would raise the same again at the next signal, in the midst of the clean-up.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise JobError(
            "a process that prepares batches was killed, most often because memory ran out; lower training.workers and "
            "start the same command again: it resumes from its last checkpoint"
        ) from None


def to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """A batch on the device where the model is."""
    return {key: value.to(device, non_blocking=True) for key, value in batch.items()}


def relative_boxes(features: FeatureSet, keys: Sequence[str]) -> np.ndarray:
    """(B, N, 4) x1 y1 x2 y2 as shares of the image's width and height."""
    width, height = features.read_array("sizes", keys).T[:, :, None]
    return features.read_array("boxes", keys) / np.stack([width, height, width, height], axis=-1)


def grid_statistics(rows: Sequence[TaskRows], features: FeatureSet, most: int = 2000) -> tuple[Tensor, Tensor]:
    """Channel means (d_v,) and overall deviation () of the training images' grids, from `most` of them at most."""
    keys = sorted({key for one in rows for key in one.keys.values()})
    chosen = [keys[index] for index in np.linspace(0, len(keys) - 1, min(most, len(keys))).astype(int)]
    count, total, squares = 0, np.zeros(features.width), np.zeros(features.width)
    for start in range(0, len(chosen), 64):
        grid = features.read(chosen[start : start + 64]).astype(np.float64)
        count += grid.shape[0] * grid.shape[1]
        total += grid.sum((0, 1))
        squares += np.square(grid).sum((0, 1))
    mean = total / count
    variance = (squares / count - np.square(mean)).mean()
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(max(variance, 1e-12) ** 0.5, dtype=torch.float32)
