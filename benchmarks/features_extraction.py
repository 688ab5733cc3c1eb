"""Extraction against VL-Adapter's own loop and against forward + decode by hand, on the same cores, in one run.

    python benchmarks/features_extraction.py IMAGES --vl-adapter CHECKOUT [--images 64]

IMAGES: a folder of photographs, used over and over. CHECKOUT: a clone of ylsung/VL_adapter; its
feature_extraction/coco_CLIP.py is run as it is, on the CPU, with the same random RN101 weights.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from feature_extraction.config import read_config
from feature_extraction.encoder import Encoder, load_encoder
from feature_extraction.extract import extract
from feature_extraction.images import decode
from feature_extraction.listing import find_images
from feature_extraction.machine import default_workers
from feature_extraction.towers import build_tower
from vlhyper.console import print_table

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, metavar="IMAGES")
    parser.add_argument("--vl-adapter", type=Path, metavar="CHECKOUT")
    parser.add_argument("--images", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photographs = repeat(options.photographs, folder / "images", options.images)
        weights = random_weights(folder / "rn101.safetensors")
        encoder = load_encoder("RN101", str(weights))
        images = find_images([photographs])
        ways: dict[str, Callable[[], object]] = {
            "vlhyper extract": lambda: extract(encoder, images, folder / "f.h5", "float16", BATCH, default_workers()),
            "forward + decode by hand": lambda: by_hand(encoder, list(images.values())),
        }
        if options.vl_adapter:
            loop = vl_adapter_loop(options.vl_adapter, weights)
            ways["VL-Adapter's loop"] = lambda: loop(photographs, folder / "theirs")
        encoder.shape()
        seconds = {name: timed(way) for name, way in ways.items()}
    ours = seconds["vlhyper extract"]
    print_table(
        ("way", "ms an image", "times as long as vlhyper"),
        [(name, 1000 * taken / len(images), taken / ours) for name, taken in seconds.items()],
        f"{len(images)} images, {torch.get_num_threads()} threads",
    )


def repeat(source: Path, folder: Path, count: int) -> Path:
    """`count` links in `folder` to the images of `source`, whole batches so that no filling up is timed."""
    folder.mkdir()
    found = itertools.cycle(find_images([source]).values())
    for number in range(-(-count // BATCH) * BATCH):
        path = next(found)
        (folder / f"{number:06}{path.suffix}").symlink_to(path.absolute())
    return folder


def random_weights(path: Path) -> Path:
    torch.manual_seed(0)
    tower = build_tower(read_config("RN101", "random").model)
    save_file({f"visual.{key}": value for key, value in tower.state_dict().items()}, path)
    return path


def by_hand(encoder: Encoder, paths: list[Path]) -> None:
    """The least that must be done: decode a batch, run it, write nothing."""
    for start in range(0, len(paths), BATCH):
        pixels, _ = decode(paths[start : start + BATCH], encoder.preprocessing.size, "bicubic")
        encoder(pixels)


def timed(way: Callable[[], object]) -> float:
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def vl_adapter_loop(checkout: Path, weights: Path) -> Callable[[Path, Path], None]:
    """Their main(), with the CPU for the GPU and their network with our weights."""
    from safetensors.torch import load_file

    spec = importlib.util.spec_from_file_location("their_model", checkout / "VL-T5" / "src" / "clip" / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.ModifiedResNet((3, 4, 23, 3), 512, 32, 224, 64).eval()
    network.load_state_dict({key.removeprefix("visual."): value for key, value in load_file(weights).items()})
    model = types.SimpleNamespace(visual=network, encode_image=network)
    source = (checkout / "feature_extraction" / "coco_CLIP.py").read_text().replace(".cuda()", "")
    source = source.replace('"cuda"', '"cpu"').replace("'cuda'", "'cpu'")
    # What their script imports and this loop never calls.
    for name in ("six", "six.moves", "skimage", "skimage.io", "clip", "clip.clip"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["six.moves"].cPickle = None  # type: ignore[attr-defined]
    sys.modules["clip.clip"].load = lambda *_, **__: (model, None)  # type: ignore[attr-defined]
    import timm.models.vision_transformer as theirs

    theirs.resize_pos_embed = lambda old, new: new  # type: ignore[attr-defined]
    space = {"__name__": "coco_CLIP"}
    exec(compile(source, "coco_CLIP.py", "exec"), space)

    def loop(images: Path, out: Path) -> None:
        params = {"model_type": "RN101", "images_root": str(images), "output_dir": str(out), "att_size": 7}
        space["main"](params)  # type: ignore[operator]

    return loop


if __name__ == "__main__":
    main()
