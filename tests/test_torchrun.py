"""Two processes, started as a user starts them, extract and train as one does, and end with their launcher.

accelerate's launcher is torch's with other defaults; tests/run/test_processes.py trains and answers under it.
"""

import json
import os
import signal

import h5py
import numpy as np
import pytest
from encoder_cases import save_images, save_tiny
from run_cases import launched, losses
from waiting import until

from vlhyper.cli import run
from vlhyper.features import open_features
from vlhyper.run.lock import LOCK, locked
from vlhyper.run.train import train

pytestmark = pytest.mark.usefixtures("fresh_process")


def test_what_torchrun_starts_does_what_one_process_does_and_ends_with_it(lab, tmp_path):
    tiny, images = save_tiny(tmp_path), save_images(tmp_path)
    options = ["--encoder", tiny.config, "--weights", tiny.weights, "--batch-size", 4, "--workers", 0]
    tiny.extract(images, "--out", tmp_path / "one.h5", "--workers", 0, "--batch-size", 4)
    train(lab.run("training.steps=3"), tmp_path / "alone")
    both = tmp_path / "both"
    launcher = launched(
        [
            ["extract", images, "--out", tmp_path / "f.h5", *options],
            ["train", lab.path, "training.steps=100000", "--out", both],
        ]
    )
    try:
        until(lambda: (both / "log.jsonl").exists() and len((both / "log.jsonl").read_text().splitlines()) > 3, 120)
        owner = json.loads((both / ".lock.json").read_text())["pid"]
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        until(lambda: not alive(owner), seconds=20)
    finally:
        launcher.kill()
        launcher.communicate()
    with locked(both):
        assert (both / LOCK).exists()
    trained = losses(both)
    assert {step: trained[step] for step in (1, 2, 3)} == {
        step: pytest.approx(line, rel=1e-4) for step, line in losses(tmp_path / "alone").items()
    }
    extracted_alike(tmp_path)


def extracted_alike(folder):
    """The shards, the file that joins them, and their merged file are that of one process."""
    shards = [folder / f"f.shard-{number}-of-2.h5" for number in range(2)]
    assert [len(open_features(shard)) for shard in shards] == [5, 6]
    with h5py.File(folder / "f.h5") as file:
        assert file["features"].is_virtual
    run(["merge", *map(str, shards), "--out", str(folder / "merged.h5")])
    for many in ("f.h5", "merged.h5"):
        same(folder / "one.h5", folder / many)


def same(one, many):
    with h5py.File(one) as expected, h5py.File(many) as found:
        assert found["ids"].asstr()[:].tolist() == expected["ids"].asstr()[:].tolist()
        assert dict(found.attrs) == dict(expected.attrs)
        # An image stands elsewhere in its batch, which may change the order of additions.
        np.testing.assert_allclose(found["features"][:], expected["features"][:], rtol=2e-3, atol=2e-3)
    lists = [path.with_suffix(".skipped.jsonl").read_text() for path in (one, many)]
    assert lists[0] == lists[1] and len(lists[0].splitlines()) == 2


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
