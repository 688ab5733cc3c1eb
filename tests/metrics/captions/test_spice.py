"""Oracle: the official jar's scores of 150 COCO images, with every category."""

import json
import math
import os
import subprocess
import sys
import zipfile

import pytest

from vlhyper.errors import JobError
from vlhyper.metrics import caption_scores, ptb_tokenize
from vlhyper.metrics.captions import spice
from vlhyper.metrics.java.processes import Programs, Unavailable

# Where the user has it: asked before any test is given a cache folder of its own.
PARSER = spice.parser_folder()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own, with the parser where the user has it."""
    monkeypatch.setenv("VLHYPER_CORENLP", str(PARSER))
    monkeypatch.setenv("VLHYPER_CACHE", str(tmp_path / "cache"))
    try:
        spice.parser_jars()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return tmp_path / "cache" / "spice-parses"


def test_without_its_parser_the_message_says_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("VLHYPER_CORENLP", str(tmp_path))
    (tmp_path / "rhino-1.7.15.jar").write_bytes(b"")
    report = caption_scores(["a dog"], [["A dog."]], "spice,rouge")
    assert list(report.metrics) == ["ROUGE-L"]
    assert "stanford-corenlp-3.6.0.jar" in report.skipped["SPICE"]
    assert "rhino-1.7.15" not in report.skipped["SPICE"]
    assert "vlhyper setup spice" in report.skipped["SPICE"]


def test_runs_without_the_cache_where_that_fails(tmp_path, monkeypatch, capsys):
    """A parser that is only a name: both runs are made, the second without the cache."""
    for name in spice.NEEDED:
        with zipfile.ZipFile(tmp_path / name, "w"):
            pass
    monkeypatch.setenv("VLHYPER_CORENLP", str(tmp_path))
    monkeypatch.setenv("VLHYPER_CACHE", str(tmp_path / "cache"))
    commands = []
    monkeypatch.setattr(Programs, "run", lambda self, command: commands.append(command) or fail())
    with pytest.raises(JobError, match="broken"):
        spice.spice(["a dog"], [["a dog"]])
    assert ["-cache" in command for command in commands] == [True, False]
    assert "without its cache" in capsys.readouterr().err


def fail():
    raise JobError("broken")


def test_golden_images_and_cached_parses(cache, shared):
    items = json.loads((shared / "golden/golden_spice.json").read_text())["items"][:6]
    texts = [text for item in items for text in (item["caption"], *item["references"])]
    tokens = ptb_tokenize(texts)
    captions = [tokens[item["caption"]] for item in items]
    references = [[tokens[text] for text in item["references"]] for item in items]
    # A caption without a word must shift none of the others.
    captions.insert(3, "")
    references.insert(3, ["", "a dog"])
    found = spice.spice(captions, references)
    assert found.scores.pop(3) == found.categories.pop(3)["All"]["f"] == 0.0
    for item, categories in zip(items, found.categories, strict=True):
        right = {name: numbers(values) for name, values in item["spice"].items()}
        assert {name: numbers({key: categories[name][key] for key in right[name]}) for name in right} == right
    assert found.score == pytest.approx(sum(item["spice"]["All"]["f"] for item in items) / (len(items) + 1), abs=1e-15)
    assert (cache / "data.mdb").stat().st_size > 8192
    again = spice.spice(captions, references)
    assert again.score == found.score
    assert again.scores[:3] + again.scores[4:] == found.scores


def numbers(values):
    return {key: None if value is None or math.isnan(value) else value for key, value in values.items()}


ONE_RUN = """
import json, sys
from vlhyper.metrics.captions.spice import spice
captions, references = json.loads(sys.argv[1])
print(json.dumps(spice(captions, references).scores))
"""


def test_runs_at_once_on_one_cache(cache):
    """Four programs start with no cache and write the same and other parses; then one reads what they left."""
    texts = ["a red dog runs", "two cats sit on a small bench", "a man rides a horse", "a woman holds three umbrellas"]
    pairs = [["a dog", texts[3]], ["two dogs", texts[0]], ["a red horse", texts[1]], ["three red umbrellas", texts[2]]]
    given = [(texts[:3], pairs[:3]), (texts[1:], pairs[1:])] * 2
    right = [scores_of(*one, cache.parent / "alone") for one in given[:2]] * 2
    assert any(score > 0 for scores in right for score in scores)
    started = [start(*one, cache.parent / "shared") for one in given]
    told = [program.communicate() for program in started]
    for (output, said), scores in zip(told, right, strict=True):
        assert json.loads(output) == scores
        assert b"without its cache" not in said
    assert [scores_of(*one, cache.parent / "shared") for one in given] == right


def start(captions, references, cache):
    return subprocess.Popen(
        [sys.executable, "-c", ONE_RUN, json.dumps([captions, references])],
        env=os.environ | {"VLHYPER_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def scores_of(captions, references, cache):
    output, _ = start(captions, references, cache).communicate()
    return json.loads(output)
