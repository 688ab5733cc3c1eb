"""A run on a miniature world that takes a second, and how tests start the program and read what it wrote."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vlhyper.run.config import RunConfig, load_config
from vlhyper.run.tasks import Run, resolve

RUN = {
    "model": {"backbone": "t5", "embedding_width": 8, "projector_width": 12, "hyper_width": 6, "bottleneck": 4},
    "tasks": {
        "vqa": {"data": "vqa.yaml"},
        "vg_qa": {"data": "vg_qa.yaml", "validation": None},
        "gqa": {"data": "gqa.yaml"},
        "caption": {"data": "caption.yaml", "beams": 2, "max_new_tokens": 6},
    },
    "features": {"files": ["features.h5"]},
    "training": {"steps": 6, "batch": 8, "log_every": 1, "checkpoint_every": 100},
    "validation": {"every": 0},
    "evaluation_batch": 16,
}
# One thread: the sums of a step then come out the same in every process.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

GRID = (4, 6)


@dataclass(frozen=True)
class Lab:
    """A folder with a world, its features, a small random T5 (`t5`, with dropout `t5_dropout`), and `run.yaml`."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "run.yaml"

    def config(self, *overrides: str) -> RunConfig:
        return load_config(self.path, overrides)

    def run(self, *overrides: str) -> Run:
        return resolve(self.config(*overrides))

    def plain(self, method: str, without: list[str], folder: Path) -> Path:
        """`run.yaml` for another method, without the options that it does not have; written to `folder`."""
        import yaml

        values = yaml.safe_load(self.path.read_text())
        model = {key: value for key, value in values["model"].items() if key not in without}
        values["model"] = {**model, "method": method, "backbone": str(self.folder / "t5")}
        values["features"]["files"] = [str(self.folder / "features.h5")]
        for task in values["tasks"].values():
            task["data"] = str(self.folder / task["data"])
        (folder / "run.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return folder / "run.yaml"


def start(*arguments: object, launcher: tuple[str, ...] = ("-m", "vlhyper")) -> subprocess.Popen[str]:
    """The program as a user starts it, its output captured."""
    command = [sys.executable, *launcher, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **ENVIRONMENT})


def evaluated(folder: Path, *arguments, overrides: Sequence[str] = (), **options):
    """The reports of a run folder, as `vlhyper evaluate` makes them."""
    from vlhyper.run.config import load_run
    from vlhyper.run.evaluate import evaluate_run

    return evaluate_run(resolve(load_run(folder, overrides)), folder, *arguments, **options)


def launched(commands: Sequence[Sequence[object]]) -> subprocess.Popen[str]:
    """Commands of the program, one after the other in two processes of torchrun.

    On a port of its own: test files run side by side. A named address: looking up the machine's own name can take
    minutes where there is no network.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rendezvous = ("--nnodes", "1", "--master-addr", "127.0.0.1", "--master-port", str(port))
    launcher = ("-m", "torch.distributed.run", *rendezvous, "--nproc-per-node", "2", __file__)
    return start(json.dumps([[str(part) for part in command] for command in commands]), launcher=launcher)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def call(*arguments: object, launcher: tuple[str, ...] = ("-m", "vlhyper")) -> Ended:
    process = start(*arguments, launcher=launcher)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        # A launcher ends its workers when it is asked to end.
        process.terminate()
    return Ended(process.returncode, out, err)


def barred(*modules: str) -> str:
    """The program, as code for `python -c`, where these modules are not installed and there is no network."""
    return f"""
import importlib.util, socket, sys
class Bar:
    def find_spec(self, name, *rest):
        if name.split('.')[0] in {modules!r}: raise ImportError(name + ' is barred')
sys.meta_path.insert(0, Bar())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.split('.')[0] in {modules!r} else found(name, *rest)
def refuse(*_, **__): raise OSError('the network is barred')
socket.socket.connect = socket.create_connection = refuse
from vlhyper.cli import main
main()
"""


def log_lines(run: Path, key: str) -> dict[int, dict[str, float]]:
    """{step: what `log.jsonl` says of `key` there}."""
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return {line["step"]: line[key] for line in lines if key in line}


def text_task(folder: Path) -> str:
    """An override that adds a task of GLUE's kind, written to `folder`: is a sentence about something red?"""
    splits = {}
    for split, count in {"train": 30, "val": 8, "test": 8}.items():
        colours = ["red", "blue", "green"]
        rows = [{"sentence": f"a {colours[n % 3]} circle", "label": int(n % 3 == 0)} for n in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        splits[split] = {"files": {"table": str(folder / f"{split}.jsonl")}}
    data = {"name": "red", "format": "table", "splits": splits, "labels": {0: "negative", 1: "positive"}}
    data["fields"] = {"sentence": "sentence", "label": "label"}
    return "tasks.sst2=" + json.dumps({"data": data})


def losses(run: Path) -> dict[int, dict[str, float]]:
    return log_lines(run, "loss")


def forget_accelerate() -> None:
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


if __name__ == "__main__":
    # Several commands in one start: every process of a launcher imports torch but once.
    from vlhyper.cli import run

    for arguments in json.loads(sys.argv[1]):
        run(arguments)


def write_features(path: Path, ids: list[str], shape: tuple[int, int] = GRID, **meta: str) -> None:
    """A feature file with random rows."""
    import numpy as np

    from vlhyper.features import FeatureWriter

    rows = np.random.default_rng(0).normal(size=(len(ids), *shape)).astype("float16")
    made = {"encoder": "RN101", "weights_sha256": "ab" * 32, "preprocessing": {}, "created_with": {}}
    with FeatureWriter(path, ids, {"features": (shape, "float16")}, {**made, "precision": "fp32", **meta}) as writer:
        writer.settle(ids, {"features": rows})


@cache
def world_tokenizer():
    """Built once: it goes through many sentences for its words."""
    from vlhyper.world.tokenizer import build_tokenizer

    return build_tokenizer()


def save_small_t5(folder: Path, dropout: float) -> None:
    """A T5 with random weights and the world's tokenizer, as transformers saves them."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = world_tokenizer()
    sizes = {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 1, "d_ff": 24}
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(tokenizer), **sizes, dropout_rate=dropout, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
