import numpy as np

from vlhyper.cli import run
from vlhyper.features import FeatureWriter, open_features

META = {"encoder": "E", "weights_sha256": "0", "preprocessing": {}, "created_with": {"torch": "1"}, "precision": "fp32"}


def test_one_file_comes_from_several(tmp_path, capsys):
    for number in range(2):
        with FeatureWriter(tmp_path / f"{number}.h5", [str(number)], {"features": ((4, 8), "float16")}, META) as writer:
            writer.settle([str(number)], {"features": np.full((1, 4, 8), number, np.float16)})
    run(["merge", str(tmp_path / "1.h5"), str(tmp_path / "0.h5"), "--out", str(tmp_path / "m.h5")])
    merged = open_features(tmp_path / "m.h5")
    assert merged.ids == ["1", "0"] and merged.read(["0", "1"])[:, 0, 0].tolist() == [0, 1]
    assert "m.h5: 2 images of 4 x 8, every row checked" in capsys.readouterr().err
