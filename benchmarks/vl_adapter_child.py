"""The process of vl_adapter_step.py that runs VL-Adapter's own code: one training step for every line it reads.

Its arguments are CHECKOUT/VL-T5/src and a JSON object; vl_adapter_step.py says how to set up. It imports nothing of
this project, because its transformers is another. Each answer is a line of JSON.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import types
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

# Of VLT5TokenizerFast, to which VL-Adapter's trainer resizes T5's: 100 more for the places of image tokens.
VOCABULARY = 32200
# Those of scripts/image/single_adapter.sh.
TASKS = "vqa,gqa,nlvr,caption"


def prepare(source: str) -> None:
    """Make the checkout importable with what is installed.

    transformers 4.2.1 refuses any tokenizers but 0.9.4, which has no wheel for a Python after 3.9, and does without;
    wandb is only told of results.
    """
    sys.modules["tokenizers"] = None  # type: ignore[assignment]
    sys.modules["wandb"] = types.ModuleType("wandb")
    sys.path.insert(0, source)


def build(plan: dict[str, Any]) -> nn.Module:
    """The model of scripts/image/single_adapter.sh with random weights and no dropout, frozen by its own trainer."""
    from multitask_model import VLT5MultiTask
    from param import parse_args
    from trainer_base import TrainerBase

    args = parse_args(
        parse=False,
        backbone=plan["backbone"],
        tasks=TASKS,
        use_adapter=True,
        use_single_adapter=True,
        reduction_factor=plan["reduction"],
        unfreeze_layer_norms=True,
        feat_dim=plan["width"],
        n_boxes=plan["tokens"],
        downsample=plan["tokens"] < plan["cells"],
        dropout=0.0,
    )
    trainer = TrainerBase(args)
    trainer.model = VLT5MultiTask(trainer.create_config())
    trainer.model.resize_token_embeddings(VOCABULARY)
    trainer.freeze_whole_model()
    trainer.unfreeze_parameters()
    return trainer.model.train()


def batch(plan: dict[str, Any]) -> dict[str, Tensor | str]:
    """What VL-Adapter's loader gives; CLIP's cells have boxes of zeros."""
    rows, cells = plan["batch"], plan["cells"]
    return {
        "task": "vqa",
        "input_ids": torch.randint(2, 30000, (rows, plan["source"])),
        "target_ids": torch.randint(2, 30000, (rows, plan["target"])),
        "vis_feats": torch.randn(rows, cells, plan["width"]),
        "boxes": torch.zeros(rows, cells, 4),
        "scores": torch.ones(rows),
    }


def mib() -> float:
    """The peak of this process; the system counts KiB on Linux and bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def main() -> None:
    source, words = sys.argv[1:]
    plan = json.loads(words)
    torch.set_num_threads(plan["threads"])
    torch.manual_seed(0)
    # Its trainer prints the name of every trained weight.
    with redirect_stdout(io.StringIO()):
        prepare(source)
        model = build(plan)
    data = batch(plan)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    print(json.dumps({"trained": trained}), flush=True)
    clock = time.process_time if plan["threads"] == 1 else time.perf_counter
    for _ in sys.stdin:
        began = clock()
        model.train_step(data)["loss"].backward()
        print(json.dumps({"seconds": clock() - began, "mib": mib()}), flush=True)


if __name__ == "__main__":
    main()
