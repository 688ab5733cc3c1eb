import json

import h5py
import numpy as np
import pytest
from PIL import Image

from vlhyper.errors import UserError
from vlhyper.features.inspection import inspect
from vlhyper.features.merge import join_shards
from vlhyper.features.sheet import write_sheet


def test_a_whole_file_is_ok(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b"])
    found = inspect(tmp_path / "f.h5")
    assert (found.images, found.tokens, found.width, found.dtype) == (2, 4, 8, "float16")
    assert (found.checksum, found.broken, found.shards, found.skipped) == ("ok", [], [], 0)
    assert found.bytes == (tmp_path / "f.h5").stat().st_size


@pytest.mark.parametrize(
    ("count", "shown"), [(0, []), (1, ["i0"]), (3, ["i0", "i1", "i2"]), (10, ["i0", "i4", "i8"]), (4, ["i0", "i2"])]
)
def test_some_ids_are_shown(tmp_path, make, count, shown, capsys):
    make(tmp_path / "f.h5", [f"i{number}" for number in range(count)])
    found = inspect(tmp_path / "f.h5")
    assert found.sample_ids == shown and json.loads(found.to_json())["sample_ids"] == shown
    found.print()
    assert ", ".join(shown) in capsys.readouterr().out


def test_a_changed_bit_is_found_in_its_row(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b", "c"])
    with h5py.File(tmp_path / "f.h5") as file:
        offset = file["features"].id.get_chunk_info(1).byte_offset
    content = bytearray((tmp_path / "f.h5").read_bytes())
    content[offset + 5] ^= 1
    (tmp_path / "f.h5").write_bytes(content)
    found = inspect(tmp_path / "f.h5")
    assert (found.checksum, found.broken) == ("broken", ["b"])


def test_files_without_checksums_are_checked_for_what_can_be_checked(tmp_path, make):
    make(tmp_path / "f.h5", ["a", "b"])
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        del file["crc32"]
    assert inspect(tmp_path / "f.h5").checksum == "none"
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["features"][1] = np.nan
    assert inspect(tmp_path / "f.h5").broken == ["b"]


def test_shards_are_counted_in(tmp_path, make):
    make(tmp_path / "1.h5", ["a"])
    make(tmp_path / "2.h5", ["b"])
    join_shards([tmp_path / "1.h5", tmp_path / "2.h5"], tmp_path / "v.h5")
    found = inspect(tmp_path / "v.h5")
    assert found.shards == ["1.h5", "2.h5"] and found.checksum == "ok"
    assert found.bytes == sum((tmp_path / name).stat().st_size for name in ("1.h5", "2.h5", "v.h5"))


def test_a_sheet_shows_like_cells_in_like_colours(tmp_path):
    from feature_cases import META

    from vlhyper.features import FeatureWriter

    rows = np.zeros((2, 4, 8), np.float16)
    rows[0, :2, 0] = rows[1, 2:, 0] = 5
    with FeatureWriter(tmp_path / "f.h5", ["a", "b"], {"features": ((4, 8), "float16")}, META) as writer:
        writer.settle(["a", "b"], {"features": rows})
    Image.new("RGB", (30, 20), (1, 2, 3)).save(tmp_path / "a.png")
    write_sheet(tmp_path / "f.h5", tmp_path / "sheet.png", [])
    with Image.open(tmp_path / "sheet.png") as sheet:
        top, bottom = sheet.getpixel((20, 20)), sheet.getpixel((20, 100))
        assert sheet.format == "PNG" and top != bottom
        assert (sheet.getpixel((138, 20)), sheet.getpixel((138, 100))) == (bottom, top)
    (tmp_path / "b" / ".old").mkdir(parents=True)
    Image.new("RGB", (30, 20), (9, 9, 9)).save(tmp_path / "b" / ".old" / "a.png")
    write_sheet(tmp_path / "f.h5", tmp_path / "with.png", [tmp_path])
    with Image.open(tmp_path / "with.png") as sheet:
        assert sheet.getpixel((20, 20)) == (1, 2, 3)


def test_a_torn_shard_is_named(tmp_path, make):
    shards = [tmp_path / f"{name}.h5" for name in "ab"]
    for shard in shards:
        make(shard, [shard.stem])
    join_shards(shards, tmp_path / "f.h5")
    shards[1].write_bytes(shards[1].read_bytes()[:100])
    with pytest.raises(UserError, match=r"b\.h5: not a complete HDF5 file"):
        inspect(tmp_path / "f.h5")
