from pathlib import Path

import h5py
import numpy as np
import pytest

from vlhyper.errors import JobError, UserError
from vlhyper.features import open_features
from vlhyper.features.merge import is_logical, join_shards, merge


def test_a_merge_keeps_rows_and_order(tmp_path, make):
    one, two = make(tmp_path / "1.h5", [f"a{n}" for n in range(70)]), make(tmp_path / "2.h5", ["b"])
    merged = merge([tmp_path / "1.h5", tmp_path / "2.h5"], tmp_path / "m.h5")
    assert merged.ids == [*(f"a{n}" for n in range(70)), "b"]
    np.testing.assert_array_equal(merged.read(merged.ids), np.concatenate([one, two]))
    assert not is_logical(tmp_path / "m.h5")


@pytest.mark.parametrize("problem", ["kind", "double", "there"])
def test_what_does_not_go_together_is_refused(tmp_path, make, problem):
    make(tmp_path / "1.h5", ["a"])
    make(tmp_path / "2.h5", ["a" if problem == "double" else "b"], encoder="RN50" if problem == "kind" else "RN101")
    if problem == "there":
        make(tmp_path / "m.h5", ["c"])
    said = {
        "kind": "encoder is 'RN101' .* 'RN50'",
        "double": "duplicate id 'a' in .*1.h5 and .*2.h5",
        "there": "m.h5: already exists",
    }
    with pytest.raises(UserError, match=said[problem]):
        merge([tmp_path / "1.h5", tmp_path / "2.h5"], tmp_path / "m.h5")


def test_an_interrupted_merge_goes_on(tmp_path, make, monkeypatch):
    rows = make(tmp_path / "1.h5", [str(n) for n in range(200)])
    from vlhyper.features.writer import FeatureWriter

    settle = FeatureWriter.settle

    def stops(self, *arguments):
        if self.done >= 64:
            raise KeyboardInterrupt
        settle(self, *arguments)

    monkeypatch.setattr(FeatureWriter, "settle", stops)
    with pytest.raises(KeyboardInterrupt):
        merge([tmp_path / "1.h5"], tmp_path / "m.h5")
    monkeypatch.undo()
    merged = merge([tmp_path / "1.h5"], tmp_path / "m.h5")
    np.testing.assert_array_equal(merged.read(merged.ids), rows)


def test_a_logical_file_is_read_as_fast_through_its_shards_and_whole_by_hdf5(tmp_path, make):
    one, two = make(tmp_path / "1.h5", ["a", "b"]), make(tmp_path / "2.h5", ["c"])
    join_shards([tmp_path / "1.h5", tmp_path / "2.h5"], tmp_path / "v.h5")
    found = open_features(tmp_path / "v.h5")
    assert [segment.path.name for segment in found.segments] == ["1.h5", "2.h5"]
    np.testing.assert_array_equal(found.read(["c", "b"]), np.stack([two[0], one[1]]))
    with h5py.File(tmp_path / "v.h5") as file:
        np.testing.assert_array_equal(file["features"][:], np.concatenate([one, two]))


def test_a_logical_file_over_parts_of_a_file_reads_those_rows(tmp_path, make):
    rows = make(tmp_path / "1.h5", ["a", "b", "c", "d"])
    layout = h5py.VirtualLayout((2, 4, 8), np.float16)
    layout[:] = h5py.VirtualSource("1.h5", "features", (4, 4, 8))[1:3]
    with h5py.File(tmp_path / "1.h5") as whole, h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("features", layout)
        file["ids"] = ["b", "c"]
        file.attrs.update(whole.attrs)
    np.testing.assert_array_equal(open_features(tmp_path / "v.h5").read(["c", "b"]), rows[[2, 1]])


def test_rows_that_changed_on_the_way_are_found(tmp_path, make):
    make(tmp_path / "1.h5", ["a", "b"])
    damage(tmp_path / "1.h5", row=1)
    # The copy of a damaged row is a faithful copy; the damage shows where the original's checksum is known.
    from vlhyper.features.inspection import inspect

    assert inspect(tmp_path / "1.h5").broken == ["b"]


def damage(path: Path, row: int) -> None:
    with h5py.File(path, "r+") as file:
        values = file["features"][row]
        values[0, 0] += 1
        file["features"][row] = values


def test_a_copy_that_differs_is_an_error(tmp_path, make, monkeypatch):
    make(tmp_path / "1.h5", ["a", "b"])
    monkeypatch.setattr("vlhyper.features.merge.broken_rows", lambda _: ["b"])
    with pytest.raises(JobError, match=r"m\.h5: 1 rows differ from the shards, first 'b'"):
        merge([tmp_path / "1.h5"], tmp_path / "m.h5")


def test_a_shard_that_is_not_named_is_missed(tmp_path, make):
    paths = [tmp_path / f"f.shard-{number}-of-3.h5" for number in range(3)]
    for number, path in enumerate(paths):
        make(path, [str(number)])
    with pytest.raises(UserError, match="shard 1 of 3 is missing"):
        merge([paths[0], paths[2]], tmp_path / "f.h5")
    assert merge(paths, tmp_path / "f.h5").ids == ["0", "1", "2"]
