"""Two processes under DistributedDataParallel give the gradients of one process on the joined batch."""

from __future__ import annotations

from datetime import timedelta

import cases
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from vlhyper.model.makers import hyper

# Both ways to make adapter weights: all at once, or at each site and again in backward.
KEPT = (hyper.KEPT, 0)


def shares():
    """The rows of each rank: equal numbers of rows, unequal numbers of target tokens."""
    batch = cases.batch(task=2)
    batch["labels"][:2, 2:] = -100
    batch["labels"][2:] = batch["labels"][2:].clamp(min=2)
    return [
        {n: value if n == "task" else value[part] for n, value in batch.items()} for part in (slice(2), slice(2, 4))
    ]


def worker(rank: int, folder: str) -> None:
    meeting = {"init_method": f"file://{folder}/meeting", "timeout": timedelta(seconds=120)}
    dist.init_process_group("gloo", rank=rank, world_size=2, **meeting)
    for kept in KEPT:
        hyper.KEPT = kept
        model, mine = cases.model(), shares()[rank]
        parallel = DistributedDataParallel(model)
        tokens = (mine["labels"] != -100).sum().float()
        dist.all_reduce(tokens)
        parallel(**mine, denominator=tokens / 2).backward()
        torch.save({name: weight.grad for name, weight in model.trained()}, f"{folder}/{rank}.{kept}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """Gradients of every rank, from one pair of processes: this one and another, whose start is what takes time."""
    folder = tmp_path_factory.mktemp("ranks")
    other = multiprocessing.get_context("spawn").Process(target=worker, args=(1, str(folder)))
    other.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hyper, "KEPT", None)
        worker(0, str(folder))
    other.join()
    assert other.exitcode == 0
    return lambda rank, kept: torch.load(folder / f"{rank}.{kept}.pt", weights_only=True)


@pytest.mark.parametrize("kept", KEPT, ids=["kept", "recomputed"])
def test_two_processes_give_the_gradients_of_the_joined_batch(gradients, kept, monkeypatch):
    first, second = shares()
    assert (first["labels"] != -100).sum() != (second["labels"] != -100).sum()
    joined = {n: value if n == "task" else torch.cat([value, second[n]]) for n, value in first.items()}
    monkeypatch.setattr(hyper, "KEPT", kept)
    model = cases.model()
    expected = cases.gradients(model, model(**joined))
    measured = max(cases.difference(gradients(rank, kept), expected) for rank in (0, 1))
    # Measured 1.3e-6.
    assert measured <= 1e-5
