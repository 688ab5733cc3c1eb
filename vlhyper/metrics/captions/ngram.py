"""BLEU, ROUGE-L and CIDEr by pycocoevalcap's own scorers, each in a process of its own where the work is large.

The scorers are plain Python, so only processes run side by side: `python -m vlhyper.metrics.captions.ngram TEXTS
NAME`. CIDEr, the slowest, is dealt out to several where there are cores to spare.
"""

from __future__ import annotations

import gc
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlhyper.metrics.java.processes import Programs, python_module

# Below this a second Python takes longer to start than the scorer to run.
WORTH_A_PROCESS = 1000
# Every process of CIDEr counts the n-grams of all references, a third of the work; with more of them little is won.
MOST_PARTS = 4


@dataclass(frozen=True)
class NgramResult:
    """Scores of a corpus and, for each, of its captions, 0 to 1 (CIDEr: 0 to 10).

    statistics: what BLEU sums over captions: lengths of caption and closest reference, n-grams tried, n-grams matched.
    """

    scores: dict[str, float]
    items: dict[str, list[float]]
    statistics: list[list[int]] = field(default_factory=list)


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """BLEU-1 to BLEU-4 of PTB-tokenised captions against their references, both in step."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=4)
    for caption, texts in zip(captions, references, strict=True):
        scorer += (caption, list(texts))
    scores, items = scorer.compute_score(option="closest")
    names = [f"BLEU-{order}" for order in range(1, 5)]
    statistics = [
        [test["testlen"], _closest(test["reflen"], test["testlen"]), *test["guess"], *test["correct"]]
        for test in scorer.ctest
    ]
    return NgramResult(dict(zip(names, scores, strict=True)), dict(zip(names, items, strict=True)), statistics)


def _closest(lengths: Sequence[int], length: int) -> int:
    """The reference length that BLEU takes: of two that are as close, the shorter."""
    return min(lengths, key=lambda size: (abs(size - length), size))


def rouge_l(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """ROUGE-L of PTB-tokenised captions against their references, both in step."""
    from pycocoevalcap.rouge.rouge import Rouge

    return _mean_scorer(Rouge(), "ROUGE-L", captions, references)


def cider(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """CIDEr (coco-caption's, CIDEr-D) of PTB-tokenised captions, with the document frequencies of these references."""
    return _cider_of(cider_part(captions, references, 0, 1))


def cider_part(captions: Sequence[str], references: Sequence[Sequence[str]], part: int, parts: int) -> list[float]:
    """CIDEr of the captions of one of several equal parts, with the document frequencies of all references."""
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    if not any(text.strip() for texts in references for text in texts):
        # Without one word in any reference there are no document frequencies, and coco-caption's scorer stops.
        return [0.0] * len(range(*_bounds(captions, part, parts)))
    frequencies: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for number in range(parts):
        scorer = CiderScorer()
        scorer.document_frequency = frequencies
        for row in range(*_bounds(captions, number, parts)):
            scorer += (captions[row] if number == part else None, references[row])
        scorer.compute_doc_freq()
        if number == part:
            own = scorer
    own.crefs = _Part(own.crefs)
    own.crefs.whole = len(captions)
    return [float(score) for score in own.compute_cider()]


class _Part(list[Any]):
    """The references of a part, as long as all: their number is what coco-caption's scorer takes the length for."""

    whole: int

    def __len__(self) -> int:
        return self.whole


def _bounds(captions: Sequence[str], part: int, parts: int) -> tuple[int, int]:
    return len(captions) * part // parts, len(captions) * (part + 1) // parts


def _cider_of(scores: list[float]) -> NgramResult:
    import numpy as np

    return NgramResult({"CIDEr": float(np.mean(np.array(scores)))}, {"CIDEr": scores})


def _mean_scorer(scorer: Any, name: str, captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    truth = {row: list(texts) for row, texts in enumerate(references)}
    score, items = scorer.compute_score(truth, {row: [caption] for row, caption in enumerate(captions)})
    return NgramResult({name: float(score)}, {name: [float(item) for item in items]})


SCORERS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], NgramResult]] = {
    "bleu": bleu,
    "rouge": rouge_l,
    "cider": cider,
}


def write_texts(captions: Sequence[str], references: Sequence[Sequence[str]], path: Path) -> None:
    """Write what `in_process` reads."""
    path.write_text(json.dumps([list(captions), [list(texts) for texts in references]]), encoding="ascii")


def in_process(name: str, texts: Path, programs: Programs, processes: int = 1) -> NgramResult:
    """The same as SCORERS[name] of the written texts, in a Python of its own; CIDEr in at most so many."""
    module = "vlhyper.metrics.captions.ngram"
    if name != "cider":
        return NgramResult(**json.loads(programs.run(python_module(module, str(texts), name))))
    parts = min(MOST_PARTS, processes)
    commands = [python_module(module, str(texts), name, str(part), str(parts)) for part in range(parts)]
    with ThreadPoolExecutor(parts) as pool:
        return _cider_of([score for output in pool.map(programs.run, commands) for score in json.loads(output)])


def main() -> None:
    """Arguments: a file of `write_texts` and a scorer's name; of CIDEr also which part, of how many. Prints JSON."""
    # The scorers make millions of objects and no cycles.
    gc.disable()
    texts, name, *part = sys.argv[1:]
    captions, references = json.loads(Path(texts).read_bytes())
    if name == "cider":
        print(json.dumps(cider_part(captions, references, *map(int, part))))
    else:
        print(json.dumps(vars(SCORERS[name](captions, references))))


if __name__ == "__main__":
    main()
