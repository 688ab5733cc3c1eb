"""A training step of VL-HyperPELT against one of VL-Adapter's own code, with 36 image tokens and with all 49.

    git clone https://github.com/ylsung/VL_adapter
    pip install --target peer sacremoses requests "setuptools<81"
    pip install --target peer --no-deps transformers==4.2.1
    python benchmarks/vl_adapter_step.py VL_adapter peer

VL-Adapter (tried at commit 545fcbb, on Python 3.11) is built on transformers 4.2.1. A process of its own imports that
from the folder `peer`, so that nothing installed changes; Python, torch and numpy are the same on both sides. The
checkout stays as it is: its own parser, config, model, freezing and train_step run, with the published single adapter
(reduction factor 4). What its modules import and no step uses (torchvision, timm, ftfy) is there with this project's
extra `model`.

Random weights, no dropout, forward + backward; the forms take their steps in turn, as in step_time.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rounds import medians
from saved import show
from step_time import ALONE, CHANNELS, TASKS, backbone, peak, shapes, size_options, turns

from vlhyper.console import say, tracked
from vlhyper.model.spec import Inputs, ModelSpec, count
from vlhyper.run.memory import keep_freed_memory

CHILD = Path(__file__).parent / "vl_adapter_child.py"
METHOD = "vl_hyperpelt"
OURS = (METHOD, ALONE)
REDUCTION = 4
POOLED = 36


class Peer:
    """A model of VL-Adapter's own code in a process of its own, which takes a step when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.trained: int = self._answer()["trained"]
        self.mib = 0.0

    def step(self) -> float:
        """Seconds of one step; `mib` is the peak of the process after it."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        answer = self._answer()
        self.mib = answer["mib"]
        return answer["seconds"]

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("error: VL-Adapter's process ended; its own words are above, the setup is in --help")
        return json.loads(line)


def started(options: argparse.Namespace, config: Path, tokens: int) -> subprocess.Popen[str]:
    plan = {key: getattr(options, key) for key in ("batch", "source", "target", "cells", "threads")}
    plan |= {"backbone": str(config), "width": CHANNELS, "tokens": tokens, "reduction": REDUCTION}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", CHILD, options.checkout / "VL-T5" / "src", json.dumps(plan)],
        env=os.environ | {"PYTHONPATH": str(options.packages.resolve())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def write_config(options: argparse.Namespace, folder: Path) -> Path:
    """The backbone's config in a folder whose name says t5, by which VL-Adapter tells it from BART."""
    config = folder / options.backbone
    config.mkdir()
    # The published T5's own; transformers 5 knows it without being told.
    fields = backbone(options.backbone) | {"decoder_start_token_id": 0}
    (config / "config.json").write_text(json.dumps(fields))
    return config


def expected(options: argparse.Namespace) -> int:
    """Trained parameters of VL-Adapter, as this project counts them: 19,333,632 on t5-base."""
    fields = backbone(options.backbone)
    width = fields["d_model"] // REDUCTION  # type: ignore[operator]
    spec = ModelSpec(method="vl_adapter", backbone=fields, bottleneck=width)  # type: ignore[call-arg]
    return count(spec, Inputs(tasks=TASKS, tokens=options.cells, width=CHANNELS)).trained


def main() -> None:
    parser = size_options(__doc__)
    parser.add_argument("checkout", type=Path, help="a clone of ylsung/VL_adapter")
    parser.add_argument("packages", type=Path, help="the folder into which pip put transformers 4.2.1")
    options = parser.parse_args()
    for path in (
        options.checkout / "VL-T5" / "src" / "multitask_model.py",
        options.packages / "transformers-4.2.1.dist-info",
    ):
        if not path.exists():
            parser.error(f"{path} does not exist; --help says how to set up")
    torch.set_num_threads(options.threads)
    # As `vlhyper train` does, for T5 alone too.
    keep_freed_memory()
    torch.manual_seed(0)
    with ExitStack() as stack:
        config = write_config(options, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        # First: a child starts with the peak of its parent on its account, and this process is still small.
        peers: dict[str, Peer] = {}
        for tokens in sorted({min(POOLED, options.cells), options.cells}):
            say(f"building VL-Adapter's own model with {tokens} image tokens")
            peers[f"VL-Adapter's code, {tokens} tokens"] = Peer(stack.enter_context(started(options, config, tokens)))
        compare(options, peers)


def compare(options: argparse.Namespace, peers: dict[str, Peer]) -> None:
    """Show the table; refuse a model of VL-Adapter that trains other than it should."""
    for name, peer in peers.items():
        if peer.trained != expected(options):
            raise SystemExit(f"error: {name}: {peer.trained:,} trained parameters, not {expected(options):,}")
    memory = {name: peak(options, name)[0] for name in tracked(OURS, "memory")}
    forms = turns(options, OURS) | {name: peer.step for name, peer in peers.items()}
    taken = medians(forms, options.rounds)
    memory |= {name: peer.mib for name, peer in peers.items()}
    show(
        "step_peer",
        ("form", "seconds", f"× {ALONE}", f"× {METHOD}", "peak MiB"),
        [
            (name, value, value / taken[ALONE], value / taken[METHOD], round(memory[name]))
            for name, value in taken.items()
        ],
        f"{shapes(options)}; VL-Adapter trains {expected(options):,} parameters",
        options.save,
    )


if __name__ == "__main__":
    main()
