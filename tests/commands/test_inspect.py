import json

import numpy as np
import pytest
from typer.testing import CliRunner

from vlhyper.cli import build_app, run
from vlhyper.features import FeatureWriter

META = {"encoder": "E", "weights_sha256": "0", "preprocessing": {}, "created_with": {"torch": "1"}, "precision": "fp32"}


@pytest.fixture
def file(tmp_path):
    with FeatureWriter(tmp_path / "f.h5", ["a"], {"features": ((4, 8), "float16")}, META) as writer:
        writer.settle(["a"], {"features": np.ones((1, 4, 8), np.float16)})
    return tmp_path / "f.h5"


def test_json_goes_to_standard_output_alone(file, capsys):
    run(["inspect", str(file), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["meta"]["encoder"], found["checksum"]) == (1, "E", "ok")


def test_the_table_says_how_it_was_made(file, capsys):
    run(["inspect", str(file)])
    shown = capsys.readouterr().out
    for word in ("weights_sha256", "preprocessing", "4 x 8 float16", "checksum", "ok"):
        assert word in shown


def test_a_broken_row_is_named_and_ends_with_1(file):
    content = bytearray(file.read_bytes())
    offset = content.index(np.float16(1).tobytes() * 32)
    content[offset] ^= 1
    file.write_bytes(content)
    ended = CliRunner().invoke(build_app(), ["inspect", str(file)])
    assert ended.exit_code == 1 and "broken: a" in ended.stdout


def test_a_sheet_is_written(file, tmp_path):
    run(["inspect", str(file), "--sheet", str(tmp_path / "s.png")])
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
