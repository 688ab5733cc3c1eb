"""What may be given as weights, in which naming, and what is refused."""

import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from encoder_cases import CONFIG, random_tower
from safetensors.torch import save_file

from feature_extraction import weights
from feature_extraction.encoder import load_encoder
from feature_extraction.naming import from_transformers
from feature_extraction.towers import build_tower, cut
from vlhyper.errors import UserError


@pytest.fixture
def grid(tiny):
    pixels = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.manual_seed(0)).numpy()
    expected = load_encoder(str(tiny.config), str(tiny.weights))(pixels)

    def same(path, **options):
        return torch.equal(load_encoder(str(tiny.config), str(path), **options)(pixels), expected)

    return same


def half(state):
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}


@pytest.mark.parametrize(
    "arrange",
    [
        lambda state: state,
        lambda state: {
            "epoch": 3,
            "name": "run",
            "state_dict": {f"module.{key}": value for key, value in state.items()},
        },
        lambda state: {**state, "text_projection": torch.zeros(3, 3), "logit_scale": torch.tensor(1.0)},
        lambda state: {**state, "input_resolution": torch.tensor(64), "vocab_size": torch.tensor(9)},
        lambda state: {key.removeprefix("visual."): value for key, value in state.items()},
        lambda state: {key: value for key, value in state.items() if "num_batches_tracked" not in key},
    ],
    ids=["plain", "open_clip training", "with text", "openai", "tower alone", "no counters"],
)
def test_state_dicts_in_every_naming_give_the_same_grid(tiny, tmp_path, grid, arrange):
    torch.save(arrange(tiny.state), tmp_path / "w.pt")
    assert grid(tmp_path / "w.pt")


def test_half_precision_weights_are_computed_with_in_full(tiny, tmp_path):
    torch.save(half(tiny.state), tmp_path / "w.pt")
    tensors, _ = weights.read_tower(tmp_path / "w.pt", "", trust=False)
    assert tensors["conv1.weight"].dtype == torch.float32


def test_other_weights_have_another_digest(tiny, tmp_path):
    torch.save(tiny.state, tmp_path / "w.pt")
    digests = {load_encoder(str(tiny.config), str(path)).weights_sha256 for path in (tmp_path / "w.pt", tiny.weights)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("visual.layer3.0.conv2.weight"), r"missing: layer3\.0\.conv2\.weight"),
        (lambda state: state.update({"visual.layer9.weight": torch.zeros(1)}), r"unknown: layer9\.weight"),
        (
            lambda state: state.update({"visual.conv1.weight": torch.zeros(9, 3, 3, 3)}),
            r"of another shape: conv1\.weight is \(9, 3, 3, 3\), not \(8, 3, 3, 3\)",
        ),
        (
            lambda state: state.update({"visual.conv1.weight": state["visual.conv1.weight"].int()}),
            r"no floats: conv1\.weight is int32",
        ),
        (
            lambda state: state.update({"visual.bn1.weight": state.pop("visual.bn2.weight").long()}),
            r"missing: bn2\.weight; no floats: bn1\.weight is int64",
        ),
    ],
)
def test_weights_of_another_encoder_are_refused_by_name(tiny, tmp_path, change, said):
    state = dict(tiny.state)
    change(state)
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=rf"w\.safetensors: not weights of tiny \({said}"):
        load_encoder(str(tiny.config), str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_weights_that_are_no_numbers_are_refused_by_name(tiny, tmp_path, name):
    state = {key: value.contiguous() for key, value in tiny.state.items()}
    state["visual.conv1.weight"] = state["visual.conv1.weight"] / 0
    (torch.save if name == "w.pt" else save_file)(state, tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: 1 tensors hold a NaN or an infinity \(conv1\.weight\)"):
        load_encoder(str(tiny.config), str(tmp_path / name))


@pytest.mark.parametrize("change", [lambda value: value.int(), lambda value: value[:1]])
def test_parts_of_transformers_attention_that_differ_are_refused(tmp_path, change):
    part = torch.zeros(2, 2)
    keys = [f"vision_model.encoder.layers.0.self_attn.{name}_proj.weight" for name in "qkv"]
    state = {key: change(part) if "k_proj" in key else part for key in keys}
    with pytest.raises(UserError, match=r"q_proj\.weight, k_proj and v_proj differ in shape or type"):
        from_transformers(state, tmp_path / "w.safetensors")


class Trap:
    def __reduce__(self):
        return (eval, ("1/0",))


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_file_that_would_run_code_or_is_broken_is_refused(tiny, tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        pickle.dump({"visual.conv1.weight": Trap()}, file)
    with pytest.raises(UserError, match=rf"{name}: (neither safetensors nor a state dict that loads without|damaged)"):
        load_encoder(str(tiny.config), str(tmp_path / name))


@pytest.fixture
def archive(tiny, tmp_path):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.visual = random_tower(CONFIG)
            self.visual.attnpool = torch.nn.Identity()

        def forward(self, images):
            return self.visual(images)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Whole().eval(), torch.zeros(1, 3, 64, 64)), tmp_path / "w.pt")
    return tmp_path / "w.pt"


def test_a_torchscript_archive_needs_the_published_digest_or_the_users_word(archive, grid, monkeypatch):
    with pytest.raises(UserError, match=r"w\.pt: a TorchScript archive is a program.*--trust-weights"):
        grid(archive)
    assert grid(archive, trust=True)
    digest = weights.sha256(archive)
    monkeypatch.setattr(weights, "published_digests", lambda: {digest})
    assert grid(archive)


def test_the_published_digests_are_those_of_openai_clip():
    digests = weights.published_digests()
    assert len(digests) == 9 and all(len(digest) == 64 for digest in digests)
    assert "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599" in digests


def test_nothing_is_fetched_offline_and_the_cure_is_said(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"weights 'openai' of RN101 are not available .*--weights FILE"):
        load_encoder("RN101", "openai")


@pytest.mark.parametrize(
    ("encoder", "named", "said"),
    [
        ("RN102", "openai", r"--encoder RN102: not an open_clip model.*the nearest names are RN101, .*list_models\(\)"),
        ("x", "openai", r"^--encoder x: .{,250}$"),
        (
            "RN101",
            "opnai",
            r"--weights opnai: no such file, and not a tag of published RN101 weights \(valid are: openai",
        ),
        ("missing.json", "openai", r"missing\.json: no such file"),
    ],
)
def test_unknown_names_are_said_with_what_is_near(encoder, named, said):
    with pytest.raises(UserError, match=said):
        load_encoder(encoder, named)


def test_a_json_without_a_model_is_named(tmp_path):
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(UserError, match=r"c\.json: not an open_clip model config"):
        load_encoder(str(tmp_path / "c.json"), "x")


@pytest.mark.parametrize(
    ("vision", "said"),
    [
        ({"timm_model_name": "no_such_model", "timm_pool": "", "timm_proj": "linear"}, "no_such_model"),
        ({"layers": "many", "width": 8, "patch_size": 16}, "str"),
    ],
)
def test_a_config_that_open_clip_cannot_build_is_an_error_of_one_line(tmp_path, vision, said):
    with pytest.raises(UserError, match=rf"^open_clip cannot build .*{said}"):
        random_tower({"embed_dim": 8, "vision_cfg": {"image_size": 32, **vision}})


def test_a_tower_without_a_grid_is_refused(monkeypatch):
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"}
    tower = random_tower({"embed_dim": 8, "vision_cfg": vision})
    grid = cut(tower)
    monkeypatch.setattr(tower.trunk, "forward_features", lambda images: images.mean((2, 3)))
    with pytest.raises(UserError, match=r"the timm model \w+ has no single grid"):
        grid(torch.zeros(1, 3, 160, 160))


@pytest.mark.parametrize(
    ("model", "tag", "name"),
    [
        ("ViT-B-32", "laion400m_e31", "ViT-B-32-quickgelu"),
        ("ViT-B-32", "laion2b_s34b_b79k", "ViT-B-32"),
        ("RN50", "yfcc15m", "RN50"),
    ],
)
def test_an_encoder_trained_with_quickgelu_is_built_and_named_so(tmp_path, monkeypatch, model, tag, name):
    from open_clip import factory, get_model_config

    # Towers of these names with few layers: the activation is not a matter of size.
    for each in {model, name}:
        config = get_model_config(each)
        small = {"layers": [1, 1, 1, 1] if model.startswith("RN") else 1}
        monkeypatch.setitem(factory._MODEL_CONFIGS, each, {**config, "vision_cfg": {**config["vision_cfg"], **small}})
    tower = build_tower(get_model_config(model))
    save_file({f"visual.{key}": value for key, value in tower.state_dict().items()}, tmp_path / "w.safetensors")
    monkeypatch.setattr("feature_extraction.weights.fetch", lambda *_: tmp_path / "w.safetensors")
    published = load_encoder(model, tag)
    assert published.name == name
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    from_file = load_encoder(name, str(tmp_path / "w.safetensors"))
    assert torch.equal(published(pixels), from_file(pixels)) and from_file.name == name
    other = load_encoder(model, str(tmp_path / "w.safetensors"))
    assert torch.equal(other(pixels), published(pixels)) == (name == model)


@pytest.mark.parametrize("content", [{"state_dict": [1]}, {1: torch.zeros(1)}])
def test_a_file_without_names_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt: not a state dict"):
        load_encoder("RN101", str(tmp_path / "w.pt"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "must be a JSON object"),
        ({"embed_dim": 8, "vision_cfg": None}, "needs embed_dim"),
        ({"embed_dim": 8, "vision_cfg": {"image_size": "x"}}, "needs embed_dim"),
        ({"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0.5]}}, "mean is .*three numbers"),
    ],
)
def test_a_config_that_is_none_is_one_line(tmp_path, content, said):
    (tmp_path / "e.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"e\.json: .*{said}"):
        load_encoder(str(tmp_path / "e.json"), "w.pt")
