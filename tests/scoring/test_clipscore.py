"""CLIPScore against the authors' program written out with torchvision and numpy, on the same random weights."""

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from feature_extraction.clip import load_clip
from vlhyper.cli import run
from vlhyper.errors import UserError
from vlhyper.scoring import score

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
CAPTIONS = {391895: "A man riding a bike.", 522418: "Two Cats &amp; a dog on a bed " + "that is red " * 9, 7: ""}
REFERENCES = {391895: ["a man rides", "A bicycle."], 522418: ["cats"], 7: ["nothing", "A grey field", "x"]}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A CLIP, three images in modes whose order of resizing and converting shows, references and captions."""
    folder = tmp_path_factory.mktemp("clipscore")
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**CONFIG).eval()
    (folder / "clip.json").write_text(json.dumps(CONFIG))
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "clip.safetensors")
    images = folder / "val2014"
    images.mkdir()
    draw = np.random.default_rng(5)
    noise = [Image.fromarray(draw.integers(0, 255, (90, 61, 3), np.uint8)) for _ in range(3)]
    noise[0].save(images / "COCO_val2014_000000391895.jpg")
    noise[1].rotate(90, expand=True).quantize(16).save(images / "COCO_val2014_000000522418.png")
    noise[2].convert("LA").save(images / "COCO_val2014_000000000007.png")
    (folder / "r.json").write_text(json.dumps(REFERENCES))
    (folder / "p.json").write_text(json.dumps([{"image_id": id, "caption": text} for id, text in CAPTIONS.items()]))
    return folder, model, sorted(images.iterdir())


@pytest.fixture(scope="module")
def clip(files):
    folder = files[0]
    return load_clip(str(folder / "clip.safetensors"), str(folder / "clip.json"))


def program(model, paths):
    """clipscore.py, in few words: CLIPScore and RefCLIPScore by image id."""
    shape = transforms.Compose(
        [
            transforms.Resize(48, interpolation=Image.BICUBIC),
            transforms.CenterCrop(48),
            lambda image: image.convert("RGB"),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )

    def unit(vectors):
        return vectors / np.sqrt(np.sum(vectors**2, axis=1, keepdims=True))

    def told(texts):
        tokens = open_clip.SimpleTokenizer(context_length=20)([f"A photo depicts {text}" for text in texts])
        return unit(model.encode_text(tokens).numpy())

    ids = [int(path.stem.split("_")[-1]) for path in paths]
    with torch.no_grad():
        images = unit(model.encode_image(torch.stack([shape(Image.open(path)) for path in paths])).numpy())
        captions = told([CAPTIONS[id] for id in ids])
        plain = 2.5 * np.clip(np.sum(images * captions, axis=1), 0, None)
        best = [np.max(told(REFERENCES[id]) @ caption) for id, caption in zip(ids, captions, strict=True)]
    return dict(zip(ids, zip(plain, 2 * plain * best / (plain + best), strict=True), strict=True))


def test_both_are_the_authors_to_four_decimals(files, tmp_path):
    folder, model, paths = files
    right = program(model, paths)
    assert len({round(float(value), 3) for pair in right.values() for value in pair}) >= 4
    arguments = ["score", "caption", "--annotations", str(folder / "r.json"), "--predictions", str(folder / "p.json")]
    arguments += ["--metrics", "clipscore,refclipscore", "--images", str(folder / "val2014"), "--confidence"]
    arguments += ["--clip-weights", str(folder / "clip.safetensors"), "--clip-model", str(folder / "clip.json")]
    run([*arguments, "--items", str(tmp_path / "items.jsonl")])
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    found = {item["id"]: (item["scores"]["CLIPScore"] / 100, item["scores"]["RefCLIPScore"] / 100) for item in items}
    assert set(found) == set(right)
    for id, pair in right.items():
        assert found[id] == pytest.approx(pair, abs=1e-5)


def test_the_mean_and_what_computed_it_are_told(files, clip):
    folder, model, paths = files
    given = {"predictions": folder / "p.json", "annotations": folder / "r.json", "images": folder / "val2014"}
    report = score("caption", metrics="clipscore", clip=clip, against=folder / "p.json", **given)
    assert list(report.metrics) == ["CLIPScore"]
    assert report.metrics["CLIPScore"] == pytest.approx(
        100 * np.mean([plain for plain, _ in program(model, paths).values()]), abs=1e-3
    )
    assert (report.settings["clip"], report.settings["precision"]) == ("clip", "fp32")
    assert report.extra["against"]["difference"]["CLIPScore"] == 0.0


def test_what_is_lacking_is_one_line(files, clip, tmp_path):
    folder, _, _ = files
    given = {"predictions": folder / "p.json", "annotations": folder / "r.json", "metrics": "refclipscore"}
    with pytest.raises(UserError, match=r"refclipscore of captions needs --images, the folder .* and --clip-weights"):
        score("caption", **given)
    with pytest.raises(UserError, match="clip is a text; it must be a CLIP"):
        score("caption", **given, clip="ViT-B-32")
    with pytest.raises(UserError, match=r"no image of 3 of 3 ids \(391895, 522418, 7\)"):
        score("caption", **given, images=tmp_path, clip=clip)
    (tmp_path / "7.jpg").write_bytes(b"no")
    for id in (391895, 522418):
        Image.new("RGB", (50, 50)).save(tmp_path / f"{id}.png")
    with pytest.raises(UserError, match=r"7\.jpg: not a readable image"):
        score("caption", **given, images=tmp_path, clip=clip)
    other = {**CONFIG, "embed_dim": 32}
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"not weights of other \(.*give the --clip-model that these weights belong to"):
        load_clip(str(folder / "clip.safetensors"), str(tmp_path / "other.json"))
