"""The numbers: against a forward written out by hand, from any batch, in every precision."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from encoder_cases import CONFIG, random_tower
from PIL import Image

from feature_extraction.encoder import load_encoder
from feature_extraction.towers import cut, fold_batch_norms
from vlhyper.features import open_features

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def forward_by_hand(state: dict[str, torch.Tensor], image: Image.Image) -> np.ndarray:
    """The CLIP ResNet up to its last layer, written out from its description, one image: (S, C)."""

    def norm(x, name):
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    def block(x, name, stride):
        y = F.relu(norm(F.conv2d(x, state[f"{name}.conv1.weight"]), f"{name}.bn1"))
        y = F.relu(norm(F.conv2d(y, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2"))
        y = F.avg_pool2d(y, stride) if stride > 1 else y
        y = norm(F.conv2d(y, state[f"{name}.conv3.weight"]), f"{name}.bn3")
        if f"{name}.downsample.0.weight" in state:
            x = F.avg_pool2d(x, stride) if stride > 1 else x
            x = norm(F.conv2d(x, state[f"{name}.downsample.0.weight"]), f"{name}.downsample.1")
        return F.relu(x + y)

    pixels = np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    x = torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None]
    for number, stride in ((1, 2), (2, 1), (3, 1)):
        weight = state[f"visual.conv{number}.weight"]
        x = F.relu(norm(F.conv2d(x, weight, stride=stride, padding=1), f"visual.bn{number}"))
    x = F.avg_pool2d(x, 2)
    for layer, blocks in enumerate(CONFIG["vision_cfg"]["layers"], start=1):
        for number in range(blocks):
            x = block(x, f"visual.layer{layer}.{number}", 2 if number == 0 and layer > 1 else 1)
    return x[0].flatten(1).T.numpy()


def test_rows_equal_a_forward_by_hand(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "f.h5", "--store", "float32", "--workers", 0, "--batch-size", 4)
    found = open_features(tmp_path / "f.h5")
    assert (found.tokens, found.width, found.dtype) == (4, 512, np.float32)
    for image, row in zip(found.ids, found.read(found.ids), strict=True):
        expected = forward_by_hand(tiny.state, Image.open(folder / f"{image}.png"))
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_a_row_depends_neither_on_the_batch_nor_on_its_neighbours(tiny, folder, tmp_path, batch_size):
    tiny.extract(folder, "--out", tmp_path / "all.h5", "--store", "float32", "--workers", 0, "--batch-size", 4)
    tiny.extract(
        *(folder / "05.png", folder / "03b.jpg", folder / "10.png", "--out", tmp_path / "two.h5"),
        *("--store", "float32", "--workers", 0, "--batch-size", batch_size),
    )
    everything, two = open_features(tmp_path / "all.h5"), open_features(tmp_path / "two.h5")
    np.testing.assert_allclose(two.read(["05", "10"]), everything.read(["05", "10"]), rtol=0, atol=2e-6)


def test_the_same_batch_size_gives_the_same_bits_beside_any_neighbours(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "all.h5", "--workers", 0, "--batch-size", 4)
    tiny.extract(folder / "05.png", "--out", tmp_path / "one.h5", "--workers", 0, "--batch-size", 4)
    np.testing.assert_array_equal(
        open_features(tmp_path / "one.h5").read(["05"]), open_features(tmp_path / "all.h5").read(["05"])
    )


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.04), ("fp16", 0.005)])
def test_lower_precision_is_near_and_recorded(tiny, folder, precision, tolerance):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    full = load_encoder(str(tiny.config), str(tiny.weights))(pixels)
    low = load_encoder(str(tiny.config), str(tiny.weights), precision)
    assert low.precision == precision
    error = (low(pixels) - full).abs().max() / full.abs().max()
    assert 0 < error < tolerance


def test_folding_batch_norms_changes_no_more_than_rounding():
    tower = random_tower(CONFIG).eval()
    grid, images = cut(tower), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = grid(images)
        fold_batch_norms(tower)
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in tower.modules())
        assert 0 < (grid(images) - before).abs().max() < 3e-6 * before.abs().max()


def test_the_grid_runs_row_by_row(tiny):
    left, right = np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 64, 64, 3), np.uint8)
    left[:, :8, :8], right[:, :8, -8:] = 255, 255
    encoder = load_encoder(str(tiny.config), str(tiny.weights))
    dark = encoder(np.zeros((1, 64, 64, 3), np.uint8))
    changed = [(encoder(pixels) - dark).abs().sum(-1)[0].argmax().item() for pixels in (left, right)]
    assert changed == [0, 1]


def test_worker_processes_give_what_this_process_gives(tiny, folder, tmp_path):
    tiny.extract(folder, "--out", tmp_path / "0.h5", "--workers", 0, "--batch-size", 10)
    tiny.extract(folder, "--out", tmp_path / "2.h5", "--workers", 2, "--batch-size", 10)
    one, two = open_features(tmp_path / "0.h5"), open_features(tmp_path / "2.h5")
    assert one.ids == two.ids
    np.testing.assert_array_equal(one.read(one.ids), two.read(two.ids))
    assert (tmp_path / "0.skipped.jsonl").read_text() == (tmp_path / "2.skipped.jsonl").read_text()


MODELS = {
    "vit": ({"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32}, (16, 64)),
    "norm after pooling": (
        {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8, "head_width": 32, "final_ln_after_pool": True},
        (16, 64),
    ),
    "coca": (
        {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32, "attentional_pool": True},
        (4, 64),
    ),
    "convnext": (
        {"image_size": 64, "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "linear"},
        (4, 64),
    ),
    "channels last": (
        {"image_size": 64, "timm_model_name": "test_mambaout", "timm_pool": "", "timm_proj": "linear"},
        (4, 64),
    ),
    "vit of timm": (
        {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"},
        (100, 64),
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_tower_gives_the_grid_its_pooling_sees(kind):
    vision, (tokens, width) = MODELS[kind]
    tower = build(vision)
    images = torch.randn(2, 3, vision["image_size"], vision["image_size"])
    with torch.inference_mode():
        seen = before_pooling(tower, images)
        grid = cut(tower)(images)
    # The tokens before the cells, if there are more, stand for the whole image.
    torch.testing.assert_close(grid, seen[:, -tokens:])
    assert grid.shape == (2, tokens, width) and grid.std() > 0


class Caught(Exception):
    pass


def before_pooling(tower, images):
    """What the whole tower's pooling is given, (B, tokens, width), caught on its way there."""
    tower = copy.deepcopy(tower)

    def catch(x, *_, **__):
        raise Caught(x)

    if hasattr(tower, "trunk"):
        tower.trunk.forward_head = catch
    elif tower.attn_pool is None:
        tower._global_pool = catch
    else:
        tower.attn_pool.forward = catch
    with pytest.raises(Caught) as caught:
        tower(images)
    (x,) = caught.value.args
    if x.ndim == 3:
        return x
    return x.flatten(2).transpose(1, 2) if x.shape[1] > x.shape[-1] else x.flatten(1, 2)


def build(vision):
    return random_tower({"embed_dim": 32, "vision_cfg": vision}).eval()


def test_pooling_of_the_open_clip_vit_over_our_grid_is_its_own_output():
    vision = {**MODELS["vit"][0], "pool_type": "avg"}
    tower = build(vision)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected, projection = tower(images), tower.proj
        grid = cut(tower)(images)
    torch.testing.assert_close(grid.mean(1) @ projection, expected)
