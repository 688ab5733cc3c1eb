import json

import h5py
import numpy as np
import pytest

from vlhyper.errors import JobError, UserError
from vlhyper.features import open_features
from vlhyper.features.importing import import_features

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def vl_adapter(tmp_path):
    """A folder as VL-Adapter leaves it: a file an image, some of them torn."""
    folder = tmp_path / "COCO" / "clip_features" / "data_clip_RN101_att"
    folder.mkdir(parents=True)
    values = {}
    for number in range(150):
        name = f"COCO_val2014_{number:012}"
        values[name] = GENERATOR.normal(size=(49, 16)).astype(np.float16)
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_group(name)["features"] = values[name]
    return folder, values


@pytest.fixture
def vl_t5(tmp_path):
    """A file as VL-T5 leaves it: a group an image, with boxes and sizes."""
    values = {}
    with h5py.File(tmp_path / "val2014_obj36.h5", "w") as file:
        for name in ("COCO_val2014_000000391895", "2375429"):
            group = file.create_group(name)
            values[name] = {
                "features": GENERATOR.normal(size=(36, 16)).astype(np.float32),
                "boxes": (GENERATOR.random((36, 4)) * 600).astype(np.float32),
            }
            for key, value in values[name].items():
                group[key] = value
            group["img_w"], group["img_h"] = 640, 480
            group["obj_id"], group["obj_conf"] = np.arange(36), np.ones(36, np.float32)
    return tmp_path / "val2014_obj36.h5", values


def test_a_vl_adapter_folder_becomes_one_file(vl_adapter, tmp_path):
    folder, values = vl_adapter
    found = import_features(folder, tmp_path / "f.h5")
    assert found.ids == list(values) and (found.tokens, found.width) == (49, 16)
    np.testing.assert_array_equal(found.read(list(values)), np.stack(list(values.values())))
    assert found.meta["encoder"] == "RN101" and found.meta["preprocessing"] == {"imported_from": "VL-Adapter"}


def test_names_that_begin_with_a_dot_are_not_imported(vl_adapter, tmp_path):
    folder, values = vl_adapter
    name = next(iter(values))
    for hidden in (folder / f"._{name}.h5", folder / ".copy" / f"{name}.h5"):
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_bytes(b"\x00\x05\x16\x07")
    assert import_features(folder, tmp_path / "f.h5").ids == list(values)
    assert not (tmp_path / "f.skipped.jsonl").exists()


def test_torn_files_are_named_and_the_rest_imported(vl_adapter, tmp_path, capsys):
    folder, values = vl_adapter
    names = list(values)
    whole = (folder / f"{names[3]}.h5").read_bytes()
    (folder / f"{names[0]}.h5").write_bytes(b"")
    (folder / f"{names[3]}.h5").write_bytes(whole[: len(whole) // 2])
    with h5py.File(folder / f"{names[5]}.h5", "w"):
        pass
    with h5py.File(folder / f"{names[7]}.h5", "w") as file:
        file[f"{names[7]}/features"] = np.zeros((48, 16), np.float16)
    with h5py.File(folder / f"{names[9]}.h5", "w") as file:
        file[f"{names[9]}/features"] = np.full((49, 16), np.nan, np.float16)
    found = import_features(folder, tmp_path / "f.h5")
    torn = [names[index] for index in (0, 3, 5, 7, 9)]
    assert found.ids == [name for name in names if name not in torn]
    lines = [json.loads(line) for line in (tmp_path / "f.skipped.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [f"{folder / name}.h5:{name}" for name in torn]
    reasons = [line["why"] for line in lines]
    assert reasons[:2] == ["the file is empty", "not a complete HDF5 file"] and "is missing" in reasons[2]
    assert reasons[3:] == ["features has shape (48, 16), most images have (49, 16)", "contains an infinity or NaN"]
    assert f"{names[3]}.h5" in capsys.readouterr().err


def test_a_vl_t5_file_keeps_boxes_and_sizes(vl_t5, tmp_path):
    source, values = vl_t5
    found = import_features(source, tmp_path / "f.h5", encoder="BUTD", store="float32")
    assert sorted(found.ids) == sorted(values) and found.meta["encoder"] == "BUTD"
    for name, value in values.items():
        np.testing.assert_array_equal(found.read([name])[0], value["features"])
        np.testing.assert_array_equal(found.read_array("boxes", [name])[0], value["boxes"])
        np.testing.assert_array_equal(found.read_array("sizes", [name])[0], [640, 480])


def test_float16_is_the_default_and_rounds_to_nearest(vl_t5, tmp_path):
    source, values = vl_t5
    found = import_features(source, tmp_path / "f.h5")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found.read(["2375429"])[0], values["2375429"]["features"].astype(np.float16))


def test_values_beyond_float16_are_an_error_with_a_way_out(tmp_path):
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file["1/features"] = np.full((36, 4), 1e6, np.float32)
    with pytest.raises(JobError, match=r"features of '1' .*--store float32"):
        import_features(tmp_path / "big.h5", tmp_path / "f.h5")


def test_an_interrupted_import_goes_on(vl_adapter, tmp_path, monkeypatch):
    folder, values = vl_adapter
    from vlhyper.features import importing

    settle = importing._settle

    def stops(writer, block):
        if writer.done >= 64:
            raise KeyboardInterrupt
        settle(writer, block)

    monkeypatch.setattr(importing, "_settle", stops)
    with pytest.raises(KeyboardInterrupt):
        import_features(folder, tmp_path / "f.h5")
    monkeypatch.undo()
    assert (tmp_path / "f.h5.part").exists() and not (tmp_path / "f.h5").exists()
    found = import_features(folder, tmp_path / "f.h5")
    np.testing.assert_array_equal(found.read(list(values)), np.stack(list(values.values())))


def test_a_file_that_differs_from_its_source_is_an_error(vl_adapter, tmp_path, monkeypatch):
    monkeypatch.setattr("vlhyper.features.importing.broken_rows", lambda _: ["x"])
    with pytest.raises(JobError, match=r"f\.h5: 1 rows differ from"):
        import_features(vl_adapter[0], tmp_path / "f.h5")


@pytest.mark.parametrize("kind", ["missing", "empty folder", "no groups", "out is there", "double", "nothing whole"])
def test_what_can_not_be_imported_is_said(vl_adapter, tmp_path, kind):
    source, said = tmp_path / "s", r"s: no features of VL-Adapter"
    if kind == "missing":
        said = "s: no such file"
    elif kind == "empty folder":
        source.mkdir()
    elif kind == "no groups":
        with h5py.File(source, "w") as file:
            file["x"] = 1
    elif kind == "out is there":
        source, said = vl_adapter[0], r"f\.h5: already exists"
        (tmp_path / "f.h5").touch()
    elif kind == "double":
        (vl_adapter[0] / "b").mkdir()
        name = next(iter(vl_adapter[1]))
        (vl_adapter[0] / "b" / f"{name}.h5").touch()
        source, said = vl_adapter[0], f"{name}.h5 and .*b/{name}.h5 would have the same id"
    else:
        source.mkdir()
        (source / "1.h5").touch()
        said = "none of the 1 images has features; first image: the file is empty"
    with pytest.raises(UserError, match=said):
        import_features(source, tmp_path / "f.h5")


def test_the_imported_file_is_an_ordinary_one(vl_adapter, tmp_path):
    import_features(vl_adapter[0], tmp_path / "f.h5")
    assert open_features(tmp_path / "f.h5").ids[0] == "COCO_val2014_000000000000"


def test_one_odd_file_does_not_decide_for_the_others(vl_adapter, tmp_path):
    folder, values = vl_adapter
    first = next(iter(values))
    with h5py.File(folder / f"{first}.h5", "w") as file:
        file[f"{first}/features"] = np.zeros((36, 16), np.float16)
    assert import_features(folder, tmp_path / "f.h5").ids == list(values)[1:]
