"""A trained run that answers.

Letters: B rows · K texts of a row · T tokens · N cells of the image grid · d_v its channels.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vlhyper.ask.answers import Answer, Said, distinct
from vlhyper.ask.images import Images
from vlhyper.ask.questions import Question, choose_task, prompt_of
from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.model.likelihood import log_likelihood
from vlhyper.model.model import IGNORED, VLHyperPELT
from vlhyper.run.batches import Collator
from vlhyper.run.config import load_run
from vlhyper.run.precision import computing, prepare
from vlhyper.run.tasks import AskedTask
from vlhyper.run.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from vlhyper.ask.images import Picture

OTHERS = 4
# Rows that are answered together.
BATCH = 16


class Asker:
    """Answers about images that the run has not seen, or about those of its features by their ids."""

    def __init__(
        self,
        run: str | Path,
        weights: str | None = None,
        encoder: str | None = None,
        overrides: Sequence[str] = (),
        model: VLHyperPELT | None = None,
    ) -> None:
        """Load a run.

        Args:
            run: a run folder of `vlhyper train`.
            weights, encoder: of the image encoder, as in `vlhyper extract`; where left out, those that the run's
                features were made with. They are loaded when the first image needs them.
            overrides: `key.sub=value` that replace those of the run's config.
            model: the run's model, where it is there already.

        Raises UserError for a folder that holds no trained run, and for a backbone or tokenizer that is not available.
        """
        self.folder = Path(run)
        self.config = load_run(self.folder, overrides)
        self.images = Images(self.config, self.folder, weights, encoder)
        spec, training = self.config.model, self.config.training
        backbone = spec.backbone if isinstance(spec.backbone, str) else None
        self.model = model if model is not None else VLHyperPELT.from_pretrained(self.folder, backbone=backbone)
        self.collator = Collator(load_tokenizer(spec), None, training.max_target_tokens)
        if model is None:
            prepare(self.model, training.precision)
            self.model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        self.model.eval()
        # The model holds the forms of one batch; threads take turns.
        self._lock = threading.Lock()
        self._without: dict[tuple[str, str], Said] = {}

    def task(self, name: str | None = None) -> AskedTask:
        """A task of the run by name, or the one that takes questions (see `choose_task`)."""
        return choose_task(self.config, self.folder, name)

    def ask(
        self, image: Picture | None, question: Question = "", task: str | None = None, others: int = OTHERS
    ) -> Answer:
        """The answer to a question about an image.

        Args:
            image: a path, an id of the run's features, a PIL image, or uint8 pixels (height, width, 3); None to ask
                from the text alone.
            question: a text, or the texts of the task's prompt by their names; empty for captions.
            task: of the run; see `task` where left out.
            others: how many runners-up to look for.

        Raises UserError for an image that cannot be read, an encoder that cannot be had, and a question that does not
        fit the task.
        """
        chosen, grid, boxes = self.task(task), None, None
        if image is not None:
            (row,) = self.images.rows([image])
            if isinstance(row, str):
                raise unreadable(image, row)
            grid, boxes = row[None], self.images.boxes([image]) if chosen.boxes else None
        return next(self.answers(chosen, [question], grid, boxes, others))

    def ask_all(
        self,
        images: Sequence[Picture] | None,
        questions: Sequence[Question],
        task: AskedTask,
        others: int = OTHERS,
    ) -> Iterator[tuple[Picture | None, Question, Answer]]:
        """Every question about every image, image by image; arguments are those of `ask`.

        Of several images one that cannot be read is left out, with a line that says why.
        """
        if images is None:
            for question, answer in zip(questions, self.answers(task, questions, None, None, others), strict=True):
                yield None, question, answer
            return
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            rows = self.images.rows(part)
            for image, row in zip(part, rows, strict=True):
                if isinstance(row, str):
                    if len(images) == 1:
                        raise unreadable(image, row)
                    say(f"skipped {image}: {row}")
            good = [(image, row) for image, row in zip(part, rows, strict=True) if not isinstance(row, str)]
            pairs = ((image, row, question) for image, row in good for question in questions)
            # So many together: a row of features stands for each question, and of them there may be thousands.
            while asked := list(islice(pairs, BATCH)):
                boxes = self.images.boxes([image for image, *_ in asked]) if task.boxes else None
                grid = np.stack([row for _, row, _ in asked])
                found = self.answers(task, [question for *_, question in asked], grid, boxes, others)
                for (image, _, question), answer in zip(asked, found, strict=True):
                    yield image, question, answer

    def answers(
        self,
        task: AskedTask,
        questions: Sequence[Question],
        grid: np.ndarray | None,
        boxes: np.ndarray | None = None,
        others: int = OTHERS,
    ) -> Iterator[Answer]:
        """The answers to B questions about as many images, with features (B, N, d_v), BATCH rows together."""
        if grid is not None and not task.images:
            raise UserError(f"{self.folder}: task {task.name!r} of this run sees no images; ask without one")
        prompts = [prompt_of(task, question) for question in questions]
        for start in range(0, len(prompts), BATCH):
            part = slice(start, start + BATCH)
            inputs = self.inputs(task, prompts[part], *(None if a is None else a[part] for a in (grid, boxes)))
            with self._lock, computing(self.config.training.precision, self.model.t5.device):
                found = self._choose(task, inputs) if task.kind.labels else self._write(task, inputs, others)
                without = [None] * len(found) if grid is None else self._blind(task, prompts[part])
            for (said, rest), blind in zip(found, without, strict=True):
                yield Answer(said.answer, said.probability, rest, blind)

    def log_probability(self, task: AskedTask, question: Question, text: str, grid: np.ndarray) -> np.ndarray:
        """ln P(text), (B,) in nats, as the answer to one question about B images with features (B, N, d_v)."""
        prompt, found = prompt_of(task, question), []
        target = self.collator.labels([text]).to(self.model.t5.device)
        for start in range(0, len(grid), 4 * BATCH):
            part = grid[start : start + 4 * BATCH]
            with self._lock, computing(self.config.training.precision, self.model.t5.device):
                inputs = self.inputs(task, [prompt] * len(part), part)
                found.append(log_likelihood(self.model, target.expand(len(part), 1, -1), inputs)[:, 0])
        return torch.cat(found).float().cpu().numpy()

    def inputs(
        self, task: AskedTask, prompts: Sequence[str], grid: np.ndarray | None, boxes: np.ndarray | None = None
    ) -> dict[str, Tensor]:
        """What `VLHyperPELT.generate` is given for B prompts and features (B, N, d_v)."""
        encoded = self.collator.texts(prompts, task.max_source_tokens)
        batch = {**encoded, "task": torch.tensor(task.number)}
        batch |= {} if grid is None else {"grid": torch.from_numpy(grid)}
        batch |= {} if boxes is None else {"boxes": torch.from_numpy(boxes)}
        return {name: value.to(self.model.t5.device) for name, value in batch.items()}

    def _blind(self, task: AskedTask, prompts: Sequence[str]) -> list[Said]:
        """What is answered without an image, which is the same for every image."""
        new = [prompt for prompt in dict.fromkeys(prompts) if (task.name, prompt) not in self._without]
        if new:
            inputs = self.inputs(task, new, None)
            found = self._choose(task, inputs) if task.kind.labels else self._write(task, inputs, 0)
            self._without |= {(task.name, prompt): said for prompt, (said, _) in zip(new, found, strict=True)}
        return [self._without[task.name, prompt] for prompt in prompts]

    def _choose(self, task: AskedTask, inputs: dict[str, Tensor]) -> list[tuple[Said, tuple[Said, ...]]]:
        """The labels of a task that is a choice; their probabilities sum to 1."""
        rows, labels = len(inputs["input_ids"]), task.kind.labels
        targets = self.collator.labels(labels).to(inputs["input_ids"].device).expand(rows, -1, -1)
        shares = log_likelihood(self.model, targets, inputs).softmax(-1).tolist()
        ordered = [sorted(map(Said, labels, share), key=lambda said: -said.probability) for share in shares]
        return [(first, tuple(rest)) for first, *rest in ordered]

    def _write(self, task: AskedTask, inputs: dict[str, Tensor], others: int) -> list[tuple[Said, tuple[Said, ...]]]:
        """Each row's answer, decoded as in evaluation, and what else a beam search finds."""
        rows, decoding = len(inputs["input_ids"]), task.decoding
        options: dict[str, Any] = {"max_new_tokens": decoding.max_new_tokens, "do_sample": False}
        best = self.model.generate(**inputs, **options, num_beams=decoding.beams).view(rows, 1, -1)
        found = self._said(best, inputs)
        if not others:
            return [(one, ()) for (one,) in found]
        # Beams find some texts in several forms, and the answer among them. Without a penalty they are ranked by
        # probability.
        beams: dict[str, Any] = {"num_beams": others + 2, "num_return_sequences": others + 2, "length_penalty": 0.0}
        more = self._said(self.model.generate(**inputs, **options, **beams).view(rows, others + 2, -1), inputs)
        return [(one, distinct(rest, one)[:others]) for (one,), rest in zip(found, more, strict=True)]

    def _said(self, tokens: Tensor, inputs: dict[str, Tensor]) -> list[list[Said]]:
        """Texts and probabilities of generated tokens (B, K, T)."""
        targets = self.targets(tokens)
        scores = log_likelihood(self.model, targets, inputs).tolist()
        tokenizer = self.collator.tokenizer
        return [
            [
                Said(text.strip(), math.exp(score))
                for text, score in zip(tokenizer.batch_decode(row, skip_special_tokens=True), found, strict=True)
            ]
            for row, found in zip(tokens, scores, strict=True)
        ]

    def targets(self, tokens: Tensor) -> Tensor:
        """Generated tokens (B, K, T) as targets (B, K, T - 1): without the start, -100 behind the first end."""
        made = tokens[..., 1:]
        ends = made.eq(self.collator.tokenizer.eos_token_id).long()
        return made.masked_fill(ends.cumsum(-1) > ends, IGNORED)


def unreadable(image: Picture, why: str) -> UserError:
    """What is said of an image that cannot be used."""
    named = f"{image}:" if isinstance(image, str | Path) else "the image"
    return UserError(f"{named} cannot be read ({why}); give another image")
