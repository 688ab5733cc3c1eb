"""Oracles: METEOR's own rules, and every entry of a table tried on every text; test_captions has its figures."""

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vlhyper.metrics.captions import paraphrases
from vlhyper.metrics.captions.paraphrases import REPLACED, cut_table, letter_runs, occurring
from vlhyper.metrics.java.processes import Programs, package_folder

TABLE = [
    ("0.5", "a man", "person"),
    ("0.4", "a man", "a male person"),
    ("0.3", "dog", "puppy"),
    ("0.2", "1 . 5", "café"),
    ("0.1", ", the", "the dog"),
]
TEXTS = ["a man and the dog", "one person , the puppy"]


def cut(folder, texts, table=TABLE):
    """The entries that are left."""
    whole, out = folder / "whole.gz", folder / "cut.gz"
    whole.write_bytes(gzip.compress("".join(f"{line}\n" for entry in table for line in entry).encode()))
    cut_table(whole, [text.encode() for text in texts], out)
    lines = gzip.decompress(out.read_bytes()).decode().split("\n")
    assert lines.pop() == ""
    return list(zip(*[iter(lines)] * 3, strict=True))


@pytest.mark.parametrize("block", [1, 7, 32_768])
def test_entries_both_phrases_of_which_occur_are_left(tmp_path, monkeypatch, block):
    monkeypatch.setattr(paraphrases, "BLOCK", block)
    assert cut(tmp_path, TEXTS) == [TABLE[0], TABLE[2], TABLE[4]]
    assert cut(tmp_path, [*TEXTS, "the café"]) == [TABLE[0], *TABLE[2:]]
    assert cut(tmp_path, ["zebra"]) == []


@pytest.mark.parametrize("text", ["salt &amp; pepper", "x &lt; y", "dotmulti"])
def test_what_meteor_rewrites_keeps_the_whole_table(tmp_path, text):
    assert cut(tmp_path, [text]) == TABLE


WORDS = some.sampled_from(["a", "b", "ab", "ba", "é", "a-b", "'s", "1.5", "aéb"])


@given(some.lists(some.lists(WORDS, min_size=1, max_size=5), min_size=1, max_size=4), some.lists(WORDS, min_size=1))
def test_no_phrase_of_a_text_is_lost(texts, phrase):
    """Words stand for METEOR's; a phrase that stands in a text word for word must be found."""
    occurs = occurring([" ".join(text).encode() for text in texts])
    if any(text[start : start + len(phrase)] == phrase for text in texts for start in range(len(text))):
        assert occurs(" ".join(phrase).encode())
    for text in texts:
        assert all(occurs(" ".join(text[start:end]).encode()) for end in range(len(text) + 1) for start in range(end))


# One character a piece, and what the rules of METEOR look for.
PIECES = [*"abcdetsABZ0123 .,;:!?'`\"-–—‘’“”()[]{}<>&#%$|/\\_~^*+=@éÉßİıſKΣςдЖ漢字\u0301\u200b\u00a0\u3000…½²ªŠžꙀ،¿¡"]
PIECES += ["''", "``", "...", "..", "--", "'s", "n't", "can't", "1,000", "2.5", "DOT", "MULTI"]
PIECES += ["dr.", "mr.", "e.g.", "p.m.", "no.", "i.", "U.S.", "amp;", "lt", "gt", "quot"]


def test_meteors_own_rules_neither_join_nor_cut_letter_runs():
    draw = random.Random(0)
    made = ["".join(draw.choice(PIECES) + " " * (draw.random() < 0.2) for _ in range(20)) for _ in range(5000)]
    texts = [text for text in made if not REPLACED.search(text.lower().encode())]
    assert len(texts) > 4900
    with Programs() as programs:
        jar = package_folder("meteor") / "meteor-1.5.jar"
        command = programs.java((), [jar], "edu.cmu.meteor.util.Normalizer", ("en", "true"))
        found = programs.run(command, "".join(f"{text}\n" for text in texts).encode()).decode().split("\n")[:-1]
    assert found != texts
    for text, normalised in zip(texts, found, strict=True):
        assert letter_runs(normalised.lower().encode()) == letter_runs(text.lower().encode()), text
