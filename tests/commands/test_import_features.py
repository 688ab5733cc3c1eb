import h5py
import numpy as np

from vlhyper.cli import run
from vlhyper.features import open_features


def test_the_options_reach_the_file(tmp_path, capsys):
    with h5py.File(tmp_path / "val2014_obj36.h5", "w") as file:
        file["7/features"] = np.full((36, 8), 0.1, np.float32)
    arguments = ["--encoder", "BUTD", "--store", "float32", "--out", str(tmp_path / "f.h5")]
    run(["import-features", str(tmp_path / "val2014_obj36.h5"), *arguments])
    found = open_features(tmp_path / "f.h5")
    assert found.meta["encoder"] == "BUTD" and found.dtype == np.float32
    np.testing.assert_array_equal(found.read(["7"]), np.full((1, 36, 8), 0.1, np.float32))
    assert "1 images of 36 x 8" in capsys.readouterr().err
