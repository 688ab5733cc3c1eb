"""Time of generating answers: vl_hyperpelt beside the stock T5, with and without image tokens before its text.

    python benchmarks/generation.py             t5-base shapes, 16 questions of 20 tokens, answers of 10, one thread
    python benchmarks/generation.py --batch 64 --threads 8

Random weights; no answer ends early. Rounds are interleaved, so that a busy machine slows all alike; at one thread the
process's own CPU time is taken, else wall-clock time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from rounds import medians, timed
from saved import show
from torch.nn import functional as F

from vlhyper.model.backbone import build_backbone
from vlhyper.model.families.t5 import KNOWN_T5
from vlhyper.model.model import VLHyperPELT
from vlhyper.model.spec import Inputs, ModelSpec
from vlhyper.run.memory import keep_freed_memory

CELLS, CHANNELS = 49, 2048
BEAMS = {"greedy": 1, "5 beams": 5}
STOCK = "stock T5"


def answering(options: argparse.Namespace) -> dict[str, Callable[[int], object]]:
    """What is timed, each a function of the number of beams."""
    rows, source = options.batch, options.source
    fields = KNOWN_T5[options.backbone].fields()
    inputs = Inputs(tasks=("vqa", "vg_qa", "gqa", "caption"), tokens=CELLS, width=CHANNELS)
    ours = VLHyperPELT.build(ModelSpec(method="vl_hyperpelt", backbone=fields), inputs).eval()
    stock = build_backbone(fields).eval()
    stock.set_attn_implementation("sdpa")
    text = {
        "input_ids": torch.randint(2, 30000, (rows, source)),
        "attention_mask": torch.ones(rows, source, dtype=torch.long),
    }
    grid, mapping = torch.randn(rows, CELLS, CHANNELS), torch.nn.Linear(CHANNELS, stock.config.d_model)
    length = {"min_new_tokens": options.target, "max_new_tokens": options.target, "do_sample": False}

    def with_tokens(beams: int) -> object:
        embeds = torch.cat([mapping(grid), stock.shared(text["input_ids"])], dim=1)
        mask = F.pad(text["attention_mask"], (CELLS, 0), value=1)
        return stock.generate(inputs_embeds=embeds, attention_mask=mask, num_beams=beams, **length)

    return {
        "vl_hyperpelt": lambda beams: ours.generate(**text, task=torch.tensor(0), grid=grid, num_beams=beams, **length),
        STOCK: lambda beams: stock.generate(**text, num_beams=beams, **length),
        "stock T5 + 49 image tokens": with_tokens,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="t5-base", choices=sorted(KNOWN_T5))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--source", type=int, default=20)
    parser.add_argument("--target", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the table for the documentation")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # As `vlhyper evaluate` does.
    keep_freed_memory()
    torch.manual_seed(0)
    systems = answering(options)
    turns = {
        (search, name): timed(partial(generate, beams), options.threads)
        for search, beams in BEAMS.items()
        for name, generate in systems.items()
    }
    with torch.no_grad():
        taken = medians(turns, options.rounds)
    shapes = f"B {options.batch}, S {options.source}, T {options.target}"
    show(
        "generation",
        ("search", "system", "seconds", f"× {STOCK}"),
        [(search, name, value, value / taken[search, STOCK]) for (search, name), value in taken.items()],
        f"{options.backbone}, {shapes}, {options.threads} thread(s)",
        options.save,
    )


if __name__ == "__main__":
    main()
