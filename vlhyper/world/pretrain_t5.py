"""Pretrain the miniature T5 on the world's texts.

    python -m vlhyper.world.pretrain_t5 --out t5

It answers questions about written scenes, captions them, and fills gaps in scenes described twice. Pairs of colour and
shape in UNSEEN_PAIRS never occur. A T5 of this size learns which colour belongs to which shape only if the learning
rates fit its unusual scales: attention logits are not divided by the square root of the head width, so query weights
are smaller by this factor and need a rate smaller by this factor; embeddings have standard deviation 1 and need a
larger rate.

The shipped model was made by this command: 5,000 steps, 16 minutes on one core. It answers 99.0 % of new questions
about scenes of seen pairs and 99.3 % about unseen pairs (counting 88 and 91 %, entailment 95 and 97 %, all other kinds
above 98 %).
"""

from __future__ import annotations

import argparse
from collections import defaultdict, deque
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from vlhyper.console import progress, say
from vlhyper.model.model import IGNORED
from vlhyper.world.scene import draw_scene
from vlhyper.world.texts import SENTINELS, Writer, hide_spans
from vlhyper.world.tokenizer import build_tokenizer

HEADS, HEAD_WIDTH = 4, 32
# Half of the heads start with equal key and query weights: they attend to similar words.
ALIKE_HEADS = 2


def new_model(vocabulary: int) -> T5ForConditionalGeneration:
    options: dict[str, Any] = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = T5Config(
        vocab_size=vocabulary,
        d_model=128,
        d_kv=HEAD_WIDTH,
        d_ff=256,
        num_layers=3,
        num_heads=HEADS,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=64,
        dropout_rate=0.0,
        **options,
    )
    model = T5ForConditionalGeneration(config)
    for name, module in model.named_modules():
        if isinstance(module, T5Attention):
            # Decoder self-attention looks at previous words, which are mostly not similar.
            _start(module, alike="decoder" not in name or "EncDecAttention" in name)
    return model


@torch.no_grad()
def _start(attention: T5Attention, alike: bool) -> None:
    if alike:
        rows = ALIKE_HEADS * HEAD_WIDTH
        attention.k.weight[:rows] = attention.q.weight[:rows] * HEAD_WIDTH**0.5
    if attention.has_relative_attention_bias:
        nn.init.normal_(attention.relative_attention_bias.weight, std=1.0)


def parameter_groups(model: T5ForConditionalGeneration) -> list[dict]:
    """AdamW groups with `scale`, the factor on the common learning rate."""
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        embeds = name == "shared.weight" or "relative_attention_bias" in name
        scale = HEAD_WIDTH**-0.5 if name.endswith(".q.weight") else 5.0 if embeds else 1.0
        groups[scale].append(parameter)
    return [{"params": parameters, "scale": scale} for scale, parameters in groups.items()]


class Batches:
    """Make batches: three fifths questions, one fifth captions, one fifth gaps."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.tokenizer = tokenizer
        self.rng = Random(seed)
        self.writer = Writer(self.rng)
        self.sentinels = [tokenizer.vocab[sentinel] for sentinel in SENTINELS]

    def make(self, size: int, most: int) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (size, S), `labels` (size, T)."""
        sources, targets = zip(*(self.example(most) for _ in range(size)), strict=True)
        inputs, labels = padded(sources, 0), padded(targets, IGNORED)
        return {"input_ids": inputs, "attention_mask": inputs.ne(0).long(), "labels": labels}

    def example(self, most: int) -> tuple[list[int], list[int]]:
        scene = draw_scene(self.rng)[:most]
        draw = self.rng.random()
        if draw < 0.2:
            tokens = self.ids(self.writer.described_twice(scene))[:-1]
            kept, hidden = hide_spans(tokens, self.sentinels, self.rng)
            return [*kept, 1], [*hidden, 1]
        prompt, target = self.writer.caption(scene) if draw < 0.4 else self.writer.question(scene)[1:]
        return self.ids(prompt), self.ids(target)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids


def padded(rows: tuple[list[int], ...], filler: int) -> Tensor:
    tensors = [torch.tensor(row) for row in rows]
    return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=filler)


def text_accuracy(
    model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, seed: int, count: int, unseen: bool = False
) -> dict[str, float]:
    """Share of exactly answered questions about new written scenes, by kind and (`all`) together."""
    rng = Random(f"accuracy-{seed}")
    writer, hits = Writer(rng), defaultdict(list)
    for start in range(0, count, 200):
        asked = [writer.question(draw_scene(rng, unseen=unseen)) for _ in range(min(200, count - start))]
        said = answers(model, tokenizer, [prompt for _, prompt, _ in asked])
        for (kind, _, right), answer in zip(asked, said, strict=True):
            hits[kind].append(answer == right)
            hits["all"].append(answer == right)
    return {kind: round(float(np.mean(found)), 3) for kind, found in sorted(hits.items())}


@torch.inference_mode()
def answers(model: Any, tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> list[str]:
    """Greedy answers; the model is left in training mode."""
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    model.eval()
    tokens = model.generate(
        input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, max_new_tokens=6, do_sample=False
    )
    model.train()
    return tokenizer.batch_decode(tokens, skip_special_tokens=True)


def rate_at(step: int, steps: int, base: float) -> float:
    """200 steps of warm-up, constant until 60 % of the steps, then linear down to 3 %."""
    done = step / steps
    return base * min(1.0, step / 200) * (1.0 if done < 0.6 else 0.03 + 0.97 * (1 - done) / 0.4)


def train(out: Path, steps: int, seed: int, batch_size: int, base: float) -> None:
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = new_model(len(tokenizer))
    optimizer = torch.optim.AdamW(parameter_groups(model), base, weight_decay=0.01, betas=(0.9, 0.98))
    batches, losses = Batches(tokenizer, seed), deque[float](maxlen=200)
    with progress("pretraining T5", steps, "steps") as bar:
        for step in range(1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = group["scale"] * rate_at(step, steps, base)
            loss = model(**batches.make(batch_size, most=2 if step < 0.12 * steps else 3)).loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            bar(note=f"loss {np.mean(losses):.3f}")
            if step % 500 == 0 or step == steps:
                save(model, tokenizer, out)
                say(f"answers to written scenes: {text_accuracy(model, tokenizer, seed, 600)}")
    for unseen in (False, True):
        say(f"{'unseen' if unseen else 'seen'} pairs: {text_accuracy(model, tokenizer, seed, 3000, unseen)}")


def save(model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rate", type=float, default=7e-4)
    arguments = parser.parse_args()
    train(arguments.out, arguments.steps, arguments.seed, arguments.batch_size, arguments.rate)


if __name__ == "__main__":
    main()
