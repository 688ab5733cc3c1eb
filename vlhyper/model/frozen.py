"""A trained method frozen for one task, or one task and image: static weights, no hypernetwork at inference.

The file is safetensors. A tensor is named block.layer.number.field after the forms of vlhyper/model/forms.py, or
t5.NAME for a parameter of the backbone that was trained; the metadata say which form each one is, with the numbers
that are no tensors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from vlhyper.errors import UserError
from vlhyper.files import existing_file, replacing, write_json
from vlhyper.model.attachment import MARK, Attachment
from vlhyper.model.backbone import copies_of, digest_without, put_back
from vlhyper.model.forms import Bottleneck, Form, LatentBottleneck, LowRank, Prefix, Tokens, WholePrefix
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.saved import BACKBONE
from vlhyper.model.sites import Site

FORMAT = "vlhyper frozen forms 1"
STATIC: dict[str, Any] = {"prefix": WholePrefix, "bottleneck": Bottleneck, "low_rank": LowRank, "tokens": Tokens}


@dataclass(frozen=True)
class Frozen:
    """Forms with one row each, and the parameters of the backbone that were trained beside them.

    forms: by site; backbone: by its names; notes: method, task, image and the digest of the frozen backbone.
    """

    forms: dict[Site, list[Form]]
    backbone: dict[str, Tensor]
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    @torch.no_grad()
    def of(
        cls, model: VLHyperPELT, task: str, grid: Tensor | None = None, boxes: Tensor | None = None, image: str = ""
    ) -> Frozen:
        """What `model` makes for one task, and for one image with features (N, d_v).

        Raises UserError for an unknown task, and for a grid of another shape.
        """
        wanted = model.inputs.tokens, model.inputs.width
        if grid is not None and tuple(grid.shape) != wanted:
            raise UserError(f"image features are {tuple(grid.shape)}, this model takes {wanted}")
        one = [None if given is None else given[None].to(model.t5.device) for given in (grid, boxes)]
        training = model.training
        made = model.eval().forms(torch.tensor(model.task_number(task), device=model.t5.device), one[0], None, one[1])
        model.train(training)
        notes = {"method": model.spec.method, "task": task, BACKBONE: model.backbone_sha256}
        own = {name: weight.cpu() for name, weight in copies_of(model.t5, model.own).items()}
        return cls(
            {site: _static(forms) for site, forms in made.items()}, own, notes | ({"image": image} if image else {})
        )

    def on(self, backbone: PreTrainedModel, checked: bool = True) -> FrozenModel:
        """These weights on the backbone that the method was trained on.

        checked: False takes any of the same shape, such as the same weights in another precision.

        Raises UserError where the frozen weights of the backbone are not those that the method was trained on.
        """
        own = self.notes.get(BACKBONE) if checked else None
        if own is not None and own != digest_without(backbone, self.backbone):
            raise UserError(
                "the frozen weights are of another backbone; give the one that the method was trained on "
                "(checked=False takes any of the same shape)"
            )
        return FrozenModel(backbone, self)

    def numbers(self) -> int:
        """How many numbers the file holds."""
        return sum(tensor.numel() for tensor in self._tensors().values())

    def _tensors(self) -> dict[str, Tensor]:
        found = {f"t5.{name}": weight for name, weight in self.backbone.items()}
        for key, form in self._named():
            values = form._asdict()
            found |= {f"{key}.{name}": t.contiguous() for name, t in values.items() if isinstance(t, Tensor)}
        return found

    def _named(self) -> list[tuple[str, Form]]:
        return [
            (f"{site.block}.{site.layer}.{number}", form)
            for site, forms in self.forms.items()
            for number, form in enumerate(forms)
        ]

    def save(self, path: str | Path) -> None:
        """Write one safetensors file."""
        kinds = {kind: name for name, kind in STATIC.items()}
        described = {
            key: {"form": kinds[type(form)]}
            | {name: v for name, v in form._asdict().items() if not isinstance(v, Tensor)}
            for key, form in self._named()
        }
        with replacing(path) as part:
            save_file(self._tensors(), part, {"format": FORMAT, "forms": json.dumps(described), **self.notes})

    @classmethod
    def load(cls, path: str | Path) -> Frozen:
        """Read what `save` wrote. Raises UserError for another or a damaged file."""
        try:
            with safe_open(existing_file(path, "the frozen weights"), "pt") as file:
                notes = dict(file.metadata() or {})
                if notes.pop("format", None) != FORMAT:
                    raise UserError(f"{path}: not a file of frozen weights; make one with vlhyper freeze")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            described = json.loads(notes.pop("forms"))
            forms: dict[Site, list[Form]] = {}
            for key, values in described.items():
                block, layer, _ = key.split(".")
                parts = {name.rpartition(".")[2]: t for name, t in tensors.items() if name.startswith(f"{key}.")}
                forms.setdefault(Site(block, int(layer)), []).append(STATIC[values.pop("form")](**{**values, **parts}))
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{path}: damaged file of frozen weights ({error}); copy or freeze it again") from None
        return cls(forms, {name[3:]: t for name, t in tensors.items() if name.startswith("t5.")}, notes)

    def save_peft(self, folder: str | Path, backbone: PreTrainedModel, base: str | None = None) -> None:
        """Write a folder that `peft.PeftModel.from_pretrained` loads.

        Args:
            backbone: any of the same shape, for the names of its modules.
            base: the name of the backbone that the folder states.

        Raises UserError for anything but LoRA.
        """
        if self.backbone or not all(type(form) is LowRank for forms in self.forms.values() for form in forms):
            raise UserError(f"method {self.notes.get('method')!r} is more than LoRA; PEFT's format has no room for it")
        names = module_names(backbone)
        found: dict[str, Tensor] = {}
        scales, ranks, targets = set(), set(), set()
        for site, (form,) in self.forms.items():
            assert isinstance(form, LowRank)
            module = f"base_model.model.{names[site]}"
            found |= {
                f"{module}.lora_A.weight": form.a[0].contiguous(),
                f"{module}.lora_B.weight": form.b[0].contiguous(),
            }
            scales.add(form.scale)
            ranks.add(form.a.shape[1])
            targets.add(names[site])
        (rank,), (scale,) = ranks, scales
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with replacing(path / "adapter_model.safetensors") as part:
            save_file(found, part)
        config = {"peft_type": "LORA", "task_type": "SEQ_2_SEQ_LM", "r": rank, "lora_alpha": scale * rank}
        config |= {"target_modules": sorted(targets), "bias": "none", "lora_dropout": 0.0, "inference_mode": True}
        write_json(path / "adapter_config.json", {**config, "base_model_name_or_path": base}, indent=2)


class FrozenModel(nn.Module):
    """A backbone with frozen weights on it; it takes texts alone."""

    def __init__(self, t5: PreTrainedModel, frozen: Frozen) -> None:
        super().__init__()
        self.t5, self.frozen = t5, frozen
        weights = dict(t5.named_parameters())
        if odd := [
            name for name, new in frozen.backbone.items() if name not in weights or weights[name].shape != new.shape
        ]:
            raise UserError(f"the frozen weights are of another backbone: {odd[0]} does not fit")
        self.attachment = Attachment(t5)
        self._original = copies_of(t5, frozen.backbone)
        put_back(t5, frozen.backbone)
        self.attachment.set({site: [_moved(form, t5.device) for form in forms] for site, forms in frozen.forms.items()})

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None, **inputs: Any) -> Any:
        """The backbone's own output for (B, S) ids and mask, and (B, T) labels."""
        return self.t5(**self.attachment.encoder_inputs(input_ids, attention_mask), labels=labels, **inputs)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, attention_mask: Tensor, **options: Any) -> Tensor:
        """Token ids of the answers; `options` are those of transformers' generate."""
        searcher: Any = self.t5
        tokens: Tensor = searcher.generate(**self.attachment.encoder_inputs(input_ids, attention_mask), **options)
        return tokens

    def detach(self) -> PreTrainedModel:
        """The backbone as it was before, bit for bit."""
        put_back(self.t5, self._original)
        self.attachment.detach()
        return self.t5


def module_names(backbone: PreTrainedModel) -> dict[Site, str]:
    """The name of each site's module in the backbone."""
    attachment = getattr(backbone, MARK, None)
    places = attachment or Attachment(backbone)
    named = {module: name for name, module in backbone.named_modules()}
    found = {site: named[module] for site, module in places.modules.items()}
    if attachment is None:
        places.detach()
    return found


def _static(forms: Sequence[Form]) -> list[Form]:
    """The same forms with weights that exist; prefixes become one, since a softmax does not ask whose keys they are."""
    prefixes = [form for form in forms if isinstance(form, Prefix | WholePrefix)]
    found: list[Form] = [_exists(form) for form in forms if not isinstance(form, Prefix | WholePrefix)]
    if prefixes:
        whole = [
            WholePrefix(p.latent @ p.key, p.latent @ p.value) if isinstance(p, Prefix) else WholePrefix(p.key, p.value)
            for p in prefixes
        ]
        keys, values = zip(*whole, strict=True)
        found.insert(0, WholePrefix(torch.cat(keys, 1).cpu(), torch.cat(values, 1).cpu()))
    return found


def _exists(form: Form) -> Form:
    # Without gradients adapters are made whole.
    assert not isinstance(form, LatentBottleneck)
    if isinstance(form, Bottleneck):
        form = form._replace(scale=float(form.scale))
    return _moved(form, torch.device("cpu"))


def _moved(form: Form, device: torch.device) -> Form:
    moved = {name: t.detach().to(device) for name, t in form._asdict().items() if isinstance(t, Tensor)}
    return form._replace(**moved)  # type: ignore[arg-type]
