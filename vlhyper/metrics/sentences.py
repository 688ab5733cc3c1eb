"""Short answers out of the sentences that chat models write, for a figure beside the official one."""

from __future__ import annotations

import re

RULE = (
    "lower case, a leading phrase such as 'the answer is' and a final period removed; of several sentences what the "
    "last 'the answer is' says, or yes or no where they begin with it"
)
# What comes before the answer itself, with the article behind it.
_LEADING = re.compile(
    r"(?:(?:(?:the|my) )?(?:(?:final|short|correct|right|best) )*(?:answer|label|prediction)"
    r"(?: to (?:the|this) question)?(?: is(?: that)?\b ?:?| ?[:=]| - )|a: |assistant:"
    r"|(?:it|this|that|he|she|there)(?: is|'s)\b|(?:these|those|they|there)(?: are|'re)\b)\s*(?:(?:an?|the) )?"
)
# Where one of several sentences says it; "Answer:" at the beginning of a line, or behind a period.
_SAID = re.compile(
    r"(?:\b(?:the|my) (?:(?:final|short|correct|right|best) )*answer(?: to (?:the|this) question)?"
    r" (?:is|would be)\b ?:?"
    r"|(?:^|[.!?\n] ?)(?:final |short )?answer ?:)",
    re.MULTILINE,
)
_END = re.compile(r"[.!?]\s|\n")
_YES_OR_NO = re.compile(r"(yes|no)[,.;:!]\s")
_AROUND = "\"'`*“”‘’ "


def short_answer(text: str) -> str:
    """The answer that a sentence, or several, give, by RULE; quotation marks and asterisks around it go too.

    >>> short_answer("The answer is a Dog.")
    'dog'
    """
    answer = " ".join(_of_several(text.lower().replace("’", "'").strip()).split()).strip(_AROUND)
    # "Answer: the answer is red." has two.
    while (found := _LEADING.match(answer)) and found.end() < len(answer):
        answer = answer[found.end() :].strip(_AROUND)
    return answer.removesuffix(".").strip(_AROUND)


def _of_several(text: str) -> str:
    """Of several sentences in small letters the words that are the answer; one sentence stays as it is."""
    said = [found for found in _SAID.finditer(text) if text[found.end() :].strip(_AROUND + ".")]
    if said and said[-1].start() > 0:
        return _END.split(text[said[-1].end() :].strip(), maxsplit=1)[0]
    begun = _YES_OR_NO.match(text.lstrip(_AROUND))
    return begun[1] if begun else text
