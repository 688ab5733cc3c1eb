import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from feature_cases import META

from vlhyper.errors import JobError, UserError
from vlhyper.features import FeatureWriter, Skip, open_features
from vlhyper.features.inspection import inspect
from vlhyper.features.writer import read_skipped, skipped_path

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
SHAPE = (4, 8)
IDS = [f"image{number:03}" for number in range(60)]
BAD = {"image000", "image017", "image018", "image059"}
ROWS = np.random.default_rng(0).normal(size=(60, *SHAPE)).astype(np.float16)
FORK = multiprocessing.get_context("fork")


def write(path: Path, batch: int = 7, pause: float = 0.0, ids: list[str] | None = None) -> None:
    """The job that is killed below: rows of IDS in batches, some images unreadable."""
    planned = ids or IDS
    with FeatureWriter(path, planned, {"features": (SHAPE, "float16")}, META) as writer:
        while writer.done < len(planned):
            batch_ids = planned[writer.done : writer.done + batch]
            good = [image for image in batch_ids if image not in BAD]
            skipped = [Skip(image, "unreadable") for image in batch_ids if image in BAD]
            writer.settle(good, {"features": ROWS[[IDS.index(image) for image in good]]}, skipped)
            time.sleep(pause)


def content(path: Path):
    with h5py.File(path) as file:
        values = {name: file[name][:].tolist() for name in file}
        return values, dict(file.attrs), skipped_path(path).read_text()


@pytest.fixture
def whole(tmp_path):
    write(tmp_path / "whole.h5")
    return content(tmp_path / "whole.h5")


def test_unreadable_images_leave_no_gap_and_are_listed(tmp_path):
    write(tmp_path / "f.h5")
    good = [image for image in IDS if image not in BAD]
    found = open_features(tmp_path / "f.h5")
    assert found.ids == good
    np.testing.assert_array_equal(found.read(good), ROWS[[image not in BAD for image in IDS]])
    assert [skip.image for skip in read_skipped(tmp_path / "f.h5")] == sorted(BAD)
    assert json.loads((tmp_path / "f.skipped.jsonl").read_text().splitlines()[0]) == {
        "image": "image000",
        "why": "unreadable",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "f.skipped.jsonl"]


def _dies_at_line(path: Path, line: int) -> None:
    """Run the job and die by SIGKILL before the given line, counted over all lines of the writer and the journal."""
    left = line

    def trace(frame, event, _):
        nonlocal left
        if not frame.f_code.co_filename.endswith(("features/writer.py", "features/journal.py", "vlhyper/files.py")):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    write(path, batch=20)
    sys.settrace(None)
    os._exit(7)


def test_killed_at_every_eleventh_line_the_next_run_completes_it(tmp_path, whole):
    line, killed = 1, 0
    while True:
        path = tmp_path / f"{line}.h5"
        child = FORK.Process(target=_dies_at_line, args=(path, line))
        child.start()
        child.join()
        if child.exitcode == 7:
            break
        assert child.exitcode == -signal.SIGKILL
        if path.exists():
            # What carries the final name is whole already.
            assert inspect(path).checksum == "ok"
            assert content(path) == whole
        write(path, batch=20)
        assert content(path) == whole
        line, killed = line + 11, killed + 1
    assert killed > 15


def test_killed_at_random_moments_over_and_over(tmp_path, whole):
    path, dice = tmp_path / "f.h5", random.Random(0)
    for _ in range(8):
        child = FORK.Process(target=write, args=(path,), kwargs={"pause": 0.01})
        child.start()
        time.sleep(dice.uniform(0.0, 0.06))
        child.kill()
        child.join()
        assert not (path.exists() and content(path) != whole)
    write(path)
    assert content(path) == whole


def test_a_torn_last_line_of_the_journal_is_no_record(tmp_path, whole):
    path = tmp_path / "f.h5"
    _stop_after_first_batch(path)
    with (tmp_path / "f.h5.journal").open("ab") as journal:
        journal.write(b'{"done": 60, "ids": ["imag')
    write(path)
    assert content(path) == whole


def _stop_after_first_batch(path: Path, **options) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        FeatureWriter(path, IDS, {"features": (SHAPE, "float16")}, {**META, **options}) as writer,
    ):
        writer.settle(IDS[1:7], {"features": ROWS[1:7]}, [Skip(IDS[0], "unreadable")])
        raise KeyboardInterrupt


def test_a_part_goes_on_with_an_encoder_that_was_moved(tmp_path):
    path = tmp_path / "f.h5"
    _stop_after_first_batch(path, encoder_files={"encoder": "RN101", "weights": "/old/w.pt"})
    moved = {**META, "encoder_files": {"encoder": "RN101", "weights": "/new/w.pt"}}
    with (
        pytest.raises(KeyboardInterrupt),
        FeatureWriter(path, IDS, {"features": (SHAPE, "float16")}, moved) as writer,
    ):
        assert writer.done == 7
        raise KeyboardInterrupt


def test_rows_written_but_not_yet_in_the_journal_are_written_again(tmp_path, whole):
    path = tmp_path / "f.h5"
    _stop_after_first_batch(path)
    part = tmp_path / "f.h5.part"
    with part.open("r+b") as file:
        file.seek(part.stat().st_size // 2)
        file.write(b"\xff" * 500)
    write(path)
    assert content(path) == whole


@pytest.mark.parametrize(
    ("change", "named"), [("ids", "images 60"), ("precision", "precision other"), ("encoder", "encoder other")]
)
def test_a_part_of_another_job_is_refused_with_what_differs(tmp_path, change, named):
    path = tmp_path / "f.h5"
    _stop_after_first_batch(path, **({} if change == "ids" else {change: "other"}))
    with pytest.raises(UserError, match=rf"f\.h5\.part was started with {named}.*, this run has"):
        write(path, ids=IDS[:-1] if change == "ids" else IDS)
    assert (tmp_path / "f.h5.part").exists()


def test_a_second_process_on_the_same_output_is_refused(tmp_path, whole):
    path = tmp_path / "f.h5"
    child = FORK.Process(target=write, args=(path,), kwargs={"pause": 0.05})
    child.start()
    while not (tmp_path / "f.h5.part").exists():
        time.sleep(0.005)
    with pytest.raises(UserError, match=r"f\.h5: another process is writing this file"):
        write(path)
    child.join()
    assert content(path) == whole


def _write_with_little_room(path: Path, most: int, queue) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        write(path)
    except JobError as error:
        queue.put(str(error))


@pytest.mark.parametrize("most", [500, 2200, 5000])
def test_no_room_is_said_in_one_line_and_the_next_run_goes_on(tmp_path, whole, most):
    path, queue = tmp_path / "f.h5", FORK.SimpleQueue()
    child = FORK.Process(target=_write_with_little_room, args=(path, most, queue))
    child.start()
    child.join()
    assert child.exitcode == 0
    message = queue.get()
    assert "cannot be written" in message and "of 60 images are saved" in message
    assert not path.exists()
    write(path)
    assert content(path) == whole


# Forked processes end without what HDF5 does at the end of a program, so this one is a program.
FINISH = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_writer import write
from vlhyper.errors import JobError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    write(Path(sys.argv[2]))
except JobError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [1, 600, 2048, 4096])
def test_a_disk_that_fills_up_under_the_index_crashes_nothing(tmp_path, whole, room):
    path = tmp_path / "f.h5"
    _stop_after_first_batch(path)
    most = (tmp_path / "f.h5.part").stat().st_size + room
    command = [sys.executable, "-c", FINISH, Path(__file__).parent, path, str(most)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "cannot be written (File too large); 60 of 60 images are saved" in ended.stdout
    write(path)
    assert content(path) == whole


def test_a_disk_that_fills_up_keeps_what_was_settled(tmp_path, whole, monkeypatch):
    path, real, room = tmp_path / "f.h5", os.write, 1500

    def full(descriptor, data):
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        count = real(descriptor, data[:room])
        room -= count
        return count

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(JobError, match=r"No space left on device\); 21 of 60 images are saved in .*f\.h5\.part"):
        write(path)
    monkeypatch.undo()
    write(path)
    assert content(path) == whole


def test_infinities_are_refused_with_the_image_and_a_way_out(tmp_path):
    rows = np.full((1, *SHAPE), np.inf, np.float16)
    with (
        pytest.raises(JobError, match=r"features of 'image001' contain an infinity.*--store float32"),
        FeatureWriter(tmp_path / "f.h5", ["image001"], {"features": (SHAPE, "float16")}, META) as writer,
    ):
        writer.settle(["image001"], {"features": rows})


def test_a_job_without_images_gives_a_valid_empty_file(tmp_path):
    with FeatureWriter(tmp_path / "f.h5", [], {"features": (SHAPE, "float16")}, META):
        pass
    assert len(open_features(tmp_path / "f.h5")) == 0
    assert open_features(tmp_path / "f.h5").read([]).shape == (0, *SHAPE)


def test_boxes_and_sizes_lie_beside_the_features(tmp_path):
    boxes, sizes = np.random.rand(2, 4, 4).astype(np.float32), np.array([[640, 480], [1, 2]], np.float32)
    arrays = {"features": (SHAPE, "float16"), "boxes": ((4, 4), "float32"), "sizes": ((2,), "float32")}
    with FeatureWriter(tmp_path / "f.h5", ["a", "b", "c"], arrays, META) as writer:
        writer.settle(["a", "c"], {"features": ROWS[:2], "boxes": boxes, "sizes": sizes}, [Skip("b", "torn")])
    found = open_features(tmp_path / "f.h5")
    np.testing.assert_array_equal(found.read_array("boxes", ["c", "a"]), boxes[::-1])
    np.testing.assert_array_equal(found.read_array("sizes", ["c"]), sizes[1:])
