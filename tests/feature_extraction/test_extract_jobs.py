"""The job: what is skipped, resumed, added, refused, and shared between processes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from encoder_cases import CONFIG, noise
from typer.testing import CliRunner

from vlhyper.cli import build_app, run
from vlhyper.errors import UserError
from vlhyper.features import FeatureWriter, open_features


def content(path: Path):
    with h5py.File(path) as file:
        return file["ids"].asstr()[:].tolist(), file["features"][:].tobytes(), dict(file.attrs)


def test_skipped_images_are_said_listed_and_an_error_only_where_asked(tiny, folder, tmp_path, capsys):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    lines = [json.loads(line) for line in (tmp_path / "f.skipped.jsonl").read_text().splitlines()]
    assert lines == [
        {"image": str(folder / "03b.jpg"), "why": "not an image of a known format"},
        {"image": str(folder / "07b.jpg"), "why": "the file is empty"},
    ]
    said = capsys.readouterr().err
    assert f"skipped {folder / '07b.jpg'}: the file is empty" in said
    last = (
        f"{tmp_path / 'f.h5'}: 11 images of 4 x 512; 2 skipped, listed with the reasons in {tmp_path}/f.skipped.jsonl"
    )
    assert said.splitlines()[-1] == last
    strict = ["extract", folder, "--out", tmp_path / "strict.h5", "--workers", 0, "--strict"]
    strict += ["--encoder", tiny.config, "--weights", tiny.weights]
    assert CliRunner().invoke(build_app(), list(map(str, strict))).exit_code == 1
    assert open_features(tmp_path / "strict.h5").ids == [f"{number:02}" for number in range(11)]


def test_the_provenance_is_in_the_attributes(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    meta = open_features(tmp_path / "f.h5").meta
    assert meta["encoder"] == "tiny" and len(meta["weights_sha256"]) == 64 and meta["precision"] == "fp32"
    assert meta["preprocessing"]["size"] == [64, 64] and meta["preprocessing"]["interpolation"] == "bicubic"
    assert set(meta["created_with"]) >= {"torch", "open_clip_torch", "pillow", "vlhyper"}


def test_run_again_there_is_nothing_to_do(tiny, folder, tmp_path, capsys):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    before = (tmp_path / "f.h5").stat()
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    assert "nothing to do" in capsys.readouterr().err
    assert (tmp_path / "f.h5").stat().st_mtime_ns == before.st_mtime_ns


def test_new_images_are_added_behind_and_skips_stay_listed(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    old = open_features(tmp_path / "f.h5")
    rows = old.read(old.ids)
    more = tmp_path / "more"
    more.mkdir()
    noise(99).save(more / "00a.png")
    tiny.extract(more, "--out", tmp_path / "f.h5", "--workers", 0)
    new = open_features(tmp_path / "f.h5")
    assert new.ids == [*old.ids, "00a"]
    np.testing.assert_array_equal(new.read(old.ids), rows)
    assert len((tmp_path / "f.skipped.jsonl").read_text().splitlines()) == 2


def test_a_repaired_image_is_tried_when_the_list_is_deleted(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    noise(7).save(folder / "07b.jpg")
    (tmp_path / "f.skipped.jsonl").unlink()
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    assert open_features(tmp_path / "f.h5").ids[-1] == "07b"


@pytest.mark.parametrize(("option", "named"), [("--precision=bf16", "precision"), ("--store=float32", "store")])
def test_what_was_made_in_another_way_is_not_added_to(tiny, folder, tmp_path, option, named):
    tiny.extract(folder / "00.png", "--out", tmp_path / "f.h5", "--workers", 0)
    with pytest.raises(UserError, match=rf"f\.h5 and this run do not belong together: {named} is"):
        tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0, option)


def test_equal_stems_in_different_folders_are_refused_with_both_shown(tiny, folder, tmp_path):
    (tmp_path / "b").mkdir()
    noise(1).save(tmp_path / "b" / "00.jpg")
    with pytest.raises(UserError, match=r"images/00\.png and .*b/00\.jpg would have the same id '00'"):
        tiny.extract(folder, tmp_path / "b", "--out", tmp_path / "f.h5")


def test_a_list_chooses_by_id_or_file_name_and_names_what_is_missing(tiny, folder, tmp_path):
    (tmp_path / "ids.txt").write_text("05\n\n00.png\n")
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--list", tmp_path / "ids.txt", "--workers", 0)
    assert open_features(tmp_path / "f.h5").ids == ["00", "05"]
    (tmp_path / "ids.txt").write_text("05\nnowhere\n")
    with pytest.raises(UserError, match=r"ids\.txt: no image for nowhere \(1 of 2 ids\)"):
        tiny.extract(folder, "--out", tmp_path / "g.h5", "--list", tmp_path / "ids.txt")


def test_folders_are_searched_below_and_other_files_left_out(tiny, folder, tmp_path, capsys):
    (folder / "deep").mkdir()
    noise(50).save(folder / "deep" / "x.JPG", format="JPEG")
    (folder / "notes.txt").write_text("no image")
    (folder / "loop").symlink_to(folder)
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    assert open_features(tmp_path / "f.h5").ids[-1] == "x"
    assert "1 files without an image suffix are ignored (.txt × 1)" in capsys.readouterr().err


def test_names_that_begin_with_a_dot_are_ignored(tiny, folder, tmp_path, capsys):
    """As macOS leaves them beside images, and in the __MACOSX of its archives."""
    for name in ("images", "images/more", "__MACOSX", "images/.thumbnails"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "._00.png").write_bytes(b"\x00\x05\x16\x07")
        (tmp_path / name / ".DS_Store").write_bytes(b"Bud1")
    noise(9).save(folder / ".thumbnails" / "01.png")
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    assert open_features(tmp_path / "f.h5").ids == [f"{number:02}" for number in range(11)]
    said = capsys.readouterr().err
    assert "._" not in said and ".DS_Store" not in said and "no suffix" not in said
    with pytest.raises(UserError, match="__MACOSX: no images in this folder"):
        tiny.extract(tmp_path / "__MACOSX", "--out", tmp_path / "g.h5")


def test_a_folder_that_cannot_be_listed_does_not_pass_for_an_empty_one(tiny, folder, tmp_path, monkeypatch):
    (folder / "closed").mkdir()
    scandir = os.scandir

    def refuses(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.raises(UserError, match=r"images/closed: cannot list this folder \(Permission denied\)"):
        tiny.extract(folder, "--out", tmp_path / "f.h5")


def test_a_folder_given_for_the_feature_file_is_named(tiny, folder, tmp_path):
    with pytest.raises(UserError, match=rf"^--out {tmp_path}: is a folder; .*{tmp_path}/features\.h5"):
        tiny.extract(folder, "--out", tmp_path)


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_no_images_is_an_error(tiny, tmp_path, what):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{what}: no "):
        tiny.extract(tmp_path / what, "--out", tmp_path / "f.h5")


def rank(tiny, folder, out, number, world, monkeypatch):
    monkeypatch.setenv("RANK", str(number))
    monkeypatch.setenv("WORLD_SIZE", str(world))
    tiny.extract(folder, "--out", out, "--workers", 0, "--batch-size", 4)
    monkeypatch.undo()


@pytest.mark.parametrize("world", [2, 12])
def test_ranks_write_shards_that_are_one_logical_file(tiny, folder, tmp_path, monkeypatch, world):
    tiny.extract(folder, "--out", tmp_path / "one.h5", "--workers", 0, "--batch-size", 4)
    for number in reversed(range(world)):
        assert not (tmp_path / "f.h5").exists()
        rank(tiny, folder, tmp_path / "f.h5", number, world, monkeypatch)
    one, many = open_features(tmp_path / "one.h5"), open_features(tmp_path / "f.h5")
    assert (one.ids, one.meta) == (many.ids, many.meta)
    np.testing.assert_allclose(many.read(one.ids), one.read(one.ids), rtol=0, atol=1e-2)
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].is_virtual
        np.testing.assert_array_equal(file["features"][:], many.read(many.ids))
    assert (tmp_path / "f.skipped.jsonl").read_text() == (tmp_path / "one.skipped.jsonl").read_text()


def test_a_logical_file_moves_with_its_shards_and_merges_into_a_real_one(tiny, folder, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    for number in range(2):
        rank(tiny, folder, tmp_path / "a" / "f.h5", number, 2, monkeypatch)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = open_features(tmp_path / "b" / "f.h5")
    shards = sorted((tmp_path / "b").glob("f.shard-*.h5"))
    run(["merge", *map(str, shards), "--out", str(tmp_path / "b" / "f.h5")])
    merged = open_features(tmp_path / "b" / "f.h5")
    assert merged.ids == moved.ids
    np.testing.assert_array_equal(merged.read(moved.ids), moved.read(moved.ids))
    for shard in shards:
        shard.unlink()
    assert len(open_features(tmp_path / "b" / "f.h5").read(moved.ids)) == 11
    assert len((tmp_path / "b" / "f.skipped.jsonl").read_text().splitlines()) == 2


def test_a_lost_shard_is_named(tiny, folder, tmp_path, monkeypatch):
    for number in range(2):
        rank(tiny, folder, tmp_path / "f.h5", number, 2, monkeypatch)
    (tmp_path / "f.shard-1-of-2.h5").unlink()
    with pytest.raises(UserError, match=r"f\.h5: its shard .*f\.shard-1-of-2\.h5 is missing"):
        open_features(tmp_path / "f.h5")


# Imports once, then forks: so that many runs can be killed in little time, each an ordinary run to the outside.
RUNNER = """
import os, signal, sys, time
if __name__ == "__main__":
    from vlhyper.cli import run
    from feature_extraction import cli, encoder, extract, listing, ranks
    import open_clip
    for moment in map(float, sys.argv[1].split(",")):
        child = os.fork()
        if child == 0:
            run(sys.argv[2:])
            os._exit(0)
        if moment:
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
        print(child, os.waitpid(child, 0)[1], flush=True)
"""


def test_kill_nine_at_random_moments_then_the_next_run_completes_it(tiny, folder, tmp_path):
    for number in range(11, 150):
        noise(number).save(folder / f"{number:03}.png")
    tiny.extract(folder, "--out", tmp_path / "whole.h5", "--workers", 0, "--batch-size", 4)
    (tmp_path / "runner.py").write_text(RUNNER)
    dice = random.Random(1)
    moments = ",".join(str(dice.uniform(0.1, 0.5)) for _ in range(3))
    command = ["extract", folder, "--out", tmp_path / "f.h5", "--workers", 1, "--batch-size", 4]
    command += ["--encoder", tiny.config, "--weights", tiny.weights]
    ended = subprocess.run(
        [sys.executable, tmp_path / "runner.py", f"{moments},0", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    statuses = [int(line.split()[1]) for line in ended.stdout.splitlines()]
    assert len(statuses) == 4 and statuses[-1] == 0, ended.stderr
    assert signal.SIGKILL in statuses
    assert content(tmp_path / "f.h5") == content(tmp_path / "whole.h5")
    assert (tmp_path / "f.skipped.jsonl").read_text() == (tmp_path / "whole.skipped.jsonl").read_text()
    assert not list(tmp_path.glob("f.h5.*"))
    assert_no_orphans(int(line.split()[0]) for line in ended.stdout.splitlines())


def assert_no_orphans(parents):
    """Decoding processes of killed runs end by themselves."""
    marks = [f"parent_pid={parent}," for parent in parents]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = [command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
        left = [line for line in lines if any(mark in line for mark in marks)]
        if not left:
            return
        time.sleep(0.2)
    raise AssertionError(left)


def command_line(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_run_stopped_before_its_last_step_needs_no_image_again(tiny, folder, tmp_path, monkeypatch):
    def stops(_):
        raise ArithmeticError

    with monkeypatch.context() as patch, pytest.raises(ArithmeticError):
        patch.setattr(FeatureWriter, "_finish", stops)
        tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    for image in folder.glob("*.png"):
        image.write_bytes(b"changed")
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 2)
    assert len(open_features(tmp_path / "f.h5")) == 11


def test_real_photographs_of_several_sizes(tiny, shared, tmp_path):
    tiny.extract(shared / "coco" / "val2014", "--out", tmp_path / "f.h5", "--workers", 0)
    found = open_features(tmp_path / "f.h5")
    assert len(found) == 43 and "000000000042" in found
    assert np.isfinite(found.read(found.ids)).all()


def test_the_size_in_the_config_is_the_size_decoded(tiny, folder, tmp_path):
    config = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "image_size": 96}}
    wanted = {"mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "big.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": wanted}))
    replace(tiny, config=tmp_path / "big.json").extract(folder / "00.png", "--out", tmp_path / "f.h5", "--workers", 0)
    found = open_features(tmp_path / "f.h5")
    assert found.tokens == 9 and found.meta["encoder"] == "big"
    assert found.meta["preprocessing"]["mean"] == [0.5, 0.5, 0.5]


def test_images_that_are_added_later_leave_the_others_in_their_shards(tiny, folder, tmp_path, monkeypatch):
    """Whichever rank comes first, and also where one comes when the other has long finished."""
    for number in range(2):
        rank(tiny, folder, tmp_path / "f.h5", number, 2, monkeypatch)
    before = open_features(tmp_path / "f.h5")
    rows = before.read(before.ids)
    for number in range(11, 16):
        noise(number).save(folder / f"{number - 11:02}a.png")
    rank(tiny, folder, tmp_path / "f.h5", 1, 2, monkeypatch)
    assert open_features(tmp_path / "f.h5").ids == before.ids
    for number in (1, 0, 0):
        rank(tiny, folder, tmp_path / "f.h5", number, 2, monkeypatch)
    after = open_features(tmp_path / "f.h5")
    assert sorted(after.ids) == sorted([*before.ids, *(f"{number:02}a" for number in range(5))])
    np.testing.assert_array_equal(after.read(before.ids), rows)
    tiny.extract(folder, "--out", tmp_path / "one.h5", "--workers", 0, "--batch-size", 4)
    np.testing.assert_allclose(after.read(after.ids), open_features(tmp_path / "one.h5").read(after.ids), atol=1e-2)


def test_a_part_is_completed_with_the_batch_size_it_was_begun_with(tiny, folder, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    settle = FeatureWriter.settle

    def once(writer, *arguments):
        settle(writer, *arguments)
        raise Killed

    monkeypatch.setattr(FeatureWriter, "settle", once)
    with pytest.raises(Killed):
        tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0, "--batch-size", 4)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"was started with batch_size 4, this run has 5"):
        tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0, "--batch-size", 5)


def test_names_that_are_no_utf8_and_names_of_two_lines(tiny, folder, tmp_path, capsys):
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/d\xe9"))
    odd.mkdir()
    (odd / "broken.png").write_bytes(b"no image")
    (folder / "two\nlines.png").write_bytes(b"no image")
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    listed = [json.loads(line)["image"] for line in (tmp_path / "f.skipped.jsonl").read_text().splitlines()]
    assert {str(odd / "broken.png"), str(folder / "two\nlines.png")} < set(listed)
    assert sum("two" in line for line in capsys.readouterr().err.split("\n")) == 1
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--workers", 0)
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n", "contains no ids; write one id per line"), (b"\xe9", r"not UTF-8 \(byte 0\)")]
)
def test_lists_that_are_none(tiny, folder, tmp_path, content, said):
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(UserError, match=rf"ids\.txt: {said}"):
        tiny.extract(folder, "--out", tmp_path / "f.h5", "--list", tmp_path / "ids.txt")


def test_the_program_of_its_own_tells_errors_in_one_line(tmp_path):
    for arguments, code in (([str(tmp_path), "--out", "f.h5"], 2), (["--nope"], 2)):
        done = subprocess.run([sys.executable, "-m", "feature_extraction", *arguments], capture_output=True, text=True)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("feature_extraction: ")
