"""A method on a model that the user already has, for a training loop of one's own or a transformers Trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import Seq2SeqLMOutput

from vlhyper.errors import UserError
from vlhyper.model.backbone import copies_of, put_back
from vlhyper.model.families import config_fields
from vlhyper.model.model import VLHyperPELT, read_weights
from vlhyper.model.sizes import Inputs
from vlhyper.model.spec import WEIGHTS, ModelSpec, makers_of
from vlhyper.settings import validated

Tasks = str | Sequence[str] | Tensor | None


def attach(
    backbone: PreTrainedModel,
    method: str = "hyperpelt",
    tasks: Sequence[str] = ("task",),
    image: tuple[int, int] | None = None,
    **options: Any,
) -> AttachedModel:
    """Put a method on a backbone: freezes what the method does not train, and adds what it trains.

    Args:
        backbone: a T5, mT5, BART, T5Gemma or T5Gemma 2 of transformers, in its ForConditionalGeneration class; it is
            changed in place until `detach`.
        method: a row of the table of methods.
        tasks: names of the tasks, in the order of their embeddings.
        image: (N, d_v), cells and channels of the image features, for a method that sees images.
        options: those of the method's makers, and `tune`, as in the `model` section of a config.

    Raises UserError for an unknown method or option, another kind of model, and one that has a method attached already.
    """
    config = backbone.config
    fields = config_fields(config.to_dict(), "the model's config")
    named = config.name_or_path or {"model_type": config.model_type, **fields.written()}
    cells, channels = image or (None, None)
    inputs = Inputs(tasks=tuple(tasks), tokens=cells, width=channels)
    spec = validated(ModelSpec, {"method": method, "backbone": named, **options}, "attach")
    described = makers_of(spec, inputs, fields.size)
    trained_before = {name: weight.requires_grad for name, weight in backbone.named_parameters()}
    return AttachedModel(VLHyperPELT.around(backbone, described, spec, inputs), trained_before)


class AttachedModel(nn.Module):
    """A backbone with a method on it. Its parameters that require gradients are those the method trains."""

    def __init__(self, model: VLHyperPELT, trained_before: Mapping[str, bool]) -> None:
        """`attach` makes them; `trained_before` says of the backbone's parameters whether they required gradients."""
        super().__init__()
        self.model, self._trained_before = model.to(model.t5.device), trained_before
        # What detaching and disabling put back: norms are small; of full fine-tuning this is a second backbone.
        self._original = copies_of(model.t5, model.own)
        self._disabled = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return self.model.inputs.tasks

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        task: Tasks = None,
        grid: Tensor | None = None,
        pictured: Tensor | None = None,
        boxes: Tensor | None = None,
        **inputs: Any,
    ) -> Seq2SeqLMOutput:
        """The backbone's own output; with labels its `.loss` is the mean cross-entropy of the target tokens.

        Args:
            input_ids, attention_mask: (B, S).
            labels: (B, T), -100 where there is no target.
            task: a name for the whole batch, B names, or task numbers () or (B,); may be left out with a single task.
            grid: (B, N, d_v) image features; pictured: (B,) bool, the rows that have an image; boxes: (B, N, 4).
            inputs: whatever else its forward takes.
        """
        source = self._source(input_ids, attention_mask, task, grid, pictured, boxes)
        output: Seq2SeqLMOutput = self.model.t5(**source, labels=labels, **inputs)
        return output

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        task: Tasks = None,
        grid: Tensor | None = None,
        pictured: Tensor | None = None,
        boxes: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Token ids of the answers; `options` are those of transformers' generate."""
        searcher: Any = self.model.t5
        tokens: Tensor = searcher.generate(
            **self._source(input_ids, attention_mask, task, grid, pictured, boxes), **options
        )
        return tokens

    def _source(
        self, ids: Tensor, mask: Tensor | None, task: Tasks, grid: Tensor | None, pictured: Any, boxes: Tensor | None
    ) -> dict[str, Tensor]:
        if mask is None:
            mask = ids.ne(self.model.t5.config.pad_token_id or 0).long()
        if self._disabled:
            return {"input_ids": ids, "attention_mask": mask}
        return self.model.steered(ids, mask, self._numbers(task).to(ids.device), grid, pictured, boxes)

    def _numbers(self, task: Tasks) -> Tensor:
        if isinstance(task, Tensor):
            return task
        if task is None:
            if len(self.tasks) > 1:
                raise UserError(f"this model has {len(self.tasks)} tasks; say which: task={self.tasks[0]!r}")
            return torch.tensor(0)
        if isinstance(task, str):
            return torch.tensor(self.model.task_number(task))
        return torch.tensor([self.model.task_number(name) for name in task])

    @contextmanager
    def disable(self) -> Iterator[None]:
        """Within this block the model is the plain backbone, bit for bit."""
        trained = copies_of(self.model.t5, self.model.own)
        put_back(self.model.t5, self._original)
        self.model.attachment.set({})
        self._disabled = True
        try:
            yield
        finally:
            self._disabled = False
            put_back(self.model.t5, trained)

    def detach(self) -> PreTrainedModel:
        """The backbone as it was before `attach`, bit for bit; this model is of no more use."""
        put_back(self.model.t5, self._original)
        self.model.attachment.detach()
        for name, weight in self.model.t5.named_parameters():
            weight.requires_grad_(self._trained_before[name])
        return self.model.t5

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Any]:  # type: ignore[override]
        """What the method added and trained, without the frozen backbone."""
        return self.model.state()

    def load_state_dict(self, state_dict: Any, *_: Any, **__: Any) -> None:
        """Put a `state_dict` in. Raises UserError where names or shapes differ."""
        self.model.load_state(dict(state_dict), "state_dict")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write what was trained, as a run folder has it; `load` and `VLHyperPELT.from_pretrained` read it."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)

    def load(self, folder: str | Path) -> None:
        """Put in what `save_pretrained` wrote. Raises UserError where it does not fit."""
        path = Path(folder, WEIGHTS)
        self.model.load_state(read_weights(path), str(path))
