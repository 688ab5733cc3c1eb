"""Facts of the published data sets that tasks, readers and scorers share: label sets, answer keys, soft scores."""

from __future__ import annotations

ENTAILMENT = ("entailment", "neutral", "contradiction")
SENTIMENT = ("negative", "positive")
EQUIVALENCE = ("not_equivalent", "equivalent")
# The labels of each task in the order of their numbers in the published files. STS-B has grades.
LABELS = {
    "cola": ("unacceptable", "acceptable"),
    "sst2": SENTIMENT,
    "mrpc": EQUIVALENCE,
    "qqp": ("not_duplicate", "duplicate"),
    "mnli": ENTAILMENT,
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
    "wnli": ("not_entailment", "entailment"),
    "cb": ("entailment", "contradiction", "neutral"),
    "boolq": ("False", "True"),
    "imdb": SENTIMENT,
    "paws": EQUIVALENCE,
    "snli-ve": ENTAILMENT,
}
# SNLI's mark for pairs on which the annotators found no majority.
NO_MAJORITY = "-"
# What data sets write where the label of a test split is not public.
HIDDEN_LABELS = ("-1", "-1.0", "None", "")

# OK-VQA's answers: the key of the text within an answer.
ANSWER_KEYS = {"stemmed": "answer", "raw": "raw_answer"}

# VQA's soft score of an answer, by how many of ten people gave it; with four people or more it is 1.
PEOPLE = 10
SOFT_SCORES = {1: 0.3, 2: 0.6, 3: 0.9}
PEOPLE_FOR_FULL_SCORE = 4
