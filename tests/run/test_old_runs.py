"""Old run folders keep working: their answers, their scores, and the steps they had still to do."""

from __future__ import annotations

import json

import pytest
from old_cases import METHODS, lay_out
from run_cases import evaluated

from vlhyper.files import read_json
from vlhyper.metrics.report import flatten
from vlhyper.run.config import load_config
from vlhyper.run.tasks import resolve
from vlhyper.run.train import train


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("old"))


@pytest.mark.parametrize("method", METHODS)
def test_an_old_run_gives_the_answers_and_scores_it_gave(old, method, fresh_process):
    run = old / method
    names = ("vqa", "gqa", "caption")
    answers = {name: read_json(run / f"predictions/{name}.test.json") for name in names}
    scores = read_json(run / "scores.json")["test"]
    assert len({record["answer"] for record in answers["vqa"]}) > 5
    reports = evaluated(run, caption_metrics="bleu,cider")
    for name in names:
        assert read_json(run / f"predictions/{name}.test.json") == answers[name]
        assert dict(flatten(reports[name].metrics)) == pytest.approx(dict(flatten(scores[name]["metrics"])), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_an_old_run_that_was_killed_goes_on_as_if_it_had_not_been(old, method, fresh_process):
    run = old / f"killed_{method}"
    train(resolve(load_config(run / "config.yaml")), run)
    new, whole = (_lines(run / name) for name in ("log.jsonl", "whole.jsonl"))
    assert len(new) == len(whole) > 30
    for mine, theirs in zip(new, whole, strict=True):
        assert mine["step"] == theirs["step"]
        for key in ("loss", "validation"):
            assert mine.get(key) == (None if key not in theirs else pytest.approx(theirs[key], rel=1e-4, abs=1e-9))


def _lines(path):
    return list(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
