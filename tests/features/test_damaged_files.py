"""Whatever is wrong with a feature file: its values as they were, or one line that names it; never another file's."""

from __future__ import annotations

import gc
import os
import random
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from feature_cases import META

from vlhyper.errors import UserError
from vlhyper.features import FeatureWriter, foreign, head, open_features
from vlhyper.features.apart import Crash, apart
from vlhyper.features.importing import import_features
from vlhyper.features.inspection import inspect
from vlhyper.features.layout import attributes
from vlhyper.features.merge import is_logical, join_shards, merge

ROWS = np.random.default_rng(0).normal(size=(3, 4, 8)).astype("float16")
IDS = ["a", "b", "c"]


def ours(path, ids=IDS, rows=ROWS, **meta):
    with FeatureWriter(path, ids, {"features": ((4, 8), "float16")}, {**META, **meta}) as writer:
        writer.settle(ids, {"features": rows[: len(ids)]})


def plain(path, storage=None, **data_sets):
    """As other programs write it: without checksums of the structure."""
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=ROWS, **(storage or {}))
        file["ids"] = IDS
        for name, values in data_sets.items():
            file[name] = values
        file.attrs.update(attributes(META))


def logical(path):
    ours(path.with_name("s1.h5"), IDS[:2])
    ours(path.with_name("s2.h5"), IDS[2:], ROWS[2:])
    join_shards([path.with_name("s1.h5"), path.with_name("s2.h5")], path)


def vl_t5(path):
    with h5py.File(path, "w") as file:
        for name, row in zip(IDS, ROWS, strict=True):
            file[f"{name}/features"], file[f"{name}/boxes"] = row, np.zeros((4, 4), np.float32)
            file[f"{name}/img_w"], file[f"{name}/img_h"] = 640, 480


def grids(path):
    with h5py.File(path, "w") as file:
        for name, row in zip(IDS, ROWS, strict=True):
            file[f"{name}_grids"] = row


def one_line(error: UserError, path) -> None:
    assert "\n" not in str(error) and len(str(error)) < 700 and str(path.parent) in str(error)


def read(path):
    found = open_features(path)
    rows = dict(zip(found.ids, found.read(found.ids), strict=True))
    assert found.digest() and not found.has("boxes") and is_logical(path) in (True, False)
    broken = inspect(path).broken
    return {image: row for image, row in rows.items() if image not in broken}


def imported(path):
    out = path.with_suffix(".imported")
    try:
        found = import_features(path, out, store="float32")
        return dict(zip(found.ids, found.read(found.ids), strict=True))
    finally:
        out.unlink(missing_ok=True)


def listed(rows):
    return [row.tolist() for row in rows.values()]


# Damaged files of each kind.
SWEPT = 12
KINDS = {
    "ours": (ours, read),
    "plain": (plain, read),
    "gzip": (lambda path: plain(path, {"chunks": (1, 4, 8), "compression": "gzip"}), read),
    "zstd": (lambda path: plain(path, {"chunks": (1, 4, 8), **hdf5plugin.Bitshuffle(cname="zstd")}), read),
    "logical": (logical, read),
    "VL-T5": (vl_t5, imported),
    "grids": (grids, imported),
}


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_end_as_values_or_as_one_line(tmp_path, kind, monkeypatch):
    write, use = KINDS[kind]
    path = tmp_path / "f.h5"
    write(path)
    whole = path.read_bytes()
    # The structure is where bytes are that are not zero.
    places = [place for place, byte in enumerate(whole) if byte]
    rng = random.Random(kind)

    def outcomes(number):
        for _ in range(number, SWEPT):
            content = bytearray(whole)
            for place in rng.sample(places, rng.choice([1, 1, 2])):
                content[place] = rng.choice([content[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
            path.write_bytes(content)
            try:
                rows = use(path)
                # Where there are checksums, what is not called broken is as it was.
                yield all(
                    kind not in ("ours", "logical") or any(map(row.__eq__, ROWS.tolist())) for row in listed(rows)
                )
            except UserError as error:
                one_line(error, path)
                yield str(error)

    # One process for many files: that HDF5 may crash in it is what `apart` is for.
    for module in (head, foreign):
        monkeypatch.setattr(module, "apart", lambda work: work())
    found = []
    while len(found) < SWEPT:
        try:
            found.extend(apart(lambda: outcomes(len(found)), 2))
        except Crash:
            found.append("crash")
            rng = random.Random(f"{kind} {len(found)}")
    assert found.count("crash") < 4 and False not in found and True in found and len(set(found)) > 2


OTHER = np.full((3, 4, 8), 7, np.float16)


def replaced(make):
    """A file whose features are what `make(file, path)` puts in their place."""

    def write(path):
        ours(path)
        with h5py.File(path.with_name("other.h5"), "w") as other:
            other["features"] = OTHER
        with h5py.File(path, "r+") as file:
            del file["features"]
            make(file, path)

    return write


def chunked(shape, dtype="float16", **settings):
    def make(file, path):
        file.create_dataset("features", shape, dtype, **settings)

    return replaced(make)


def mapped(name="other.h5", data_set="features", rows=slice(0, 3), count=3):
    def make(file, path):
        layout = h5py.VirtualLayout((3, 4, 8), np.float16)
        layout[:count] = h5py.VirtualSource(name, data_set, (3, 4, 8))[rows]
        file.create_virtual_dataset("features", layout)

    return replaced(make)


def with_ids(ids, dtype=None):
    def write(path):
        ours(path)
        with h5py.File(path, "r+") as file:
            del file["ids"]
            file.create_dataset("ids", data=ids, dtype=dtype)

    return write


def attribute(key, value):
    def write(path):
        ours(path)
        with h5py.File(path, "r+") as file:
            file.attrs[key] = value

    return write


def raw(file, path):
    (path.parent / "raw.bin").write_bytes(OTHER.tobytes())
    file.create_dataset("features", (3, 4, 8), "float16", external=[(str(path.parent / "raw.bin"), 0, 192)])


def pipe(file, path):
    os.mkfifo(path.parent / "pipe")
    file["features"] = h5py.ExternalLink("pipe", "features")


def put(value):
    return replaced(lambda file, path: file.__setitem__("features", value))


REFERENCES = np.empty((3, 4, 8), h5py.ref_dtype)
CASES = {
    "external link": (put(h5py.ExternalLink("other.h5", "features")), "/features is a link to another place"),
    "link to a pipe": (replaced(pipe), "/features is a link to another place"),
    "soft link": (put(h5py.SoftLink("/crc32")), "/features is a link to another place"),
    "raw storage": (replaced(raw), "/features takes its values from other files"),
    "group": (replaced(lambda file, path: file.create_group("features")), "/features holds no values"),
    "no values": (put(h5py.Empty("f2")), "/features holds no values"),
    "2**60 rows": (chunked((2**60, 4, 8), chunks=(1, 4, 8)), "/features of shape .* is not whole"),
    "2**60 packed": (
        chunked((2**60, 4, 8), chunks=(1, 4, 8), compression="gzip"),
        "/features of shape .* is not whole",
    ),
    "unwritten": (chunked((3, 4, 8)), "/features of shape .* is not whole"),
    "unwritten rows": (chunked((3, 4, 8), chunks=(1, 4, 8)), "/features of shape .* is not whole"),
    "wide rows": (chunked((3, 2**20, 2**12), chunks=(1, 4, 8)), "is not whole"),
    "zero tokens": (put(np.zeros((3, 0, 8), "f2")), r"\(3, 0, 8\) do not match"),
    "rank 5": (put(np.zeros((3, 4, 8, 1, 1), "f2")), r"\(3, 4, 8, 1, 1\) do not match"),
    "rank 1": (put(np.zeros(3, "f2")), "do not match"),
    "int8": (put(np.zeros((3, 4, 8), "i1")), "/features holds int8, not floats"),
    "texts": (put(np.full((3, 4, 8), b"x")), r"/features holds \|S1, not floats"),
    "references": (put(REFERENCES), "/features holds object, not floats"),
    "complex": (put(np.zeros((3, 4, 8), "c8")), "/features holds complex64, not floats"),
    "mapped elsewhere": (mapped("/etc/passwd"), "its shard '/etc/passwd' is not the name of a file beside it"),
    "mapped above": (mapped("../other.h5"), r"its shard '\.\./other\.h5' is not the name of a file beside it"),
    "mapped data set": (mapped(data_set="crc32"), "is not made of whole rows of its shards' features"),
    "mapped in part": (mapped(rows=slice(0, 2), count=2), "row 2 is in no shard"),
    "ids of numbers": (with_ids([1, 2, 3]), "/ids is of int64"),
    "id without a name": (with_ids(["a", "", "c"], h5py.string_dtype()), "/ids: row 1 is '', which is no id"),
    "id with NUL": (with_ids(np.array([b"a", b"b\0c", b"d"], "S3")), r"/ids: row 1 is 'b\\x00c', which is no id"),
    "id of other bytes": (with_ids(np.array([b"a", b"b", b"\xff"], "S3")), "/ids: row 2 is no UTF-8"),
    "long ids": (with_ids(np.array([b"a"] * 3, "S5000")), "/ids holds texts of 5000 bytes"),
    "format": (attribute("format", [1, 2]), "it has no attribute 'format'"),
    "made with": (attribute("created_with", "[1]"), r"attribute 'created_with' is \[1\], not a JSON object"),
    "deep": (attribute("preprocessing", "[" * 60000), "attribute 'preprocessing' is not JSON"),
    "checksums": (lambda path: plain(path, crc32=np.zeros(2, "u4")), r"/crc32 \(2,\) does not fit /ids \(3,\)"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_features_of_this_file_is_named_and_not_followed(tmp_path, case):
    write, told = CASES[case]
    write(tmp_path / "f.h5")
    for use in (open_features, inspect, lambda path: merge([path], tmp_path / "m.h5")):
        with pytest.raises(UserError, match=rf"^{tmp_path}/f\.h5: {told}|^{tmp_path}/f\.h5: .*{told}") as refusal:
            use(tmp_path / "f.h5")
        one_line(refusal.value, tmp_path / "f.h5")


def test_a_shard_made_anew_is_refused(tmp_path):
    logical(tmp_path / "f.h5")
    ours(tmp_path / "s1.h5", ["c", "b"])
    with pytest.raises(UserError, match=r"f\.h5: its shard .*s1\.h5 now has other images"):
        open_features(tmp_path / "f.h5")


@pytest.mark.parametrize("name", ["boxes", "sizes"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
def test_numbers_that_are_none_are_named_when_they_are_read(tmp_path, name, value):
    shape = (3, 4, 4) if name == "boxes" else (3, 2)
    values = np.ones(shape, np.float32)
    values[1, 0] = value
    rows = ROWS.copy()
    rows[2, 1, 3] = value
    plain(tmp_path / "f.h5", **{name: values})
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["features"][2] = rows[2]
    found = open_features(tmp_path / "f.h5")
    np.testing.assert_array_equal(found.read(["a", "b"]), rows[:2])
    if value or name == "sizes":
        with pytest.raises(UserError, match=rf"f\.h5: .* in the {name} of 1 images \('b'\); import"):
            found.read_array(name, IDS)
    if value:
        for _ in range(2):
            with pytest.raises(UserError, match=r"f\.h5: a NaN or an infinity in the features of 1 images \('c'\)"):
                found.read(IDS)
        with pytest.raises(UserError, match=rf"f\.h5: .* in the (features|{name}) of 1 images"):
            merge([tmp_path / "f.h5"], tmp_path / "m.h5")
        assert inspect(tmp_path / "f.h5").broken == ["c"]


def test_boxes_of_another_shape_are_refused(tmp_path):
    plain(tmp_path / "f.h5", boxes=np.ones((2, 4, 4), np.float32))
    with pytest.raises(UserError, match=r"f\.h5: /boxes is \(2, 4, 4\), not \(3, 4, 4\)"):
        open_features(tmp_path / "f.h5").read_array("boxes", ["a"])


@pytest.mark.parametrize("storage", [{}, {"chunks": (1, 4, 8), "compression": "gzip"}], ids=["plain", "packed"])
@pytest.mark.parametrize("change", ["replaced", "written", "cut"])
def test_a_file_changed_while_it_is_in_use_is_noticed(tmp_path, storage, change):
    path = tmp_path / "f.h5"
    plain(path, storage)
    found, other = open_features(path), open_features(path)
    found.read(["a"])
    if change == "replaced":
        plain(tmp_path / "new.h5", storage)
        (tmp_path / "new.h5").replace(path)
        # What is open stays as it was; a process that opens it now would read another file.
        np.testing.assert_array_equal(found.read(["b"])[0], ROWS[1])
    else:
        time.sleep(0.01)
        content = path.read_bytes()
        path.open("r+b").close()
        with path.open("r+b") as file:
            file.truncate(len(content) - (change == "cut") * 100)
            file.write(content[:100])
    for features in (found, other)[change == "replaced" :]:
        with pytest.raises(UserError, match=r"f\.h5: was changed or replaced while it was in use; start"):
            features.read(["b"])


FOREIGN = {
    "external link": (lambda group: h5py.ExternalLink("other.h5", "features"), "is a link to another place"),
    "texts": (lambda group: np.full((4, 8), b"x"), "features of |S1 (4, 8) is no array of numbers"),
    "empty": (lambda group: np.zeros((0, 8)), "features of shape (0, 8) are not (tokens, width)"),
    "references": (lambda group: np.empty((4, 8), h5py.ref_dtype), "is no array of numbers"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_an_image_of_another_program_that_is_none_is_skipped_by_name(tmp_path, case, capsys):
    value, told = FOREIGN[case]
    vl_t5(tmp_path / "f.h5")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["features"] = OTHER[0]
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        del file["b/features"]
        file["b/features"] = value(file)
        file["linked"] = h5py.ExternalLink("other.h5", "/")
        file["size/features"], file["size/boxes"], file["size/img_w"], file["size/img_h"] = ROWS[0], ROWS[0], 0, 1
    assert list(imported(tmp_path / "f.h5")) == ["a", "c"]
    said = capsys.readouterr().err
    assert f"skipped {tmp_path}/f.h5:b: " in said and told in said


def test_what_crashes_or_hangs_what_reads_it_is_skipped_by_name(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "n"
    folder.mkdir()
    for name, row in zip([*IDS, "bad\udcff"], [*ROWS, ROWS[0]], strict=True):
        np.save(folder / f"{name}.npy", row)
    load = np.load

    def crashing(path, **options):
        if path.stem == "b":
            os.abort()
        return load(path, **options)

    monkeypatch.setattr(foreign.np, "load", crashing)
    assert list(imported(folder)) == ["a", "c"]
    said = capsys.readouterr().err
    assert "b: cannot be read (crashes HDF5, SIGABRT)" in said and "its name is empty or no UTF-8" in said
    with pytest.raises(Crash, match="does not end within 1 s"):
        list(apart(lambda: iter(lambda: time.sleep(9), 1), 1))


def test_shapes_of_numpy_files_cost_nothing(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "n"
    folder.mkdir()
    np.save(folder / "a.npy", ROWS[0])
    whole = (folder / "a.npy").read_bytes()
    (folder / "b.npy").write_bytes(whole.replace(b"(4, 8), }" + b" " * 20, b"(4, 80000000000000000000), }" + b" "))
    monkeypatch.setattr(foreign, "MOST_ROW", 1000)
    np.savez_compressed(folder / "c.npz", features=np.zeros((40, 80)))
    assert list(imported(folder)) == ["a"]
    said = capsys.readouterr().err
    assert "b: cannot be read (" in said and "c: cannot be read (features.npy unpacks to more than" in said


OPEN = Path("/proc/self/fd")


@pytest.mark.skipif(not OPEN.is_dir(), reason="the system does not list open files")
def test_nothing_stays_open(tmp_path):
    logical(tmp_path / "f.h5")
    plain(tmp_path / "p.h5", {"chunks": (1, 4, 8), "compression": "gzip"})

    def used():
        for path in (tmp_path / "f.h5", tmp_path / "p.h5"):
            found = open_features(path)
            for _ in range(20):
                found.read(IDS)
            inspect(path)
        (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
        with pytest.raises(UserError):
            open_features(tmp_path / "bad.h5")

    used()
    before = len(list(OPEN.iterdir()))
    for _ in range(5):
        used()
    gc.collect()
    assert len(list(OPEN.iterdir())) <= before
