"""BLEU, ROUGE-L and CIDEr by pycocoevalcap's own scorers; `python -m vlhyper.metrics.ngram NAME` runs one in a process.

A process of its own lets the scorers, which are plain Python, run side by side.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vlhyper.metrics.programs import Programs, python_module

# Below this a second Python takes longer to start than the scorer to run.
WORTH_A_PROCESS = 1000


@dataclass(frozen=True)
class NgramResult:
    """Figures of a corpus and, for each, of its captions, 0 to 1 (CIDEr: 0 to 10).

    statistics: what BLEU sums over captions: lengths of caption and closest reference, n-grams tried, n-grams matched.
    """

    scores: dict[str, float]
    items: dict[str, list[float]]
    statistics: list[list[float]] = field(default_factory=list)


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """BLEU-1 to BLEU-4 of PTB-tokenised captions against their references, both in step."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=4)
    for caption, texts in zip(captions, references, strict=True):
        scorer += (caption, list(texts))
    scores, items = scorer.compute_score(option="closest")
    names = [f"BLEU-{order}" for order in range(1, 5)]
    statistics = [
        [float(test["testlen"]), float(min((abs(size - test["testlen"]), size) for size in test["reflen"])[1])]
        + [float(number) for number in (*test["guess"], *test["correct"])]
        for test in scorer.ctest
    ]
    return NgramResult(dict(zip(names, scores, strict=True)), dict(zip(names, items, strict=True)), statistics)


def rouge_l(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """ROUGE-L of PTB-tokenised captions against their references, both in step."""
    from pycocoevalcap.rouge.rouge import Rouge

    return _mean_scorer(Rouge(), "ROUGE-L", captions, references)


def cider(captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    """CIDEr (coco-caption's, CIDEr-D) of PTB-tokenised captions, with the document frequencies of these references."""
    from pycocoevalcap.cider.cider import Cider

    if not any(text.strip() for texts in references for text in texts):
        # Without one word in any reference there are no document frequencies, and coco-caption's scorer stops.
        return NgramResult({"CIDEr": 0.0}, {"CIDEr": [0.0] * len(captions)})
    return _mean_scorer(Cider(), "CIDEr", captions, references)


def _mean_scorer(scorer: Any, name: str, captions: Sequence[str], references: Sequence[Sequence[str]]) -> NgramResult:
    truth = {row: list(texts) for row, texts in enumerate(references)}
    score, items = scorer.compute_score(truth, {row: [caption] for row, caption in enumerate(captions)})
    return NgramResult({name: float(score)}, {name: [float(item) for item in items]})


SCORERS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], NgramResult]] = {
    "bleu": bleu,
    "rouge": rouge_l,
    "cider": cider,
}


def in_process(
    name: str, captions: Sequence[str], references: Sequence[Sequence[str]], programs: Programs
) -> NgramResult:
    """The same as SCORERS[name](captions, references), in a Python of its own where that pays."""
    if len(captions) < WORTH_A_PROCESS:
        return SCORERS[name](captions, references)
    given = json.dumps([list(captions), [list(texts) for texts in references]]).encode()
    output = programs.run(python_module(__spec__.name if __spec__ else "vlhyper.metrics.ngram", name), given)
    return NgramResult(**json.loads(output))


def main() -> None:
    """Read captions and references as JSON from standard input, write the result as JSON."""
    captions, references = json.load(sys.stdin)
    print(json.dumps(asdict(SCORERS[sys.argv[1]](captions, references))))


if __name__ == "__main__":
    main()
