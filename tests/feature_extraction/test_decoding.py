"""Decoding processes: order, and images that kill them."""

import numpy as np
import pytest
from deadly_images import Deadly, exits_at_once
from encoder_cases import noise

from feature_extraction import decoding
from feature_extraction.decoding import decoded_batches
from feature_extraction.encoder import load_encoder
from feature_extraction.extract import extract
from feature_extraction.images import decode
from vlhyper.errors import JobError
from vlhyper.features import open_features

SIZE = (8, 8)


@pytest.fixture
def paths(tmp_path):
    for number in range(60):
        noise(number).save(tmp_path / f"{number:02}.png")
    return sorted(tmp_path.glob("*.png"))


def decoded(paths, workers):
    batches = list(decoded_batches(paths, 20, SIZE, "bicubic", workers))
    assert [len(pixels) for pixels, _ in batches] == [20, 20, 20]
    return np.concatenate([pixels for pixels, _ in batches]), [why for _, whys in batches for why in whys]


def test_an_image_that_kills_its_decoder_is_named_and_the_others_go_on(paths, tmp_path, capsys):
    expected, _ = decode(paths, SIZE, "bicubic")
    paths[7], paths[8], paths[50] = Deadly("0.png"), Deadly("6.png"), Deadly("11.png")
    expected[[7, 8, 50]] = 0
    pixels, whys = decoded(paths, workers=2)
    np.testing.assert_array_equal(pixels, expected)
    died = {place: why for place, why in enumerate(whys) if why}
    assert died == {
        7: "its decoder crashed (exit code 3)",
        8: "its decoder crashed (SIGABRT)",
        50: "its decoder crashed (SIGSEGV)",
    }
    assert "a decoding process crashed" in capsys.readouterr().err


def test_a_killed_decoder_is_no_fault_of_the_image_but_names_it(paths):
    paths[30] = Deadly("9.png")
    batches = decoded_batches(paths, 20, SIZE, "bicubic", 1)
    assert next(batches)[1] == [None] * 20
    with pytest.raises(
        JobError, match=r"^9\.png: the process that decoded it was killed, probably because memory ran out"
    ):
        next(batches)


def test_where_no_process_starts_no_image_is_blamed(paths, monkeypatch):
    monkeypatch.setattr(decoding, "_start_worker", exits_at_once)
    monkeypatch.setattr(decoding, "_send_each", exits_at_once)
    with pytest.raises(JobError, match=r"cannot start a decoding process \(exit code 4\); .* --workers 0"):
        next(decoded_batches(paths, 20, SIZE, "bicubic", 1))


def test_the_file_is_that_of_a_run_without_the_deadly_image(tiny, paths, tmp_path):
    encoder = load_encoder(str(tiny.config), str(tiny.weights))
    images = {path.stem: path for path in paths[:20]}
    (tmp_path / "broken.jpg").touch()
    for name, bad in (("died", Deadly("0.png")), ("unreadable", tmp_path / "broken.jpg")):
        skipped = extract(encoder, {**images, "05": bad}, tmp_path / f"{name}.h5", "float16", 8, 1)
        assert [skip.image for skip in skipped] == [str(bad)]
    died, unreadable = open_features(tmp_path / "died.h5"), open_features(tmp_path / "unreadable.h5")
    assert died.ids == unreadable.ids and "05" not in died
    np.testing.assert_array_equal(died.read(died.ids), unreadable.read(died.ids))
