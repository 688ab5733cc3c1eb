"""Fixtures every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# No test reaches the network; read by huggingface_hub when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZES = {"train": 24, "val": 6, "test": 6, "unseen": 4}
GRID = (4, 6)


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
    from run_cases import RUN, Lab

    from vlhyper.world import build

    folder = tmp_path_factory.mktemp("lab")
    build(folder, sizes=SIZES)
    write_features(folder / "features.h5", sorted(path.stem for path in (folder / "images").rglob("*.jpg")))
    for name, dropout in {"t5": 0.0, "t5_dropout": 0.2}.items():
        save_small_t5(folder / name, dropout)
    (folder / "run.yaml").write_text(yaml.safe_dump(RUN, sort_keys=False))
    return Lab(folder)


def write_features(path: Path, ids: list[str], shape: tuple[int, int] = GRID, **meta: str) -> None:
    """A feature file with random rows."""
    import numpy as np

    from vlhyper.features import FeatureWriter

    rows = np.random.default_rng(0).normal(size=(len(ids), *shape)).astype("float16")
    made = {"encoder": "RN101", "weights_sha256": "ab" * 32, "preprocessing": {}, "created_with": {}}
    with FeatureWriter(path, ids, {"features": (shape, "float16")}, {**made, "precision": "fp32", **meta}) as writer:
        writer.settle(ids, {"features": rows})


def save_small_t5(folder: Path, dropout: float) -> None:
    """A T5 with random weights and the world's tokenizer, as transformers saves them."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    from vlhyper.world.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 1, "d_ff": 24}
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(tokenizer), **sizes, dropout_rate=dropout, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


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
