"""A backbone tuned by a method: its sites, and the makers of what is put there.

Letters: B rows · S source tokens · T target tokens · N cells of the image grid · d_v its channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from vlhyper.errors import UserError, first_few
from vlhyper.files import replacing, write_json
from vlhyper.model.asking import Asking
from vlhyper.model.attachment import Attachment
from vlhyper.model.backbone import build_backbone, cast_frozen, deviations_of, digest_without, family_in
from vlhyper.model.card import Story
from vlhyper.model.forms import Form
from vlhyper.model.makers.maker import Conditions, Maker, Weight
from vlhyper.model.makers.module import MakerModule
from vlhyper.model.methods import method
from vlhyper.model.old_runs import upgraded
from vlhyper.model.saved import BACKBONE, CONFIG, find_saved, read_saved
from vlhyper.model.sharing import Sharing
from vlhyper.model.sites import Site
from vlhyper.model.sizes import Inputs, matching
from vlhyper.model.spec import WEIGHTS, ModelSpec, group_of, makers_of, tuned
from vlhyper.tensors import load_tensors

# In place of a target token where there is none, as in transformers.
IGNORED = -100


class VLHyperPELT(nn.Module, Sharing, Asking):
    """A backbone with the forms of a method at its sites (paper section 3); every row of the methods is built so.

    Trained are the makers and, where the method says so, parts of the backbone; all else is frozen. The
    backbone is called `t5` for the names in the files of runs, whichever it is.
    """

    def __init__(self, t5: PreTrainedModel, makers: Mapping[str, MakerModule], spec: ModelSpec, inputs: Inputs) -> None:
        """Join the parts; `VLHyperPELT.build` makes them from a spec."""
        super().__init__()
        self.t5, self.makers, self.spec, self.inputs = t5, nn.ModuleDict(makers), spec, inputs
        self.images = method(spec.method).images
        # Of the backbone, what the method trains: it belongs to the run, even where this run tunes something else.
        names = family_in(t5).used(dict(t5.named_parameters()))
        self.own = set(matching(names, method(spec.method).trains))
        groups = self._groups()
        trained = tuned(spec, dict.fromkeys(groups.values()))
        # After whatever can be refused: an attached backbone takes no second method.
        self.attachment = Attachment(t5)
        for name, weight in self.named_parameters():
            weight.requires_grad_(groups.get(name) in trained)

    @classmethod
    def build(cls, spec: ModelSpec, inputs: Inputs) -> VLHyperPELT:
        """A model at step 0. Raises UserError where the backbone is not available."""
        # What is wrong with the spec is said before the backbone is loaded.
        described = makers_of(spec, inputs)
        return cls.around(build_backbone(spec.backbone), described, spec, inputs)

    @classmethod
    def around(
        cls, t5: PreTrainedModel, described: Mapping[str, Maker], spec: ModelSpec, inputs: Inputs
    ) -> VLHyperPELT:
        """A model at step 0 on a backbone that is there already."""
        deviations = deviations_of(t5)
        return cls(t5, {name: MakerModule(maker, deviations) for name, maker in described.items()}, spec, inputs)

    def _described(self) -> Iterator[tuple[str, Weight]]:
        """Names and descriptions of the makers' weights."""
        for name, module in self.makers.items():
            for key, weight in cast(MakerModule, module).maker.weights().items():
                yield f"makers.{name}.{key}", weight

    def _groups(self) -> dict[str, str]:
        """The weights that belong to the run, each with the line of the parameter counts that it belongs to."""
        found = {name: weight.group for name, weight in self._described()}
        return found | dict.fromkeys((f"t5.{name}" for name in self.own), group_of(self.own))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        task: Tensor,
        grid: Tensor | None = None,
        pictured: Tensor | None = None,
        boxes: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        """The summed cross-entropy of the target tokens over `denominator`.

        The makers run in here, so that DistributedDataParallel sees their parameters and synchronises them.

        Args:
            input_ids: (B, S).
            attention_mask: (B, S).
            labels: (B, T), -100 where there is no target.
            task: () for one task in the whole batch, or (B,) of task numbers.
            grid: (B, N, d_v) image features; None where no row has an image. A method without images ignores it.
            pictured: (B,) bool, the rows that have an image; all where left out. The others get what their task alone
                makes: no visual prefix, no visual adapter, no image tokens.
            boxes: (B, N, 4) x1 y1 x2 y2 of the image's regions as shares of its width and height, for a method that
                wants them.
            denominator: what the sum is divided by; the number of target tokens of this batch where left out. Ranks
                whose batches hold different numbers of tokens pass the mean number, and get the gradient of the
                joined batch.

        Returns:
            () loss in nats.
        """
        backbone: Any = self.t5
        logits = backbone(
            **self.steered(input_ids, attention_mask, task, grid, pictured, boxes),
            # The loss is taken below; labels given to it would be averaged over this batch's tokens alone.
            decoder_input_ids=backbone.prepare_decoder_input_ids_from_labels(labels),
            use_cache=False,
        ).logits
        total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
        return total / ((labels != IGNORED).sum() if denominator is None else denominator)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        task: Tensor,
        grid: Tensor | None = None,
        pictured: Tensor | None = None,
        boxes: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Token ids of the answers, (B, ≤ max_new_tokens + 1); `options` are those of transformers' generate.

        Forms are made once per call; all steps and beams use them.
        """
        searcher: Any = self.t5  # transformers types generate for a protocol of its own
        return searcher.generate(**self.steered(input_ids, attention_mask, task, grid, pictured, boxes), **options)

    def steered(
        self,
        input_ids: Tensor,
        mask: Tensor,
        task: Tensor,
        grid: Tensor | None,
        pictured: Tensor | None,
        boxes: Tensor | None,
    ) -> dict[str, Tensor]:
        """Put the forms of this batch at their sites; gives the inputs of the encoder."""
        rows = len(input_ids)
        if task.ndim and len(task) != rows:
            raise ValueError(f"{len(task)} task numbers for {rows} rows; give one for each row, or a single one")
        if self.images == "none":
            grid = pictured = None
        wanted = (rows, self.inputs.tokens, self.inputs.width)
        if grid is not None and grid.shape != wanted:
            raise ValueError(f"image features are {tuple(grid.shape)}, this batch and model take {wanted}")
        if pictured is not None and (grid is None or pictured.shape != (rows,)):
            raise ValueError(f"pictured must have one entry for each of {rows} rows, and goes with image features")
        if grid is not None and pictured is not None:
            # Whatever is in the grid of a row without an image must not reach the others, not even as a NaN.
            grid = grid.masked_fill(~pictured[:, None, None], 0)
        if boxes is not None and boxes.shape != (*wanted[:2], 4):
            raise ValueError(f"boxes are {tuple(boxes.shape)}, this batch and model take {(*wanted[:2], 4)}")
        # The last batch's forms go first, so that two sets never take memory together.
        self.attachment.set({})
        self.attachment.set(self.forms(task, grid, pictured, boxes))
        return self.attachment.encoder_inputs(input_ids, mask)

    def forms(
        self, task: Tensor, grid: Tensor | None = None, pictured: Tensor | None = None, boxes: Tensor | None = None
    ) -> dict[Site, list[Form]]:
        """What the makers put at each site for a batch; arguments are those of `forward`."""
        words: Any = self.t5.get_input_embeddings()
        conditions = Conditions(task, grid, pictured, words.weight, boxes, self.attachment.word_scale)
        made: dict[Site, list[Form]] = {}
        for maker in self.makers.values():
            for site, forms in maker(conditions).items():
                made.setdefault(site, []).extend(forms)
        return made

    def checkpoint_gradients(self) -> None:
        """Keep only the inputs of the layers in training and run each again in backward: less memory, slower."""
        # The reentrant kind gives no gradient to weights that a block reads from elsewhere than its arguments.
        # (transformers 5.23 gave the method a new name and warns of the old one.)
        old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
        getattr(self.t5, new if hasattr(self.t5, new) else old)({"use_reentrant": False})

    def compute_in(self, dtype: torch.dtype) -> None:
        """Keep frozen matrices in bf16 or fp16. What is trained stays fp32, so all calls have to be under autocast."""
        # The digest is that of the weights as they were.
        _ = self.backbone_sha256
        cast_frozen(self.t5, dtype, self.own)

    @cached_property
    def backbone_sha256(self) -> str:
        """Tells the frozen weights apart. They never change, so it is computed once."""
        return digest_without(self.t5, self.own)

    def task_number(self, name: str) -> int:
        """The row of a task's embedding. Raises UserError for a task the model was not made for."""
        if name not in self.inputs.tasks:
            raise UserError(f"task {name!r}: this model knows {', '.join(self.inputs.tasks)}")
        return self.inputs.tasks.index(name)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Keep the statistics of the training images' grids: channel means (d_v,) and the overall deviation ()."""
        for maker in self.makers.values():
            cast(MakerModule, maker).standardise(mean, deviation)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of what is trained."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad)

    def per_task(self) -> list[str]:
        """Names of the trained tensors whose first axis counts the tasks."""
        return [name for name, weight in self._described() if weight.per_task]

    def _kept(self) -> dict[str, Tensor]:
        """All that a run adds to its frozen backbone, tuned or not, and the statistics of the image features."""
        own = self._groups()
        kept: dict[str, Tensor] = {name: weight for name, weight in self.named_parameters() if name in own}
        saved = self.makers.state_dict(keep_vars=True).items()
        return kept | {f"makers.{name}": value for name, value in saved if not isinstance(value, nn.Parameter)}

    def state(self) -> dict[str, Tensor]:
        """Copies of all that a run adds to its frozen backbone, by name."""
        return {name: value.detach().cpu().contiguous() for name, value in self._kept().items()}

    def load_state(self, state: dict[str, Tensor], source: str) -> None:
        """Put a `state` in. Raises UserError that names `source` where names or shapes differ."""
        mine, state = self._kept(), upgraded(state, self.spec.method)
        if odd := set(mine) ^ set(state):
            raise UserError(f"{source}: does not fit this model: {first_few(sorted(odd))} are in only one of the two")
        for name, value in mine.items():
            if value.shape != state[name].shape:
                raise UserError(f"{source}: {name} is {tuple(state[name].shape)}, this model's is {tuple(value.shape)}")
            value.data.copy_(state[name])

    def save(self, folder: Path, spec: ModelSpec | None = None) -> None:
        """Write `adapter_model.safetensors` and `adapter_config.json`: what was trained, and what it was trained on."""
        with replacing(folder / WEIGHTS) as part:
            save_file(self.state(), part)
        config = {"model": (spec or self.spec).model_dump(), "inputs": self.inputs.model_dump()}
        write_json(folder / CONFIG, {**config, BACKBONE: self.backbone_sha256}, indent=2)

    def story(self) -> Story:
        """What the card tells of the model itself: parameters by part, and what they sit on."""
        groups, parts = self._groups(), Counter[str]()
        for name, weight in self.trained():
            parts[groups[name]] += weight.numel()
        total = sum(weight.numel() for weight in self.parameters())
        return Story(self.spec, self.inputs, parts, total, self.backbone_sha256)

    @classmethod
    def from_pretrained(
        cls,
        run: str | Path,
        backbone: str | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> VLHyperPELT:
        """A trained model from a run folder or a hub id.

        Args:
            backbone: a hub id or a local folder to use in place of the one the run was trained on (the same weights
                elsewhere).

        The other arguments are for a hub id, and those of transformers.

        Raises UserError where files are missing or damaged, or the backbone is another one.
        """
        options = {"revision": revision, "token": token, "cache_dir": cache_dir}
        folder = find_saved(run, **options, force_download=force_download, local_files_only=local_files_only)
        spec, inputs, backbone_sha256 = read_saved(folder)
        if backbone:
            spec = spec.model_copy(update={"backbone": backbone})
        # Read before the backbone is loaded, which takes long, so that a damaged file is found at once.
        state = read_weights(folder / WEIGHTS)
        model = cls.build(spec, inputs)
        if backbone_sha256 not in (None, model.backbone_sha256):
            raise UserError(
                f"{folder / CONFIG}: trained on another backbone than {spec.backbone!r} holds now (the frozen weights "
                "differ); give the one that the run was trained on"
            )
        model.load_state(state, str(folder / WEIGHTS))
        model.origin = folder
        return model.eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors that `save_pretrained` wrote. Raises UserError where the file is missing or damaged."""
    return load_tensors(path, "the trained weights")
