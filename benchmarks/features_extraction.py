"""Extraction against VL-Adapter's own loop and against forward + decode by hand, on the same cores, in one run.

    python benchmarks/features_extraction.py IMAGES --vl-adapter CHECKOUT [--images 96] [--rounds 3]

IMAGES: a folder of photographs, used repeatedly. CHECKOUT: a clone of ylsung/VL_adapter; its
feature_extraction/coco_CLIP.py is run unchanged, on the CPU, with the same random RN101 weights. The variants
alternate, and the fastest round of each counts, because other load on the machine can only add time.
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from feature_extraction.images import decode
from feature_extraction.listing import find_images
from vlhyper.show.tables import print_table

# The decoding processes import this file again, so torch is imported where it is used, as in the command.
if TYPE_CHECKING:
    from feature_extraction.encoder import Encoder

BATCH = 32
# A way of extracting: the folder of photographs, where to write.
Way = Callable[[Path, Path], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, metavar="IMAGES")
    parser.add_argument("--vl-adapter", type=Path, metavar="CHECKOUT")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="*", default=["fp32", "bf16"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photographs = repeat(options.photographs, folder / "images", options.images)
        weights = random_weights(folder / "rn101.safetensors")
        ways = our_ways(weights, options.precisions)
        if options.vl_adapter:
            ways["VL-Adapter's loop"] = vl_adapter_loop(options.vl_adapter, weights)
        seconds = take_turns(ways, photographs, folder, options.rounds)
        show({way: min(taken) for way, taken in seconds.items()}, len(find_images([photographs])))


def our_ways(weights: Path, precisions: list[str]) -> dict[str, Way]:
    from feature_extraction.encoder import load_encoder

    ways: dict[str, Way] = {}
    for precision in precisions:
        encoder = load_encoder("RN101", str(weights), precision)
        ways[f"vlhyper extract, {precision}"] = partial(by_vlhyper, encoder)
        ways[f"forward + decode by hand, {precision}"] = partial(by_hand, encoder)
    return ways


def take_turns(ways: dict[str, Way], photographs: Path, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for number, (name, way) in enumerate(ways.items()):
            began = time.perf_counter()
            way(photographs, folder / f"{turn}-{number}")
            taken[name].append(time.perf_counter() - began)
    return taken


def show(seconds: dict[str, float], images: int) -> None:
    import torch

    first = next(iter(seconds.values()))
    rows = [(name, 1000 * taken / images, taken / first) for name, taken in seconds.items()]
    title = f"{images} images, {torch.get_num_threads()} threads"
    print_table(("way", "ms an image", "times as long as the first"), rows, title)


def by_vlhyper(encoder: Encoder, photographs: Path, out: Path) -> None:
    from feature_extraction.extract import extract
    from feature_extraction.machine import default_workers

    images = find_images([photographs])
    extract(encoder, images, out.with_suffix(".h5"), "float16", BATCH, default_workers())


def by_hand(encoder: Encoder, photographs: Path, out: Path) -> None:
    """The least that must be done: decode a batch, run it, write nothing."""
    paths = list(find_images([photographs]).values())
    for start in range(0, len(paths), BATCH):
        pixels, _ = decode(paths[start : start + BATCH], encoder.preprocessing.size, "bicubic")
        encoder(pixels)


def repeat(source: Path, folder: Path, count: int) -> Path:
    """`count` links in `folder` to the images of `source`, whole batches so that no filling up is timed."""
    folder.mkdir()
    found = itertools.cycle(find_images([source]).values())
    for number in range(-(-count // BATCH) * BATCH):
        path = next(found)
        (folder / f"{number:06}{path.suffix}").symlink_to(path.absolute())
    return folder


def random_weights(path: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    from feature_extraction.config import read_config
    from feature_extraction.towers import build_tower

    torch.manual_seed(0)
    tower = build_tower(read_config("RN101", "random").model)
    save_file({f"visual.{key}": value for key, value in tower.state_dict().items()}, path)
    return path


def vl_adapter_loop(checkout: Path, weights: Path) -> Way:
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
