"""PTB tokenisation of captions, by the Stanford tokeniser that pycocoevalcap brings.

Source: coco-caption, ptbtokenizer.py (Stanford CoreNLP 3.4.1). Texts go in and come out line by line, so every
character that its lexer takes for the end of a line is made a space before, and a blank text is not sent at all: one
caption stays one line.
"""

from __future__ import annotations

from collections.abc import Iterable

from vlhyper.errors import JobError
from vlhyper.metrics.java.processes import QUICK, Programs, package_folder

JAR = "stanford-corenlp-3.4.1.jar"
DROPPED = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
LINE_ENDS = str.maketrans(dict.fromkeys("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\0", " "))


def one_line(caption: str) -> str:
    """The caption with every character that ends a line, for Java or for Python, made a space."""
    return caption.translate(LINE_ENDS)


def ptb_tokenize(captions: Iterable[str], programs: Programs | None = None) -> dict[str, str]:
    """Lower-case PTB tokens of each caption, without punctuation, joined by spaces: {caption: tokens}.

    Raises Unavailable where no Java is found.

    >>> ptb_tokenize(["The woman's red umbrella isn't open."])
    {"The woman's red umbrella isn't open.": "the woman 's red umbrella is n't open"}
    """
    if programs is None:
        with Programs() as own:
            return ptb_tokenize(captions, own)
    lines = {caption: one_line(caption) for caption in captions}
    sent = list(dict.fromkeys(line for line in lines.values() if line.strip()))
    tokens = dict(zip(sent, _tokenize_lines(sent, programs), strict=True)) if sent else {}
    return {caption: tokens.get(line, "") for caption, line in lines.items()}


def _tokenize_lines(lines: list[str], programs: Programs) -> list[str]:
    folder = package_folder("tokenizer")
    command = programs.java(
        QUICK, [folder / JAR], "edu.stanford.nlp.process.PTBTokenizer", ("-preserveLines", "-lowerCase")
    )
    output = programs.run(command, "".join(f"{line}\n" for line in lines).encode())
    tokenized = output.decode().split("\n")[:-1]
    if len(tokenized) != len(lines):
        raise JobError(f"the PTB tokeniser gave {len(tokenized)} lines for {len(lines)} captions")
    return [" ".join(word for word in line.rstrip().split(" ") if word not in DROPPED) for line in tokenized]
