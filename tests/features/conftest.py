"""Small feature files for the tests of their readers and writers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_cases import META

from vlhyper.features import FeatureWriter

Make = Callable[..., np.ndarray]


@pytest.fixture
def make() -> Make:
    """make(path, ids, shape=(4, 8), dtype="float16", **meta) writes random rows and returns them."""

    def write(path: Path, ids: list[str], shape: tuple[int, int] = (4, 8), dtype: str = "float16", **meta: Any) -> Any:
        seed = sum(map(ord, "".join(ids))) + 1
        rows = np.random.default_rng(seed).normal(size=(len(ids), *shape)).astype(dtype)
        with FeatureWriter(path, ids, {"features": (shape, dtype)}, {**META, **meta}) as writer:
            if ids:
                writer.settle(ids, {"features": rows})
        return rows

    return write
