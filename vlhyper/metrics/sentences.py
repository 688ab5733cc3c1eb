"""Short answers out of the sentences that chat models write, for a figure beside the official one."""

from __future__ import annotations

import re

RULE = "lower case, a leading phrase such as 'the answer is' and a final period removed"
# What comes before the answer itself, with the article behind it.
_LEADING = re.compile(
    r"(?:(?:(?:the|my) )?(?:(?:final|short|correct|right|best) )*(?:answer|label|prediction)"
    r"(?: to (?:the|this) question)?(?: is(?: that)?\b ?:?| ?[:=]| - )|a: |assistant:"
    r"|(?:it|this|that|he|she|there)(?: is|'s)\b|(?:these|those|they|there)(?: are|'re)\b)\s*(?:(?:an?|the) )?"
)
_AROUND = "\"'`*“”‘’ "


def short_answer(text: str) -> str:
    """The answer that a sentence gives, by RULE; quotation marks and asterisks around it go too.

    >>> short_answer("The answer is a Dog.")
    'dog'
    """
    answer = " ".join(text.lower().replace("’", "'").split()).strip(_AROUND)
    # "Answer: the answer is red." has two.
    while (found := _LEADING.match(answer)) and found.end() < len(answer):
        answer = answer[found.end() :].strip(_AROUND)
    return answer.removesuffix(".").strip(_AROUND)
