"""How VQA answers are made comparable: the rules of the official evaluator and of the ports of it in use.

Source: GT-Vision-Lab/VQA, PythonEvaluationTools/vqaEvaluation/vqaEval.py (March 2021, Python 2.7). Its oddities are
part of the published scores and are kept: at most 32 periods go (the flag `re.UNICODE` is where `count` is meant),
contractions are looked up in lower case so that keys with capitals never match, and one comma between digits anywhere
makes all punctuation vanish instead of becoming spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
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


# Capitals that Unicode has given a small letter since version 5.2, that of Python 2.7: Cherokee, Georgian, Osage, ...
_YOUNGER_CAPITALS = (
    "\u037f\u0526-\u052e\u10c7\u10cd\u13a0-\u13f5\u1c90-\u1cbf\u2c2f\u2cf2\ua660\ua698-\ua69a\ua78d\ua790-\ua7f5"
    "\U000104b0-\U000104d3\U00010570-\U00010595\U00010c80-\U00010cb2\U000118a0-\U000118bf\U00016e40-\U00016e5f"
    "\U0001e900-\U0001e921"
)
_LOWERED_PYTHON2 = re.compile(f"[^{_YOUNGER_CAPITALS}]")


def _lower_python2(text: str) -> str:
    """Python 2 lowers letter by letter: no final sigma, and the dotted capital I loses its dot."""
    return text.lower() if text.isascii() else _LOWERED_PYTHON2.sub(lambda letter: letter[0].lower()[:1], text)


def _words_python2(text: str) -> list[str]:
    return text.replace(MONGOLIAN_SEPARATOR, " ").split()


# Compared by what it is, not by its parts: it is part of every cache's key.
@dataclass(frozen=True, eq=False)
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
# lmms-eval's own pattern takes several commas in a row for those of a number too.
LMMS_EVAL = replace(PYTHON3, comma_in_number=re.compile(r"\d,+\d"))


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
def normalise_lmms_eval(answer: str) -> str:
    """What lmms-eval's task vqav2 makes of an answer."""
    return normalise_answer(answer, LMMS_EVAL)


@lru_cache(maxsize=1 << 18)
def normalise_lmms_eval_okvqa(answer: str) -> str:
    """What its task ok_vqa makes of one: commas and question marks go first, and a possessive stands alone."""
    return normalise_answer(answer.lower().replace(",", "").replace("?", "").replace("'s", " 's"), LMMS_EVAL)


@lru_cache(maxsize=1 << 18)
def strip_python3(answer: str) -> str:
    """Only the punctuation part, as some ports apply it to people's answers."""
    return strip_punctuation(answer, PYTHON3)
