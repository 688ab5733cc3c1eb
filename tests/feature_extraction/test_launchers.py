"""Two processes, started as a user starts them, write what one process writes."""

import os
import subprocess
import sys

import h5py
import numpy as np
from encoder_cases import Tiny

from vlhyper.cli import run
from vlhyper.features import open_features

# A named address: looking up the machine's own name can take minutes where there is no network.
NAMED = ("--master-addr", "127.0.0.1", "--master-port", "29741")
TORCHRUN = ("-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", "2", *NAMED)


# accelerate's launcher is torch's with other defaults; under it training is shown (tests/run/test_processes.py).
def test_two_launched_processes_write_the_file_of_one(tiny: Tiny, folder, tmp_path):
    options = ["--encoder", tiny.config, "--weights", tiny.weights, "--batch-size", 4, "--workers", 0]
    tiny.extract(folder, "--out", tmp_path / "one.h5", "--workers", 0, "--batch-size", 4)
    command = [sys.executable, *TORCHRUN, "-m", "feature_extraction", folder, "--out", tmp_path / "f.h5"]
    launch([str(part) for part in [*command, *options]])
    shards = [tmp_path / f"f.shard-{number}-of-2.h5" for number in range(2)]
    assert [len(open_features(shard)) for shard in shards] == [5, 6]
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].is_virtual
    same(tmp_path / "one.h5", tmp_path / "f.h5")
    run(["merge", *map(str, shards), "--out", str(tmp_path / "merged.h5")])
    same(tmp_path / "one.h5", tmp_path / "merged.h5")


def launch(command: list[str]) -> None:
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        _, said = process.communicate(timeout=120)
    finally:
        # A launcher ends its workers when it is asked to end.
        process.terminate()
    assert process.returncode == 0, said


def same(one, many):
    with h5py.File(one) as expected, h5py.File(many) as found:
        assert found["ids"].asstr()[:].tolist() == expected["ids"].asstr()[:].tolist()
        assert dict(found.attrs) == dict(expected.attrs)
        # An image stands elsewhere in its batch, which may change the order of additions.
        np.testing.assert_allclose(found["features"][:], expected["features"][:], rtol=2e-3, atol=2e-3)
    lists = [path.with_suffix(".skipped.jsonl").read_text() for path in (one, many)]
    assert lists[0] == lists[1] and len(lists[0].splitlines()) == 2
