"""What the small models are trained on, and that the shipped ones can do what is claimed of them."""

import colorsys
import json
from random import Random

import open_clip
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, T5ForConditionalGeneration

from vlhyper.world import build, tiny
from vlhyper.world.pretrain_clip import encode, twins, unnamed_paint, views
from vlhyper.world.pretrain_t5 import Batches, new_model, parameter_groups, text_accuracy
from vlhyper.world.probes import grid, probe
from vlhyper.world.scene import RGB, SHAPES, UNSEEN_PAIRS, draw_scene
from vlhyper.world.texts import SENTINELS, Writer, hide_spans
from vlhyper.world.tokenizer import build_tokenizer

UNSEEN_NAMES = [" ".join(pair) for pair in UNSEEN_PAIRS]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(tiny() / "t5")


@pytest.fixture(scope="module")
def t5():
    return T5ForConditionalGeneration.from_pretrained(tiny() / "t5")


@pytest.fixture(scope="module")
def clip():
    open_clip.add_model_config(tiny() / "clip.json")
    model = open_clip.create_model("clip", load_weights=False)
    visual = model.visual
    weights = load_file(tiny() / "clip.safetensors")
    assert all(name.startswith("visual.") for name in weights)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected
    assert not [name for name in missing if name.startswith("visual.") and "attnpool" not in name]
    return visual


def texts(count, seed=0):
    rng = Random(seed)
    writer = Writer(rng)
    for _ in range(count):
        scene = draw_scene(rng)
        yield " ".join((*writer.question(scene)[1:], *writer.caption(scene), writer.described_twice(scene)))


def test_no_pretraining_text_names_an_unseen_pair():
    for text in texts(1500):
        assert not any(name in text.lower() for name in UNSEEN_NAMES)


def test_no_pretraining_picture_shows_or_tells_an_unseen_pair():
    rng = Random(0)
    for scene in (twin for _ in range(150) for twin in twins(draw_scene(rng, "hard"), rng)):
        assert not any(thing.pair in UNSEEN_PAIRS for thing in scene)
        assert not any(name in sentence for name in UNSEEN_NAMES for sentence in views(scene, rng))
        assert encode(views(scene, rng)).shape[0] == 4


def test_paints_without_a_name_are_none_of_the_six_colors():
    rng = Random(0)
    named = [colorsys.rgb_to_hsv(*rgb)[0] for rgb in RGB.values()]
    for _ in range(300):
        hue, saturation, _ = colorsys.rgb_to_hsv(*unnamed_paint(rng))
        assert saturation < 0.2 or min(min(abs(hue - other), 1 - abs(hue - other)) for other in named) > 20 / 360


def test_twins_differ_in_every_shape_and_in_nothing_else_that_is_told():
    scene = draw_scene(Random(4), "hard")
    four = twins(scene, Random(5))
    for thing, *same in zip(scene, *four, strict=True):
        assert {twin.shape for twin in same} == set(SHAPES)
        assert all(twin.color in (thing.color, "") for twin in same)
        assert {(twin.size, twin.place) for twin in same} == {(thing.size, thing.place)}


def test_hidden_spans_put_back_give_the_text():
    rng = Random(1)
    sentinels = list(range(3, 13))
    for length in (1, 2, 30, 60):
        tokens = [rng.randrange(20, 99) for _ in range(length)]
        kept, hidden = hide_spans(tokens, sentinels, rng)
        runs, current = {}, None
        for token in hidden:
            current = token if token in sentinels else current
            if token not in sentinels:
                runs.setdefault(current, []).append(token)
        assert [part for token in kept for part in runs.get(token, [token])] == tokens


def test_the_tokenizer_knows_every_word_of_the_world(tokenizer, tmp_path):
    build(tmp_path, seed=3, sizes={"val": 40, "unseen": 40}, level="hard")
    spoken = [text for path in (tmp_path / "annotations").iterdir() for text in _strings(path)]
    unknown = tokenizer.unk_token_id
    for text in [*dict.fromkeys(spoken), *texts(300, seed=5)]:
        assert unknown not in tokenizer(text).input_ids, text


def _strings(path):
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    wanted = {"question", "answer", "fullAnswer", "caption", "sentence1", "sentence2", "gold_label", "raw_answer"}

    def walk(value):
        if isinstance(value, dict):
            for key, part in value.items():
                yield from [part] if key in wanted and isinstance(part, str) else walk(part)
        elif isinstance(value, list):
            for part in value:
                yield from walk(part)

    for line in lines:
        yield from walk(json.loads(line))


def test_the_tokenizer_is_an_ordinary_one(tokenizer):
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    ids = tokenizer("A red circle at the top left, and a star?").input_ids
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a red circle at the top left, and a star?"
    assert tokenizer(SENTINELS[4]).input_ids == [tokenizer.vocab[SENTINELS[4]], 1]
    assert tokenizer("what color is the zebra?").input_ids.count(2) == 1


def test_the_shipped_tokenizer_is_what_the_repository_builds(tokenizer):
    assert build_tokenizer().get_vocab() == tokenizer.get_vocab()


def test_every_parameter_is_trained_at_one_rate():
    model = new_model(200)
    groups = parameter_groups(model)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    scales = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    attention = model.encoder.block[0].layer[0].SelfAttention
    assert scales[id(attention.q.weight)] == pytest.approx(32**-0.5)
    assert scales[id(model.shared.weight)] == scales[id(attention.relative_attention_bias.weight)] == 5
    assert scales[id(attention.k.weight)] == 1


def test_batches_are_padded_and_learnable(tokenizer):
    batch = Batches(tokenizer, 0).make(8, most=3)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert (batch["attention_mask"].sum(1) == batch["input_ids"].ne(0).sum(1)).all()
    model = new_model(len(tokenizer))
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    losses = []
    for _ in range(8):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_shipped_t5_answers_questions_about_written_scenes(t5, tokenizer):
    assert text_accuracy(t5, tokenizer, seed=11, count=400)["all"] > 0.93
    assert text_accuracy(t5, tokenizer, seed=11, count=400, unseen=True)["all"] > 0.8


def test_the_shipped_clip_sees_color_shape_and_size(clip):
    assert grid(clip, torch.zeros(2, 3, 224, 224)).shape == (2, 49, 512)
    found = probe(clip, seed=5, scenes=300)
    assert found["seen"]["color"] > 0.97 and found["seen"]["size"] > 0.9 and found["seen"]["shape"] > 0.6
    assert found["unseen"]["color"] > 0.95 and found["unseen"]["size"] > 0.8


def test_the_shipped_files_are_small_and_load_without_pickle():
    files = [path for path in tiny().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}
