"""How VQA answers are made comparable: the rules of the official evaluator and of the ports of it in use.

Source: GT-Vision-Lab/VQA, PythonEvaluationTools/vqaEvaluation/vqaEval.py (March 2021, Python 2.7). Its oddities are
part of the published scores and are kept: at most 32 periods go (the flag `re.UNICODE` stands where `count` is meant),
contractions are looked up in lower case so that keys with capitals never match, and one comma between digits anywhere
makes all punctuation vanish instead of becoming spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from vlhyper.metrics.contractions import CONTRACTIONS

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
ARTICLES = frozenset({"a", "an", "the"})
NUMBERS = {
    word: str(value)
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
NUMBERS["none"] = "0"
# In one table: no digit is a contraction, and no number word an article.
WORDS = {**CONTRACTIONS, **NUMBERS}
MOST_PERIODS = int(re.UNICODE)
_MARKED = re.compile("[" + re.escape(PUNCTUATION + ".") + "]")


def _lower_python2(text: str) -> str:
    """Python 2 lowers letter by letter: no final sigma, and the dotted capital I loses its dot."""
    return text.lower() if text.isascii() else "".join(letter.lower()[:1] for letter in text)


def _words_python2(text: str) -> list[str]:
    return text.replace(MONGOLIAN_SEPARATOR, " ").split()


@dataclass(frozen=True)
class Dialect:
    """What a Python version takes for a digit, for lower case and for a space."""

    comma_in_number: re.Pattern[str]
    period: re.Pattern[str]
    lower: Callable[[str], str]
    words: Callable[[str], list[str]]
    spaces: str


# Python 2.7's Unicode tables still count U+180E as a space.
MONGOLIAN_SEPARATOR = "\u180e"
SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
PYTHON2 = Dialect(
    comma_in_number=re.compile(r"\d,\d", re.ASCII),
    period=re.compile(r"\.(?!\d)", re.ASCII),
    lower=_lower_python2,
    words=_words_python2,
    spaces=SPACES + MONGOLIAN_SEPARATOR,
)
PYTHON3 = Dialect(re.compile(r"\d,\d"), re.compile(r"\.(?!\d)"), str.lower, str.split, SPACES)


@lru_cache(maxsize=1 << 18)
def tidy(answer: str, dialect: Dialect = PYTHON2) -> str:
    """Line breaks and tabs become spaces, spaces at the ends go."""
    return answer.replace("\n", " ").replace("\t", " ").strip(dialect.spaces)


def strip_punctuation(text: str, dialect: Dialect = PYTHON2) -> str:
    """Remove punctuation that touches a space (all of it where digits are joined by a comma), else make it a space."""
    if not _MARKED.search(text):
        return text
    joined = dialect.comma_in_number.search(text) is not None
    stripped = text
    for mark in PUNCTUATION:
        if mark in text:
            loose = joined or f"{mark} " in text or f" {mark}" in text
            stripped = stripped.replace(mark, "" if loose else " ")
    return dialect.period.sub("", stripped, count=MOST_PERIODS)


def unify_words(text: str, dialect: Dialect = PYTHON2) -> str:
    """Lower case, number words as digits, articles dropped, contractions with their apostrophe."""
    words = dialect.words(dialect.lower(text))
    return " ".join([WORDS.get(word, word) for word in words if word not in ARTICLES])


@lru_cache(maxsize=1 << 18)
def normalise_answer(answer: str, dialect: Dialect = PYTHON2) -> str:
    """The whole of the official normalisation of one answer.

    >>> normalise_answer("The dogs, two of them.")
    'dogs 2 of them'
    """
    return unify_words(strip_punctuation(tidy(answer, dialect), dialect), dialect)


@lru_cache(maxsize=1 << 18)
def normalise_python3(answer: str) -> str:
    """The same as a port of it to Python 3 gives."""
    return normalise_answer(answer, PYTHON3)


@lru_cache(maxsize=1 << 18)
def strip_python3(answer: str) -> str:
    """Only the punctuation part, as some ports apply it to people's answers."""
    return strip_punctuation(answer, PYTHON3)
