"""The layouts of feature files that are not of this project, besides those of VL-Adapter and VL-T5."""

import base64
import pickle

import h5py
import numpy as np
import pytest

from vlhyper.errors import UserError
from vlhyper.features.importing import import_features

GENERATOR = np.random.default_rng(0)
FEATURES = {name: GENERATOR.normal(size=(36, 16)).astype(np.float32) for name in ("391895", "2375429")}
BOXES = {name: (GENERATOR.random((36, 4)) * 600).astype(np.float32) for name in FEATURES}


def imported(source, tmp_path, ids=tuple(FEATURES)):
    found = import_features(source, tmp_path / "f.h5", store="float32")
    assert sorted(found.ids) == sorted(ids)
    np.testing.assert_array_equal(found.read(ids), np.stack([FEATURES[name] for name in ids]))
    return found


def line(name, columns, **changes):
    packed = {"boxes": BOXES[name], "features": FEATURES[name], "objects_conf": np.ones(36, np.float32)}
    packed |= {"objects_id": np.arange(36), "attrs_id": np.arange(36), "attrs_conf": np.ones(36, np.float32)}
    cells = {key: base64.b64encode(value.tobytes()).decode() for key, value in packed.items()}
    cells |= {"img_id": name, "image_id": name, "img_h": "480", "img_w": "640", "num_boxes": "36", **changes}
    return "\t".join(cells[column] for column in columns)


OBJ36 = ["img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf"]
OBJ36 += ["num_boxes", "boxes", "features"]
BOTTOM_UP = ["image_id", "img_w", "img_h", "num_boxes", "boxes", "features"]


@pytest.mark.parametrize("columns", [OBJ36, BOTTOM_UP], ids=["LXMERT", "bottom-up-attention"])
def test_a_tsv_of_lxmert_or_bottom_up_attention(tmp_path, columns):
    (tmp_path / "val2014_obj36.tsv").write_text("".join(line(name, columns) + "\n" for name in FEATURES))
    found = imported(tmp_path / "val2014_obj36.tsv", tmp_path)
    np.testing.assert_array_equal(found.read_array("boxes", ["2375429"])[0], BOXES["2375429"])
    np.testing.assert_array_equal(found.read_array("sizes", ["391895"])[0], [640, 480])
    assert found.meta["preprocessing"] == {"imported_from": "LXMERT"}


def test_damaged_lines_of_a_tsv_are_skipped_by_name(tmp_path, capsys):
    lines = [line("391895", OBJ36), line("2375429", OBJ36, img_id="cut")[:-7], line("2375429", OBJ36)]
    lines += [line("391895", OBJ36, img_id="broken", features="!!!!"), "short\t1"]
    (tmp_path / "o.tsv").write_text("\n".join(lines))
    imported(tmp_path / "o.tsv", tmp_path)
    said = capsys.readouterr().err
    assert all(f"skipped {tmp_path}/o.tsv:{name}: cannot be read" in said for name in ("cut", "broken", "short"))


@pytest.mark.parametrize("ending", ["features", "grids"])
def test_hdf5_with_the_id_in_the_names_of_its_data_sets(tmp_path, ending):
    with h5py.File(tmp_path / "coco.hdf5", "w") as file:
        for name, value in FEATURES.items():
            file[f"{name}_{ending}"] = value
            file[f"{name}_cls_prob"] = np.zeros((36, 3))
            file[f"{name}_boxes"] = BOXES[name]
    found = imported(tmp_path / "coco.hdf5", tmp_path)
    np.testing.assert_array_equal(found.read_array("boxes", ["2375429"])[0], BOXES["2375429"])


@pytest.mark.parametrize(
    ("suffix", "save"),
    [
        ("npy", lambda path, value: np.save(path, value)),
        ("npz", lambda path, value: np.savez(path, features=value)),
        ("npz", lambda path, value: np.savez(path, feat=value.reshape(6, 6, 16))),
        ("npz", lambda path, value: np.savez(path, x=value.T, bbox=BOXES["391895"], image_w=640, image_h=480)),
        ("npz", lambda path, value: np.savez_compressed(path, feat=value, info=np.array({"a": 1}, dtype=object))),
    ],
    ids=["npy", "features", "grid", "OpenVQA", "with a pickle"],
)
def test_a_folder_of_numpy_files(tmp_path, suffix, save):
    (tmp_path / "n" / "val").mkdir(parents=True)
    for name, value in FEATURES.items():
        save(tmp_path / "n" / "val" / f"{name}.{suffix}", value)
    (tmp_path / "n" / f"._1.{suffix}").write_bytes(b"\x00\x05\x16\x07")
    imported(tmp_path / "n", tmp_path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_pickles_and_damaged_numpy_files_are_skipped_and_never_run(tmp_path, capsys):
    folder = tmp_path / "n"
    folder.mkdir()
    for name, value in FEATURES.items():
        np.save(folder / f"{name}.npy", value)
    whole = (folder / "391895.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[:200])
    (folder / "empty.npz").touch()
    (folder / "pickled.npy").write_bytes(pickle.dumps(Trap()))
    np.savez(folder / "other.npz", y=np.zeros(3))
    imported(folder, tmp_path)
    said = capsys.readouterr().err
    assert all(f"{name}: cannot be read" in said for name in ("cut", "empty", "pickled", "other"))


def test_what_is_of_no_layout_is_said(tmp_path):
    (tmp_path / "a.tsv").write_text("question\tanswer\n")
    with pytest.raises(UserError, match=r"a\.tsv: not a \.tsv file of LXMERT or bottom-up-attention"):
        import_features(tmp_path / "a.tsv", tmp_path / "f.h5")
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match=r"a\.zip: not an HDF5 file"):
        import_features(tmp_path / "a.zip", tmp_path / "f.h5")
    (tmp_path / "b.tsv").write_text("".join(line("391895", OBJ36) + "\n" for _ in range(2)))
    with pytest.raises(UserError, match=r"would have the same id '391895'"):
        import_features(tmp_path / "b.tsv", tmp_path / "f.h5")
