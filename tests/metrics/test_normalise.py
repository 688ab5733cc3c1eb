"""Oracle: the official evaluator's own normalisation of real answers, and its rules worked by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlhyper.metrics.contractions import CONTRACTIONS
from vlhyper.metrics.normalise import (
    ARTICLES,
    PUNCTUATION,
    PYTHON2,
    PYTHON3,
    normalise_answer,
    strip_punctuation,
    tidy,
    unify_words,
)

# By Python 2.7.18's own lower(): capitals with a small letter in its Unicode 5.2, and ones that got theirs later.
OLDER_CAPITALS = "AÉΣѠႠⰀꙀꞋ\U00010400"
YOUNGER_CAPITALS = "ͿԨჇᎠᏵᲐᲿⰯⳲꙠꚘꞍꞐꟵ\U000104b0\U00010570\U00010c80\U000118a0\U00016e40\U0001e900"

answers = st.text(
    st.sampled_from("aAn10 ,.;/-'?!\"\t\n١٢İΣé\u2028\u180e\u00a0two") | st.characters(codec="utf-8"), max_size=30
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Two dogs", "2 dogs"),
        ("none", "0"),
        ("the dog's, a cat", "dog's cat"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("1,000", "1000"),
        ("1,000 - 2,000", "1000 2000"),
        ("t-shirt", "t shirt"),
        ("t-shirt 1,000", "tshirt 1000"),
        ("10.5 p.m.", "10.5 pm"),
        (".5", ".5"),
        ("dont", "don't"),
        ("Im here", "im here"),
        ("somebody'd", "somebodyd"),
        ("  \n\t", ""),
    ],
)
def test_rules_by_hand(raw, expected):
    assert normalise_answer(raw) == expected


def test_at_most_32_periods_go():
    assert strip_punctuation("." * 40) == "." * 8


def test_python_versions_differ_on_digits_and_capitals():
    assert strip_punctuation("1.٣", PYTHON2) == "1٣"
    assert strip_punctuation("1.٣", PYTHON3) == "1.٣"
    assert unify_words("İΣ", PYTHON2) == "iσ"
    assert unify_words("İΣ", PYTHON3) == "i̇ς"


def test_contractions_are_restored_from_their_misspelling():
    assert len(CONTRACTIONS) == 118
    assert all(wrong != right for wrong, right in CONTRACTIONS.items())
    assert all(wrong.replace("'", "") == right.replace("'", "") for wrong, right in CONTRACTIONS.items())


@given(answers)
def test_result_has_no_article_no_loose_space_and_no_capital_letter_of_ascii(answer):
    words = normalise_answer(answer).split(" ")
    assert not ARTICLES & set(words)
    assert words == [""] or all(words)
    assert not any("A" <= letter <= "Z" for word in words if word not in CONTRACTIONS.values() for letter in word)


@given(answers)
def test_punctuation_goes_or_becomes_a_space(answer):
    stripped = strip_punctuation(answer)
    assert not set(stripped) & set(PUNCTUATION)
    keep = str.maketrans("", "", PUNCTUATION + ". ")
    assert stripped.translate(keep) == answer.translate(keep)


@given(answers)
def test_tidying_twice_changes_nothing(answer):
    assert tidy(tidy(answer)) == tidy(answer)


def test_equals_the_official_evaluator_on_every_string(shared):
    cases = json.loads((shared / "golden/golden_vqa_normalise.json").read_text())
    assert len(cases) > 8000
    for case in cases:
        for dialect, right in ((PYTHON2, case), (PYTHON3, case.get("python3_port", case))):
            stripped = strip_punctuation(case["raw"], dialect)
            assert stripped == right["punct"], case
            assert unify_words(stripped, dialect) == right["punct_digit_article"], case
            assert normalise_answer(case["raw"], dialect) == right["full"], case


def test_letters_are_lowered_as_python_2_lowers_them():
    assert all(PYTHON2.lower(letter) == letter.lower() != letter for letter in OLDER_CAPITALS)
    assert all(PYTHON2.lower(letter) == letter for letter in YOUNGER_CAPITALS)
    assert PYTHON2.lower("ΑΣ İ") == "ας i".replace("ς", "σ")
