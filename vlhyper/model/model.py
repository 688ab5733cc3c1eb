"""VL-HyperPELT: a frozen T5, its places, and the maker of their weights.

Letters: B rows · S source tokens · T target tokens · N cells of the image grid · d_v its channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

from vlhyper.errors import UserError, first_few
from vlhyper.files import existing_file, read_json, replacing, write_json
from vlhyper.model.backbone import build_backbone, key_value_deviation, layer_norms
from vlhyper.model.makers import Conditions, HyperMaker, VisualMapping
from vlhyper.model.methods import method
from vlhyper.model.places import Places
from vlhyper.model.spec import Inputs, ModelSpec, sizes

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


class VLHyperPELT(nn.Module):
    """A T5 steered by generated weights (paper section 3).

    Trained are the maker and, where the method says so, T5's layer norms; all else is frozen.
    """

    def __init__(self, t5: T5ForConditionalGeneration, maker: HyperMaker, spec: ModelSpec, inputs: Inputs) -> None:
        """Join the parts; `VLHyperPELT.build` makes them from a spec."""
        super().__init__()
        self.t5, self.maker, self.spec, self.inputs = t5, maker, spec, inputs
        self.places = Places(t5)
        if method(spec.method).layer_norms:
            for _, weight in layer_norms(t5):
                weight.requires_grad_(True)

    @classmethod
    def build(cls, spec: ModelSpec, inputs: Inputs) -> VLHyperPELT:
        """A model at step 0. Raises UserError where the backbone can't be had."""
        t5 = build_backbone(spec.backbone)
        return cls(t5, HyperMaker(sizes(spec, inputs), *key_value_deviation(t5)), spec, inputs)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        task: Tensor,
        grid: Tensor | None = None,
        denominator: Tensor | float | None = None,
    ) -> Tensor:
        """The summed cross-entropy of the target tokens over `denominator`.

        The maker runs in here, so that DistributedDataParallel sees its parameters and synchronises them.

        Args:
            input_ids, attention_mask: (B, S).
            labels: (B, T), -100 where there is no target.
            task: () for one task in the whole batch, or (B,) of task numbers.
            grid: (B, N, d_v) image features, where the method uses images.
            denominator: what the sum is divided by; the number of target tokens of this batch where left out. Ranks
                whose batches hold different numbers of tokens pass the mean number, and get the gradient of the
                joined batch.

        Returns:
            () loss in nats.
        """
        self._steer(input_ids, task, grid)
        logits = self.t5(
            input_ids=input_ids,
            attention_mask=attention_mask,
            # The loss is taken below; labels given to T5 would be averaged over this batch's tokens alone.
            decoder_input_ids=self.t5._shift_right(labels),
            use_cache=False,
        ).logits
        total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100, reduction="sum")
        return total / ((labels != -100).sum() if denominator is None else denominator)

    @torch.no_grad()
    def generate(
        self, input_ids: Tensor, attention_mask: Tensor, task: Tensor, grid: Tensor | None = None, **options: Any
    ) -> Tensor:
        """Token ids of the answers, (B, ≤ max_new_tokens + 1); `options` are those of transformers' generate.

        Weights are made once per call; all steps and beams use them.
        """
        self._steer(input_ids, task, grid)
        searcher: Any = self.t5  # transformers types generate for a protocol of its own
        return searcher.generate(input_ids=input_ids, attention_mask=attention_mask, **options)

    def _steer(self, input_ids: Tensor, task: Tensor, grid: Tensor | None) -> None:
        """Make the weights of this batch and put them in their places."""
        rows = len(input_ids)
        if task.ndim and len(task) != rows:
            raise ValueError(f"{len(task)} task numbers for {rows} rows; give one for each row, or a single one")
        wanted = (rows, self.inputs.tokens, self.inputs.width)
        if grid is not None and grid.shape != wanted:
            raise ValueError(f"image features are {tuple(grid.shape)}, this batch and model take {wanted}")
        # The last batch's weights go first, so that two sets never stand in memory together.
        self.places.set({})
        self.places.set(self.maker(Conditions(task, grid)))

    def checkpoint_gradients(self) -> None:
        """Keep only the inputs of T5's blocks in training and run each block again in backward: leaner, slower."""
        # The reentrant kind gives no gradient to weights that a block reads from elsewhere than its arguments.
        # (transformers 5.23 gave the method a new name and warns of the old one.)
        old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
        getattr(self.t5, new if hasattr(self.t5, new) else old)({"use_reentrant": False})

    def task_number(self, name: str) -> int:
        """The row of a task's embedding. Raises UserError for a task the model was not made for."""
        if name not in self.inputs.tasks:
            raise UserError(f"task {name!r}: this model knows {', '.join(self.inputs.tasks)}")
        return self.inputs.tasks.index(name)

    def standardise(self, mean: Tensor, deviation: Tensor) -> None:
        """Keep the statistics of the training images' grids: channel means (d_v,) and the overall deviation ()."""
        for module in self.modules():
            if isinstance(module, VisualMapping):
                module.mean.copy_(mean)
                module.deviation.copy_(deviation)

    def trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of what is trained. Saving, counting and the optimiser all follow from it."""
        return ((name, parameter) for name, parameter in self.named_parameters() if parameter.requires_grad)

    def state(self) -> dict[str, Tensor]:
        """All that a run adds to its frozen T5: what is trained, and the statistics of the image features."""
        buffers = ((f"maker.{name}", buffer) for name, buffer in self.maker.named_buffers())
        return {name: value.detach().cpu().contiguous() for name, value in [*self.trained(), *buffers]}

    def load_state(self, state: dict[str, Tensor], source: str) -> None:
        """Put a `state` in. Raises UserError that names `source` where names or shapes differ."""
        mine = {**dict(self.trained()), **{f"maker.{name}": buffer for name, buffer in self.maker.named_buffers()}}
        if odd := set(mine) ^ set(state):
            raise UserError(f"{source}: does not fit this model: {first_few(sorted(odd))} stand in only one of the two")
        for name, value in mine.items():
            if value.shape != state[name].shape:
                raise UserError(f"{source}: {name} is {tuple(state[name].shape)}, this model's is {tuple(value.shape)}")
            value.data.copy_(state[name])

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `adapter_model.safetensors` and `adapter_config.json`: only what was trained, and on what it sits."""
        folder = Path(folder)
        with replacing(folder / WEIGHTS) as part:
            save_file(self.state(), part)
        config = {"model": self.spec.model_dump(), "inputs": self.inputs.model_dump()}
        write_json(folder / CONFIG, config, indent=2)

    @classmethod
    def from_pretrained(cls, run: str | Path, backbone: str | None = None) -> VLHyperPELT:
        """A trained model from a run folder or a hub id.

        Args:
            backbone: a local folder to use in place of the one the run was trained on (the same weights elsewhere).
        """
        folder = Path(run)
        if not folder.is_dir():
            folder = _download(str(run))
        spec, inputs = _read_config(folder / CONFIG)
        if backbone:
            spec = spec.model_copy(update={"backbone": backbone})
        # Before the backbone, which takes long: a torn file is found at once.
        state = _read_weights(folder / WEIGHTS)
        model = cls.build(spec, inputs)
        model.load_state(state, str(folder / WEIGHTS))
        return model.eval()

    def push_to_hub(self, repo: str, private: bool = False) -> str:
        """Upload the trained weights and their config to the hub; returns the address of the commit."""
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return str(api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Add trained weights"))


def _read_config(path: Path) -> tuple[ModelSpec, Inputs]:
    """What `save_pretrained` wrote. Raises UserError that names the file and the entry."""
    config = read_json(path)
    if not isinstance(config, dict) or not {"model", "inputs"} <= config.keys():
        raise UserError(f"{path}: not the configuration of a trained model (needs the entries model and inputs)")
    try:
        return ModelSpec.model_validate(config["model"]), Inputs.model_validate(config["inputs"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "an entry"
        raise UserError(f"{path}: {where}: {first['msg']}; take the file as training wrote it") from None


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(existing_file(path, "the trained weights"))
    except SafetensorError as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); copy it again or take a checkpoint") from None


def _download(repo: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=[WEIGHTS, CONFIG]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"{repo}: neither a run folder here nor a repository that can be had ({error})") from None
