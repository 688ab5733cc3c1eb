"""Fixtures every test may ask for."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no fault of what is tested, and many tests draw examples.
settings.register_profile("unhurried", deadline=None, max_examples=30)
settings.load_profile("unhurried")

# No test reaches the network; read by huggingface_hub when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

# Nothing that is made while tests are imported becomes garbage; looking for some takes a tenth of the whole time.
gc.disable()

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZES = {"train": 24, "val": 6, "test": 6, "unseen": 4}


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real sample data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real sample data (../shared/data) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory) -> Iterator[None]:
    """Rows made by tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A world of forty pictures with random features, and a small random T5."""
    import yaml
    from run_cases import RUN, Lab, save_small_t5, write_features

    from vlhyper.world import build

    folder = tmp_path_factory.mktemp("lab")
    build(folder, sizes=SIZES)
    write_features(folder / "features.h5", sorted(path.stem for path in (folder / "images").rglob("*.jpg")))
    for name, dropout in {"t5": 0.0, "t5_dropout": 0.2}.items():
        save_small_t5(folder / name, dropout)
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN, sort_keys=False))
    return Lab(folder)


@pytest.fixture
def fresh_process() -> Iterator[None]:
    """accelerate keeps its settings for the life of a process; a test that trains starts and leaves without any."""
    import torch
    from run_cases import forget_accelerate

    threads = torch.get_num_threads()
    # One thread, as `run_cases.start` sets it for programs.
    torch.set_num_threads(1)
    forget_accelerate()
    yield
    forget_accelerate()
    torch.set_num_threads(threads)
