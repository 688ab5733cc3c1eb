"""Fixtures every test may ask for."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real sample data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real sample data (../shared/data) is not beside this checkout")
    return SHARED
