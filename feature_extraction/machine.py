"""Rank, device and cores of this process, as the launcher (torchrun, accelerate) sets them."""

from __future__ import annotations

import os

import torch

MOST_WORKERS = 16


def rank_and_world() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def pick_device() -> torch.device:
    """The GPU of this process, or the CPU where there is no GPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def default_workers() -> int:
    """One decoding process per core of this rank's share of the machine; one core is left to the model."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(MOST_WORKERS, max(1, share - 1))


def default_batch_size(device: torch.device) -> int:
    return 32 if device.type == "cpu" else 128
