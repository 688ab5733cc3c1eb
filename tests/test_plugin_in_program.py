"""Rows from a module outside the package go the whole way through the program: check, train, evaluate, score, submit.

The module is what CONTRIBUTING describes, found by `$VLHYPER_PLUGINS`; nothing of the package knows of it.
"""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from run_cases import call

from vlhyper.cli import run
from vlhyper.readers.formats import FORMATS
from vlhyper.scoring import SCORERS
from vlhyper.tasks import TASKS

PLUGIN = """
from pathlib import Path

from vlhyper.metrics.report import Report, mean_of
from vlhyper.readers.fields import ident, make_row, text
from vlhyper.readers.formats import FORMATS, Format
from vlhyper.readers.streams import json_lines, read_rows
from vlhyper.scoring import SCORERS
from vlhyper.scoring.predictions import PredictionFile
from vlhyper.scoring.scorer import Scorer, Server
from vlhyper.tasks import TASKS, Task


def read_claims(source):
    def shape(record):
        verdicts = [text(record, "verdict")] if "verdict" in record else []
        return [make_row(ident(record, "key"), ident(record, "picture"), verdicts, claim=text(record, "claim"))]

    for path in source.paths("claims"):
        yield from read_rows(path, json_lines(path), shape)


def agreement(gold, answers, options):
    hits = [100.0 * (answers[id] == right) for id, right in zip(gold.ids, gold.right, strict=True)]
    metrics = {"agreement": sum(hits) / len(hits)}
    return Report(task="claims", n=len(hits), metrics=metrics, ids=gold.ids, items={"agreement": hits},
                  clusters=gold.clusters, summed=lambda: {("agreement",): mean_of(hits)})


def asked(path: Path):
    return list(read_rows(path, json_lines(path), lambda record: [ident(record, "key")]))


FORMATS["claims"] = Format(read_claims, ("claims",), ("claim",))
SCORERS["claims"] = Scorer("claims", agreement, {"claims": None},
                           predictions=PredictionFile("key", "verdict", example=("p-1", "yes")), server=Server(asked))
TASKS["claims"] = Task("claims", "claim: {claim}", scorer="claims", metrics=("agreement",), labels=("yes", "no"))
"""


@pytest.fixture
def project(lab, tmp_path, monkeypatch):
    """A folder with the module, three splits of claims about the lab's pictures, and a config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLHYPER_PLUGINS", "claims")
    (tmp_path / "claims.py").write_text(PLUGIN)
    pictures = sorted(path.stem for path in (lab.folder / "images/train").iterdir())
    for split in ("train", "val", "test", "hidden"):
        lines = [
            {"key": f"{split}-{n}", "picture": picture, "claim": "it is red", "verdict": "yes" if n % 2 else "no"}
            for n, picture in enumerate(pictures[:8])
        ]
        for line in lines if split == "hidden" else ():
            del line["verdict"]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    splits = {split: {"files": {"claims": f"{split}.jsonl"}} for split in ("train", "val", "test", "hidden")}
    manifest = {"name": "claims", "format": "claims", "splits": splits}
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    config = {
        "model": {"backbone": str(lab.folder / "t5"), "projector_width": 8, "hyper_width": 4, "bottleneck": 2},
        "features": {"files": [str(lab.folder / "features.h5")]},
        "tasks": {"claims": {"data": "manifest.yaml"}},
        "training": {"steps": 4, "batch": 4},
        "validation": {"every": 2},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("claims", None)
    for table in (FORMATS, SCORERS, TASKS):
        table.pop("claims", None)


def done(*arguments: str) -> None:
    assert run(arguments) in (None, 0)


def test_a_task_layout_scorer_and_server_of_ones_own_go_the_whole_way(project, fresh_process, capsys):
    done("check", "run.yaml")
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is missing"
    done("train", "run.yaml", "--out", "run")
    assert "claims.agreement" in capsys.readouterr().err
    done("evaluate", "run")
    assert "agreement" in capsys.readouterr().out
    predictions = "run/predictions/claims.test.json"
    assert json.loads((project / predictions).read_text())[0].keys() == {"key", "verdict"}
    scores = json.loads((project / "run/scores.json").read_text())["test"]["claims"]
    # As a user starts it.
    again = call("score", "claims", "--annotations", "test.jsonl", "--predictions", predictions, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["n"] == scores["n"] == 8
    assert json.loads(again.out)["metrics"] == scores["metrics"]
    done("evaluate", "run", "--split", "hidden", "--task", "claims")
    hidden = ("--questions", "hidden.jsonl", "--submission", "up.json")
    done("score", "claims", *hidden, "--predictions", "run/predictions/claims.hidden.json")
    assert [record["key"] for record in json.loads((project / "up.json").read_text())] == [
        f"hidden-{n}" for n in range(8)
    ]
    done("score", "claims", *hidden)
