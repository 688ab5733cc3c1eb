"""Oracle: pycocoevalcap's own figures, per corpus and per image, with Java 17."""

import json
from pathlib import Path

import numpy as np
import pytest
from vqa_cases import write

from vlhyper.errors import UserError
from vlhyper.metrics import caption_scores, ptb_tokenize
from vlhyper.metrics.captions import scores as captions
from vlhyper.metrics.captions.corpus import bleu_of, meteor_of, meteor_sums
from vlhyper.metrics.captions.meteor import meteor
from vlhyper.metrics.captions.ngram import SCORERS, cider_part, in_process, write_texts
from vlhyper.metrics.java.processes import JobError, Programs, Unavailable
from vlhyper.readers.coco import read_karpathy_gold
from vlhyper.readers.source import Source
from vlhyper.scoring import score

NAMES = {"Bleu_1": "BLEU-1", "Bleu_2": "BLEU-2", "Bleu_3": "BLEU-3", "Bleu_4": "BLEU-4"}
NAMES |= {"METEOR": "METEOR", "ROUGE_L": "ROUGE-L", "CIDEr": "CIDEr"}
COCO = {
    "images": [{"id": 7}, {"id": 5}, {"id": 6}, {"id": 8}],
    "annotations": [
        {"image_id": image, "caption": text}
        for image, text in [(5, "A man rides."), (7, "A dog runs."), (5, "The man rides a horse."), (6, "Two cats.")]
    ],
}
GUESSES = [{"image_id": 5, "caption": "a man rides"}, {"image_id": 7, "caption": "a cat"}]


@pytest.fixture(scope="module")
def golden(shared):
    sets = json.loads((shared / "golden/golden_captions.json").read_text())["sets"]
    return {one["name"]: one for one in sets}


@pytest.fixture
def karpathy(tmp_path):
    splits = [("train", 1), ("restval", 2), ("val", 3), ("test", 4), ("test", 5)]
    images = [
        {"split": split, "cocoid": image, "imgid": 0, "sentences": [{"raw": f"A dog and {image} cats."}]}
        for split, image in splits
    ]
    return write(tmp_path / "dataset_coco.json", {"images": images, "dataset": "coco"})


def columns(one):
    ids = one["per_image_ids"]
    return [one["hyps"][key] for key in ids], [one["refs"][key] for key in ids]


def test_every_golden_tokenisation(shared):
    cases = json.loads((shared / "golden/golden_ptb.json").read_text())
    assert len(cases) > 3000
    tokens = ptb_tokenize([case["raw"] for case in cases])
    assert [case for case in cases if tokens[case["raw"]] != case["ptb"]] == []


def test_one_caption_stays_one_line():
    odd = [
        "a\u2028dog",
        "a\rdog",
        "a\x0bdog\x85",
        "a\x00dog",
        "",
        " ",
        "\u00a0",
        "...",
        "a ||| b",
        "\x1c",
        "😀",
        "end.",
    ]
    tokens = ptb_tokenize(odd)
    assert [tokens[text] for text in odd[:4]] == ["a dog"] * 4
    assert [tokens[text] for text in odd[4:8]] == [""] * 4
    assert [tokens[text] for text in odd[8:]] == ["a | | | b", "", "", "end"]


@pytest.mark.parametrize(
    "name", ["coco_fakecap_val2017", "degenerate_aaa_200", "adversarial_20", "one_image", "with_empty_hyp"]
)
def test_golden_sets_without_meteor(golden, name):
    one = golden[name]
    report = caption_scores(*columns(one), metrics="bleu,rouge,cider")
    for official, key in NAMES.items():
        if key != "METEOR":
            assert report.metrics[key] == 100 * one["corpus"][official]
            assert report.items[key] == [100 * value for value in one["per_image"][official]]


@pytest.fixture(scope="module")
def all_meteor(golden):
    """One run over all sets, for the program takes seconds to start; dealt out to two processes."""
    captions_, references = [], []
    for one in golden.values():
        captions_ += [one["hyps_ptb"][key] for key in one["per_image_ids"]]
        references += [one["refs_ptb"][key] for key in one["per_image_ids"]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlhyper.metrics.captions.meteor.WORTH_A_PROCESS", 100)
        return meteor(captions_, references, processes=2)


def test_golden_meteor_of_images_and_corpora(golden, all_meteor):
    start = 0
    for one in golden.values():
        end = start + one["n_images"]
        assert all_meteor.scores[start:end] == one["per_image"]["METEOR"]
        sums = np.array(meteor_sums(all_meteor.statistics()[start:end])).sum(axis=0)
        assert meteor_of(sums) == pytest.approx(100 * one["corpus"]["METEOR"], abs=1e-10)
        start = end
    assert meteor_of(np.array(meteor_sums(all_meteor.statistics())).sum(axis=0)) == pytest.approx(
        100 * all_meteor.score, abs=1e-10
    )


def test_bleu_from_sums_is_bleu(golden):
    one = golden["coco_fakecap_val2017"]
    keys = one["per_image_ids"]
    found = SCORERS["bleu"]([one["hyps_ptb"][key] for key in keys], [one["refs_ptb"][key] for key in keys])
    sums = np.array(found.statistics)
    for order in range(1, 5):
        assert bleu_of(sums.sum(axis=0), order) == pytest.approx(100 * found.scores[f"BLEU-{order}"], rel=1e-12)
        assert bleu_of(sums, order) == pytest.approx(100 * np.array(found.items[f"BLEU-{order}"]), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("processes", [1, 3])
def test_a_scorer_gives_the_same_in_processes_of_its_own(processes):
    """CIDEr in three of them, of 0, 1 and 1 captions."""
    given = ["a dog", "the cat"], [["a dog runs"], ["a cat", "the cat sits"]]
    with Programs() as programs:
        write_texts(*given, programs.folder / "texts.json")
        found = {name: in_process(name, programs.folder / "texts.json", programs, processes) for name in SCORERS}
    assert found == {name: run(*given) for name, run in SCORERS.items()}


def test_golden_cider_in_parts(golden):
    one = golden["coco_fakecap_val2017"]
    captions_, references = ([one[name][key] for key in one["per_image_ids"]] for name in ("hyps_ptb", "refs_ptb"))
    parts = [cider_part(captions_, references, part, 3) for part in range(3)]
    assert [score for part in parts for score in part] == one["per_image"]["CIDEr"]


def test_images_with_a_prediction_are_scored_in_the_order_of_the_file(tmp_path):
    path = write(tmp_path / "c.json", COCO)
    report = score("caption", predictions=GUESSES, annotations=path, metrics="bleu,cider")
    assert (report.ids, report.n, report.total) == ([7, 5], 2, 3)
    assert list(report.metrics) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr"]
    assert report.items["BLEU-1"][1] == pytest.approx(100)
    with pytest.raises(UserError, match=r"1 of 3 have no prediction \(6\); predict them, or leave out --complete"):
        score("caption", predictions=GUESSES, annotations=path, complete=True)
    with pytest.raises(UserError, match=r"1 ids are not in .*c.json \(8\)"):
        score("caption", predictions=[{"image_id": 8, "caption": "x"}], annotations=path)


def test_confidence_of_captions(tmp_path):
    path = write(tmp_path / "c.json", COCO)
    report = score(
        "caption", predictions=GUESSES, annotations=path, metrics="bleu,rouge", confidence=True, against=GUESSES
    )
    assert set(report.extra["confidence"]["intervals"]) == set(report.metrics)
    assert report.extra["against"]["difference"]["ROUGE-L"] == 0.0


def test_restval_is_training(karpathy):
    def ids(split):
        return list(read_karpathy_gold(Source({"annotations": (Path(karpathy),)}, {"subset": split})).ids)

    assert {split: ids(split) for split in ("train", "val", "test", None)} == {
        "train": [1, 2],
        "val": [3],
        "test": [4, 5],
        None: [4, 5],
    }
    with pytest.raises(UserError, match="not a Karpathy split"):
        ids("tset")


def test_a_scorer_that_cannot_run_is_skipped_and_the_others_count(tmp_path, monkeypatch):
    def broken(*_):
        raise Unavailable("no such program")

    monkeypatch.setattr(captions.meteor, "meteor", broken)
    path = write(tmp_path / "c.json", COCO)
    report = score("caption", predictions=GUESSES, annotations=path, metrics="meteor,rouge")
    assert report.skipped == {"METEOR": "no such program"}
    assert list(report.metrics) == ["ROUGE-L"]


def test_nothing_can_be_scored_without_java(tmp_path, monkeypatch):
    monkeypatch.setenv("VLHYPER_JAVA", str(tmp_path))
    with pytest.raises(JobError, match="no java is there"):
        caption_scores(["a"], [["a"]])


def test_unpaired_texts_are_refused():
    for given in ((["a"], []), ([], []), (["a"], [[]])):
        with pytest.raises(ValueError, match="in step"):
            caption_scores(*given)


@pytest.mark.parametrize("text", ["half of \ud83d", None, 7, float("nan")])
def test_what_is_no_text_is_refused_with_its_row(text):
    for given in (["a", text], [["a"], ["a"]]), (["a", "a"], [["a"], ["a", text]]):
        with pytest.raises(UserError, match=r"row 1: .*caption or reference"):
            caption_scores(*given)


def test_hostile_captions_shift_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("_JAVA_OPTIONS", "-Duser.language=tr -Dfile.encoding=US-ASCII")
    folder = tmp_path / "Öffentlich e Daten"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    texts = ["a dog\nruns", "", "|||", "I ||| SIT", "naïve café\u2028x", "😀", "a dog runs"]
    report = caption_scores(
        texts, [["A dog runs."], *[[text or "x"] for text in texts[1:6]], ["A dog runs."]], "rouge,meteor"
    )
    for name in ("ROUGE-L", "METEOR"):
        scores = report.items[name]
        assert scores[0] == scores[6] == pytest.approx(100)
        assert scores[1] == 0.0
        assert scores[3] == scores[4] == pytest.approx(100)
    assert list(folder.iterdir()) == []


def test_scoring_side_by_side_leaves_standard_output_alone(tmp_path, capsys):
    truth, guesses = write(tmp_path / "truth.json", COCO), write(tmp_path / "guesses.json", GUESSES)
    for _ in range(3):
        score("caption", predictions=guesses, annotations=truth, metrics="bleu,rouge,cider")
        print("still here")
    assert capsys.readouterr().out == "still here\n" * 3
