"""The part of a card that others copy: how to load the model and ask it. It runs as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vlhyper.model.card.story import Story
from vlhyper.tasks import Decoding

# Stands in a card until there is a repository: the folder that the card lies in.
HERE = 'VLHyperPELT.from_pretrained("."'
FEATURES = "features.h5"


def usage(story: Story) -> str:
    """Shell and Python for the first of the model's tasks."""
    install = ["pip install 'vlhyper[model]'"]
    if any(map(story.sees_image, story.inputs.tasks)):
        encoder = story.config.get("features", {}).get("encoder") or "RN101"
        install.append(
            f"vlhyper extract IMAGES --encoder {encoder} --weights openai --out {FEATURES}   # or --weights FILE"
        )
    blocks = [_fenced("sh", install), _fenced("python", _python(story, story.inputs.tasks[0]))]
    if len(story.inputs.tasks) > 1:
        blocks.append("The model's tasks are " + ", ".join(f"`{name}`" for name in story.inputs.tasks) + ".")
    return "\n\n".join(blocks)


def _python(story: Story, name: str) -> Iterator[str]:
    image, boxes, kind = story.sees_image(name), story.method.boxes, story.kind(name)
    yield from ("import torch", "", "from vlhyper import VLHyperPELT")
    if image:
        yield "from vlhyper.features import open_features"
    if image and boxes:
        yield "from vlhyper.run.batches import relative_boxes"
    yield "from vlhyper.run.tokenizer import load_tokenizer"
    if kind:
        yield "from vlhyper.tasks import find_task"
    yield ""
    folder = isinstance(story.spec.backbone, str) and story.local
    where = f', backbone="{story.backbone}")  # the folder of the same T5' if folder else ")"
    yield f"model = {HERE}{where}"
    yield "tokenizer = load_tokenizer(model.spec)"
    if image:
        yield f'features = open_features("{FEATURES}")'
        yield "image = features.ids[0]  # the name of an image's file, without its ending"
    yield f"prompt = {_prompt(story, name)}"
    yield 'text = tokenizer([prompt], return_tensors="pt")'
    yield "tokens = model.generate("
    yield "    text.input_ids,"
    yield "    text.attention_mask,"
    yield f'    torch.tensor(model.task_number("{name}")),'
    if image:
        yield "    grid=torch.from_numpy(features.read([image])),"
    if image and boxes:
        yield "    boxes=torch.from_numpy(relative_boxes(features, [image])),"
    for option, value in _decoding(story, name).items():
        yield f"    {option}={value},"
    yield ")"
    yield "print(tokenizer.decode(tokens[0], skip_special_tokens=True))"


def _prompt(story: Story, name: str) -> str:
    kind = story.kind(name)
    if kind is None:
        return '"..."  # written as in training'
    texts = ", ".join(f'"{column}": "{_example(column)}"' for column in kind.columns)
    return f'find_task("{kind.name}").prompt_of({{{texts}}})'


def _example(column: str) -> str:
    return "what is in the picture ?" if column == "question" else f"the {column} to judge"


def _decoding(story: Story, name: str) -> dict[str, int]:
    """As the run is evaluated."""
    kind, entry = story.kind(name), story.entry(name)
    own = kind.decoding if kind else Decoding()
    beams, most = (entry.get(key) or getattr(own, key) for key in ("beams", "max_new_tokens"))
    return {"num_beams": beams, "max_new_tokens": most}


def _fenced(language: str, lines: Iterable[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])
