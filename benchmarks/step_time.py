"""Time and memory of a training step: the latent form against its plain transcription and against T5 alone.

    python benchmarks/step_time.py                      t5-base shapes, B 16, S 20, T 6, one thread
    python benchmarks/step_time.py --batch 128 --threads 8 --rounds 3
    python benchmarks/step_time.py --methods all        every method beside T5 alone
    python benchmarks/step_time.py --grow               how a step grows with tasks, grid cells, batch and backbone

Random weights, no dropout, forward + backward. Rounds are interleaved, so that a busy machine slows all alike; at one
thread the process's own CPU time is taken, else wall-clock time. Memory is the peak of a process that runs one form.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial

import torch
from plain_form import plain_loss
from rounds import Turn, medians, timed
from saved import show
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration

from vlhyper.console import tracked
from vlhyper.model.backbone import build_backbone
from vlhyper.model.families.t5 import KNOWN_T5
from vlhyper.model.methods import METHODS, NORMS
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.sizes import matching
from vlhyper.model.spec import Inputs, ModelSpec
from vlhyper.run.memory import keep_freed_memory

CHANNELS = 2048
TASKS = ("vqa", "vg_qa", "gqa", "caption")
GROWTH: dict[str, tuple[int | str, ...]] = {
    "tasks": (4, 8, 32),
    "cells": (49, 196),
    "batch": (16, 64, 128),
    "backbone": ("t5-small", "t5-base", "t5-large"),
}
Step = Callable[[], Tensor]


def backbone(name: str) -> dict[str, object]:
    """T5Config fields of a known backbone, without dropout: the plain form has none."""
    return KNOWN_T5[name].fields() | {"dropout_rate": 0.0}


def batch(options: argparse.Namespace) -> dict[str, Tensor]:
    rows, source, target = options.batch, options.source, options.target
    return {
        "input_ids": torch.randint(2, 30000, (rows, source)),
        "attention_mask": torch.ones(rows, source, dtype=torch.long),
        "labels": torch.randint(2, 30000, (rows, target)),
        "task": torch.tensor(0),
        "grid": torch.randn(rows, options.cells, CHANNELS),
    }


def ours(options: argparse.Namespace, method: str = "vl_hyperpelt") -> VLHyperPELT:
    names = [*TASKS, *(f"task {number}" for number in range(options.tasks))][: options.tasks]
    inputs = Inputs(tasks=tuple(names), tokens=options.cells, width=CHANNELS)
    return VLHyperPELT.build(ModelSpec(method=method, backbone=backbone(options.backbone)), inputs)


def latent(options: argparse.Namespace, data: dict[str, Tensor]) -> Step:
    return of_method("vl_hyperpelt")(options, data)


def of_method(name: str) -> Callable[[argparse.Namespace, dict[str, Tensor]], Step]:
    """A step of a row of the table of methods; one that sees no images gets none."""

    def form(options: argparse.Namespace, data: dict[str, Tensor]) -> Step:
        model, seen = ours(options, name), dict(data)
        if METHODS[name].images == "none":
            del seen["grid"]
        if METHODS[name].boxes:
            seen["boxes"] = torch.rand(options.batch, options.cells, 4).sort(-1).values
        return lambda: model(**seen)

    return form


def plain(options: argparse.Namespace, data: dict[str, Tensor]) -> Step:
    model = ours(options)
    return lambda: plain_loss(model, **data)


def frozen(options: argparse.Namespace, data: dict[str, Tensor]) -> Step:
    """T5 with nothing trained but its layer norms."""
    t5 = norms_trained(options)
    text = {name: data[name] for name in ("input_ids", "attention_mask", "labels")}
    return lambda: t5(**text).loss


def image_tokens(options: argparse.Namespace, data: dict[str, Tensor]) -> Step:
    """T5 that reads the mapped grid cells before its text: as long as the input of CLIP-T5 and VL-Adapter."""
    t5 = norms_trained(options)
    mapping = nn.Linear(CHANNELS, t5.config.d_model)
    mask = F.pad(data["attention_mask"], (options.cells, 0), value=1)

    def step() -> Tensor:
        embeds = torch.cat([mapping(data["grid"]), t5.shared(data["input_ids"])], dim=1)
        return t5(inputs_embeds=embeds, attention_mask=mask, labels=data["labels"]).loss

    return step


def norms_trained(options: argparse.Namespace) -> T5ForConditionalGeneration:
    t5 = build_backbone(backbone(options.backbone))
    t5.set_attn_implementation("sdpa")
    weights = dict(t5.named_parameters())
    for name in matching(weights, NORMS):
        weights[name].requires_grad_(True)
    return t5


ALONE = "T5 alone"
FORMS = {"latent": latent, "plain": plain, ALONE: frozen, "T5 + image tokens": image_tokens}
FORMS |= {name: of_method(name) for name in METHODS}
SHOWN = ("latent", "plain", "T5 + image tokens")
# So many models are in memory at the same time, beside T5 alone.
TOGETHER = 4


def times(options: argparse.Namespace, forms: Sequence[str]) -> dict[str, float]:
    """Median seconds of a step of every form."""
    return medians(turns(options, forms), options.rounds)


def beside_alone(options: argparse.Namespace, forms: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Median seconds of a step of T5 alone and of every form, and how many times as long as the former's it takes."""
    found: dict[str, tuple[float, float]] = {}
    for start in range(0, len(forms), TOGETHER):
        taken = times(options, (ALONE, *forms[start : start + TOGETHER]))
        for name, value in taken.items():
            # T5 alone as it was beside the first of them.
            found.setdefault(name, (value, value / taken[ALONE]))
    return found


def turns(options: argparse.Namespace, forms: Sequence[str]) -> dict[str, Turn]:
    """What takes a step of each form on one batch."""
    data = batch(options)
    return {name: timed(partial(take, FORMS[name](options, data)), options.threads) for name in forms}


def take(step: Step) -> None:
    step().backward()


def peak(options: argparse.Namespace, name: str) -> tuple[float, float]:
    """MiB: the peak of a process that takes two steps of one form, and how much of it the steps added."""
    words = [sys.executable, __file__, "--only", name]
    for key in ("backbone", "batch", "source", "target", "threads", "tasks", "cells"):
        words += [f"--{key}", str(getattr(options, key))]
    before, after = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return float(after), float(after) - float(before)


def run_only(options: argparse.Namespace) -> None:
    step = FORMS[options.only](options, batch(options))
    before = max_rss()
    for _ in range(2):
        step().backward()
    print(before, max_rss())


def max_rss() -> float:
    """MiB; the system counts KiB on Linux and bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def growth(options: argparse.Namespace) -> None:
    """A step of vl_hyperpelt beside T5 alone, with one size changed at a time."""
    rows = []
    for key, values in GROWTH.items():
        for value in values:
            one = argparse.Namespace(**{**vars(options), key: value})
            taken = times(one, ("latent", ALONE))
            rows.append((f"{key} {value}", taken["latent"], taken[ALONE], taken["latent"] / taken[ALONE]))
    columns = ("size", "seconds", ALONE, "ratio")
    show("step_growth", columns, rows, f"a step of vl_hyperpelt; else {shapes(options)}", options.save)


def shapes(options: argparse.Namespace) -> str:
    sizes = f"B {options.batch}, S {options.source}, T {options.target}, N {options.cells}, {options.tasks} tasks"
    return f"{options.backbone}, {sizes}, {options.threads} thread(s)"


def size_options(about: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark of steps: sizes, threads and rounds."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="t5-base", choices=sorted(KNOWN_T5))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--source", type=int, default=20)
    parser.add_argument("--target", type=int, default=6)
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    parser.add_argument("--cells", type=int, default=49)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the table for the documentation")
    return parser


def main() -> None:
    parser = size_options(__doc__)
    parser.add_argument("--methods", help="rows of the table of methods with commas, or all")
    parser.add_argument("--grow", action="store_true", help="change one size at a time")
    parser.add_argument("--only", choices=sorted(FORMS), help="take two steps of one form and print its memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # As `vlhyper train` does.
    keep_freed_memory()
    torch.manual_seed(0)
    if options.only:
        return run_only(options)
    if options.grow:
        return growth(options)
    named = METHODS if options.methods == "all" else (options.methods or "").split(",")
    forms = tuple(named) if options.methods else SHOWN
    # First: a child starts with the peak of its parent on its account, and this process is still small.
    peaks = {name: peak(options, name) for name in tracked((ALONE, *forms), "memory")}
    show(
        "step_methods" if options.methods else "step_time",
        ("form", "seconds", f"× {ALONE}", "peak MiB", "of it by steps"),
        [(name, *taken, *map(round, peaks[name])) for name, taken in beside_alone(options, forms).items()],
        shapes(options),
        options.save,
    )


if __name__ == "__main__":
    main()
