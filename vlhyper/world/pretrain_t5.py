"""Pretrain the miniature T5 on the world's texts.

    python -m vlhyper.world.pretrain_t5 --out t5

It answers questions about written scenes, captions them, and fills gaps in them told twice. Pairs of colour and shape
in UNSEEN_PAIRS never occur. At this size T5 learns to bind (which colour belongs to which shape) only if the steps fit
its unusual scales: attention logits are not divided by the square root of the head width, so query weights are that
much smaller and need that much smaller steps; embeddings have deviation 1 and need larger ones.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from vlhyper.console import progress, say
from vlhyper.world.scene import draw_scene
from vlhyper.world.texts import Writer, hide_spans, SENTINELS
from vlhyper.world.tokenizer import build_tokenizer

HEADS, HEAD_WIDTH = 4, 32
# Half of the heads start by looking at their own kind of word: key and query weights alike.
ALIKE_HEADS = 2
IGNORED = -100


def new_model(vocabulary: int) -> T5ForConditionalGeneration:
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
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    alike = ALIKE_HEADS * HEAD_WIDTH
    with torch.no_grad():
        for stack, position in ((model.encoder, 0), (model.decoder, 1)):
            for block in stack.block:
                attention = list(block.layer[position].children())[0]
                attention.k.weight[:alike] = attention.q.weight[:alike] * HEAD_WIDTH**0.5
                if attention.has_relative_attention_bias:
                    nn.init.normal_(attention.relative_attention_bias.weight, std=1.0)
        own = model.decoder.block[0].layer[0].SelfAttention.relative_attention_bias
        nn.init.normal_(own.weight, std=1.0)
    return model


def parameter_groups(model: T5ForConditionalGeneration) -> list[dict]:
    """AdamW groups with `scale`, the factor on the common learning rate."""
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        embeds = name == "shared.weight" or "relative_attention_bias" in name
        scale = HEAD_WIDTH**-0.5 if name.endswith(".q.weight") else 5.0 if embeds else 1.0
        groups[scale].append(parameter)
    return [{"params": parameters, "scale": scale} for scale, parameters in groups.items()]


class Batches:
    """Makes batches: three fifths questions, one fifth captions, one fifth gaps."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.tokenizer = tokenizer
        self.rng = Random(seed)
        self.writer = Writer(self.rng)
        self.sentinels = tokenizer.convert_tokens_to_ids(list(SENTINELS))

    def make(self, size: int, most: int) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (size, S), `labels` (size, T)."""
        sources, targets = zip(*(self.example(most) for _ in range(size)), strict=True)
        inputs, labels = padded(sources, 0), padded(targets, IGNORED)
        return {"input_ids": inputs, "attention_mask": inputs.ne(0).long(), "labels": labels}

    def example(self, most: int) -> tuple[list[int], list[int]]:
        scene = draw_scene(self.rng)[:most]
        draw = self.rng.random()
        if draw < 0.2:
            tokens = self.ids(self.writer.told_twice(scene))[:-1]
            source, target = hide_spans(tokens, self.sentinels, self.rng)
            return [*source, 1], [*target, 1]
        prompt, target = self.writer.caption(scene) if draw < 0.4 else self.writer.question(scene)[1:]
        return self.ids(prompt), self.ids(target)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text).input_ids


def padded(rows: tuple[list[int], ...], filler: int) -> Tensor:
    tensors = [torch.tensor(row) for row in rows]
    return nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=filler)


@torch.inference_mode()
def text_accuracy(
    model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, seed: int, scenes: int, unseen: bool = False
) -> dict[str, float]:
    """Share of exactly answered questions about new written scenes, by kind and (`all`) together."""
    rng = Random(f"accuracy-{seed}")
    writer, hits = Writer(rng), defaultdict(list)
    model.eval()
    for start in range(0, scenes, 200):
        asked = [writer.question(draw_scene(rng, unseen=unseen)) for _ in range(min(200, scenes - start))]
        inputs = tokenizer([prompt for _, prompt, _ in asked], return_tensors="pt", padding=True)
        answers = model.generate(
            input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, max_new_tokens=6, do_sample=False
        )
        for (kind, _, right), answer in zip(asked, tokenizer.batch_decode(answers, skip_special_tokens=True), strict=True):
            hits[kind].append(answer == right)
            hits["all"].append(answer == right)
    model.train()
    return {kind: round(float(np.mean(found)), 3) for kind, found in sorted(hits.items())}


def rate_at(step: int, steps: int, base: float) -> float:
    """200 steps of warm-up, constant until 60 % of the steps, then straight down to 3 %."""
    done = step / steps
    return base * min(1.0, step / 200) * (1.0 if done < 0.6 else 0.03 + 0.97 * (1 - done) / 0.4)


def train(out: Path, steps: int, seed: int, batch_size: int, base: float) -> None:
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = new_model(len(tokenizer))
    optimizer = torch.optim.AdamW(parameter_groups(model), base, weight_decay=0.01, betas=(0.9, 0.98))
    batches, losses = Batches(tokenizer, seed), []
    with progress("pretraining T5", steps, "steps") as bar:
        for step in range(1, steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = group["scale"] * rate_at(step, steps, base)
            loss = model(**batches.make(batch_size, most=2 if step < 0.12 * steps else 3)).loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses = [*losses, loss.item()][-200:]
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
