"""What a run cuts off: prompts and answers that are longer than it allows, counted before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from vlhyper.run.rows import TaskRows
from vlhyper.run.tasks import Run
from vlhyper.tasks.examples import require_columns

# Rows of a split that are looked at; of longer ones an even sample.
MOST = 20_000


def labels_too_long(run: Run, tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """A line for each task with a label that the run would cut in training, or could never generate."""
    learnt = run.config.training.max_target_tokens
    for task in run.tasks.values():
        if not task.kind.labels:
            continue
        length, label = max((_length(tokenizer, label), label) for label in task.kind.labels)
        for most, key in ((learnt, "training.max_target_tokens"), (task.decoding.max_new_tokens, "max_new_tokens")):
            if length > most:
                name = key if key.startswith("training") else f"tasks.{task.name}.{key}"
                yield f"{task.name}: the label {label!r} takes {length} tokens, but {name} is {most}; raise it"


def cut_off(rows: TaskRows, tokenizer: PreTrainedTokenizerBase, max_target_tokens: int) -> str:
    """How many prompts and answers are cut, in words; empty where none is. Raises UserError where a text is lacking."""
    chosen = np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int)
    part = rows.rows.select(chosen)
    require_columns(rows.task.kind, rows.rows.column_names)
    columns = {name: part[name][:] for name in rows.task.kind.columns}
    texts = ({name: values[index] for name, values in columns.items()} for index in range(len(part)))
    prompts = list(map(rows.task.kind.prompt_of, texts))
    answers = [target for targets in part["targets"] for target in targets]
    of = "" if len(part) == len(rows) else f" of a sample of {len(part):,}"
    told = [
        _share(prompts, tokenizer, rows.task.max_source_tokens, "prompts"),
        _share(answers, tokenizer, max_target_tokens, "answers"),
    ]
    return "; ".join(f"{line}{of}" for line in told if line)


def _share(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, most: int, what: str) -> str:
    distinct = list(dict.fromkeys(texts))
    lengths = {text: len(ids) for text, ids in zip(distinct, tokenizer(distinct)["input_ids"], strict=True)}
    cut = [lengths[text] for text in texts if lengths[text] > most]
    if not cut:
        return ""
    return f"{len(cut):,} of {len(texts):,} {what} are cut to {most} tokens (the longest has {max(cut):,})"


def _length(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    return len(tokenizer(text)["input_ids"])
