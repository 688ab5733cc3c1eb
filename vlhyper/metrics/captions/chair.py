"""CHAIR: objects that captions name and that are not in the image.

CHAIRs is the share of captions with such an object, CHAIRi the share of such among all objects that captions name. In
the image is what COCO's segmentations have and what the references name. Lower is better.
Source: Rohrbach et al., "Object Hallucination in Image Captioning" (2018), and LisaAnne/Hallucination, utils/chair.py
(6e4d33c). Its oddities are kept: words are made singular by rules that know no bus and no tie in the plural ("bus"
becomes "bu" and counts for nothing, "buses" counts), every mention counts, and "seat" counts for nothing beside
"toilet".

Its libraries are used: NLTK's tokeniser of words, and pattern's rules of singulars in TextBlob's copy. Sentences, which
it cuts with a model that NLTK downloads, end here at a period, an exclamation or a question mark before a space: no
word for an object is among the abbreviations that the model knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from vlhyper.errors import UserError
from vlhyper.metrics.captions.coco_words import OBJECT_OF, PAIRS

_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+")


def objects_in(caption: str) -> list[str]:
    """The objects of COCO that a caption names, in its order, each as often as it names them.

    Raises UserError where TextBlob is not installed.

    >>> objects_in("Two puppies sit on the toilet seat.")
    ['dog', 'toilet']
    """
    words = _paired([_singular(word) for word in _words(caption.lower())])
    if "toilet" in words:
        words = [word for word in words if word != "seat"]
    return [OBJECT_OF[word] for word in words if word in OBJECT_OF]


def _paired(words: Sequence[str]) -> list[str]:
    """Words, two that count as one joined."""
    found, at = [], 0
    while at < len(words):
        pair = PAIRS.get(" ".join(words[at : at + 2])) if at + 1 < len(words) else None
        found.append(words[at] if pair is None else pair)
        at += 1 if pair is None else 2
    return found


def _words(text: str) -> list[str]:
    tokenise, _ = _libraries()
    return [word for sentence in _END.split(text) for word in tokenise(sentence)]


@lru_cache(maxsize=1 << 16)
def _singular(word: str) -> str:
    # Words for objects whose rules TextBlob has changed since pattern 3.6.
    if word.endswith(("collies", "doggies")):
        return word
    if word.endswith("buses"):
        return word[:-2]
    _, singularise = _libraries()
    return str(singularise(word))


@lru_cache(maxsize=1)
def _libraries() -> tuple[Any, Any]:
    try:
        from nltk.tokenize.destructive import NLTKWordTokenizer
        from textblob.en.inflect import singularize
    except ImportError as error:
        raise UserError(f"CHAIR needs TextBlob ({error}); pip install 'vlhyper[chair]'") from None
    return NLTKWordTokenizer().tokenize, singularize


def chair_counts(
    captions: Sequence[str], references: Sequence[Sequence[str]], segmented: Sequence[Iterable[str]]
) -> list[tuple[int, int]]:
    """For each caption how many objects it names that are not in the image, and how many it names.

    segmented: the names of COCO's categories in each image. All sequences run in step.
    """
    counts = []
    for caption, texts, categories in zip(captions, references, segmented, strict=True):
        there = {OBJECT_OF[name] for name in categories} | {name for text in texts for name in objects_in(text)}
        named = objects_in(caption)
        counts.append((sum(name not in there for name in named), len(named)))
    return counts


def chair_i(sums: Any) -> Any:
    """CHAIRi, × 100, from summed counts of shape (..., 2)."""
    return 100 * (sums[..., 0] / sums[..., 1])
