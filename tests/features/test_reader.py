import multiprocessing
import pickle
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from vlhyper.errors import UserError
from vlhyper.features import open_features
from vlhyper.features.raw_rows import plain_offsets


def test_rows_come_in_the_order_asked_and_twice_where_asked_twice(tmp_path, make):
    rows = make(tmp_path / "f.h5", ["a", "b", "c"])
    found = open_features(tmp_path / "f.h5")
    assert (found.ids, found.tokens, found.width, len(found)) == (["a", "b", "c"], 4, 8, 3)
    np.testing.assert_array_equal(found.read(["c", "a", "c"]), rows[[2, 0, 2]])
    assert found.read([]).shape == (0, 4, 8)
    assert "b" in found and "x" not in found


def test_the_file_is_what_the_contract_says(tmp_path, make):
    rows = make(tmp_path / "f.h5", ["a", "ä b"])
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].dtype == np.float16 and file["features"].chunks == (1, 4, 8)
        np.testing.assert_array_equal(file["features"][:], rows)
        assert file["ids"].asstr()[:].tolist() == ["a", "ä b"]
        assert file.attrs["format"] == "vlhyper-grid/1" and file.attrs["encoder"] == "RN101"
        assert set(file.attrs) >= {"weights_sha256", "preprocessing", "created_with"}


def test_uncompressed_rows_are_read_past_hdf5_and_equal_what_hdf5_reads(tmp_path, make):
    make(tmp_path / "f.h5", [str(number) for number in range(300)])
    with h5py.File(tmp_path / "f.h5") as file:
        assert plain_offsets(file["features"]) is not None
        np.testing.assert_array_equal(
            open_features(tmp_path / "f.h5").read(file["ids"].asstr()[:]), file["features"][:]
        )


@pytest.mark.parametrize(
    "storage",
    [{}, {"chunks": (2, 4, 8)}, {"chunks": (1, 4, 8), **hdf5plugin.Bitshuffle(cname="zstd")}, {"dtype": ">f4"}],
    ids=["contiguous", "wide chunks", "compressed", "other bytes"],
)
def test_files_of_other_programs_are_read_however_they_are_stored(tmp_path, make, storage):
    rows = make(tmp_path / "f.h5", ["a", "b", "c"])
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        del file["features"]
        file.create_dataset("features", **{"data": rows, "dtype": rows.dtype, **storage})
    np.testing.assert_array_equal(open_features(tmp_path / "f.h5").read(["b", "c", "a"]), rows[[1, 2, 0]])


def test_several_files_are_one_set(tmp_path, make):
    one, two = make(tmp_path / "1.h5", ["a", "b"]), make(tmp_path / "2.h5", ["c"])
    found = open_features([tmp_path / "1.h5", tmp_path / "2.h5"])
    assert found.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(found.read(["c", "b"]), np.stack([two[0], one[1]]))


def test_a_missing_id_is_named_with_the_file(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b"])
    with pytest.raises(UserError, match=r"f\.h5: no features for image 'x', 'y'"):
        open_features(tmp_path / "f.h5").read(["a", "x", "y"])


@pytest.mark.parametrize(
    ("key", "value"), [("encoder", "RN50"), ("weights_sha256", "cd" * 32), ("preprocessing", {"size": [288, 288]})]
)
def test_files_of_two_kinds_are_refused_with_both_named(tmp_path, make, key, value):
    make(tmp_path / "1.h5", ["a"])
    make(tmp_path / "2.h5", ["b"], **{key: value})
    with pytest.raises(UserError, match=rf"1\.h5 and .*2\.h5 do not belong together: {key} is .* and .*"):
        open_features([tmp_path / "1.h5", tmp_path / "2.h5"])


def test_other_versions_of_libraries_are_no_other_kind(tmp_path, make):
    make(tmp_path / "1.h5", ["a"])
    make(tmp_path / "2.h5", ["b"], created_with={"torch": "2.10"})
    assert open_features([tmp_path / "1.h5", tmp_path / "2.h5"]).meta["created_with"] == {"torch": "2.9, 2.10"}


def test_an_id_in_two_files_is_refused(tmp_path, make):
    make(tmp_path / "1.h5", ["a", "b"])
    make(tmp_path / "2.h5", ["b"])
    with pytest.raises(UserError, match=r"duplicate id 'b' in .*1\.h5 and .*2\.h5"):
        open_features([tmp_path / "1.h5", tmp_path / "2.h5"])


def test_what_the_run_states_is_compared(tmp_path, make):
    make(tmp_path / "f.h5", ["a"])
    found = open_features(tmp_path / "f.h5")
    found.require(encoder="RN101", width=8)
    with pytest.raises(UserError, match="width is 8 but the run expects 2048"):
        found.require(width=2048)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"no hdf5", "not an HDF5 file; give the .h5 file"),
        (b"\0" * 100_000, "not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n and no more", "not a complete HDF5 file"),
        (b"\0" * 1024 + b"\x89HDF\r\n\x1a\n and no more", "not a complete HDF5 file"),
        (None, "no such file"),
    ],
)
def test_what_is_no_feature_file_is_named(tmp_path, content, told):
    if content is not None:
        (tmp_path / "f.h5").write_bytes(content)
    with pytest.raises(UserError, match=rf"f\.h5: {told}"):
        open_features(tmp_path / "f.h5")


def test_hdf5_of_another_layout_points_to_the_import(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["1/features"] = np.zeros((49, 8))
    with pytest.raises(UserError, match="import-features"):
        open_features(tmp_path / "f.h5")


def test_a_file_cut_short_is_named(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b"])
    with (tmp_path / "f.h5").open("r+b") as file:
        file.truncate(3000)
    with pytest.raises(UserError, match=r"f\.h5: not a complete HDF5 file"):
        open_features(tmp_path / "f.h5")


def test_a_file_cut_short_after_it_was_opened_is_named(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b"])
    found = open_features(tmp_path / "f.h5")
    with (tmp_path / "f.h5").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UserError, match=r"f\.h5: "):
        found.read(["b"])


def _read_in_child(features, image, queue):
    queue.put(features.read([image]))


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_set_opened_before_a_fork_reads_right_in_the_child(tmp_path: Path, make, start):
    rows = make(tmp_path / "f.h5", ["a", "b"])
    found = open_features(tmp_path / "f.h5")
    found.read(["a"])
    context = multiprocessing.get_context(start)
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(found, "b", queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60)[0], rows[1])
    child.join()


def test_a_pickled_set_takes_no_handle_along(tmp_path, make):
    rows = make(tmp_path / "f.h5", ["a"])
    found = open_features(tmp_path / "f.h5")
    found.read(["a"])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).read(["a"]), rows)


def test_a_folder_is_named_as_one(tmp_path):
    with pytest.raises(UserError, match=rf"^{tmp_path}: is a folder; give the feature file"):
        open_features(tmp_path)


@pytest.mark.parametrize("harm", ["ids", "features", "attributes"])
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, make, harm):
    make(tmp_path / "f.h5", ["a", "b"])
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        if harm == "attributes":
            file.attrs["created_with"] = b"\xff"
        else:
            del file[harm]
            file[harm] = [1, 2] if harm == "ids" else np.zeros(2)
            if harm == "features":
                del file[harm]
                file.create_group(harm)
    with pytest.raises(UserError, match=r"f\.h5: "):
        open_features(tmp_path / "f.h5")
