"""A card's text: the head that the hub reads, and the sections that people read."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from vlhyper.console import say
from vlhyper.errors import UserError
from vlhyper.files import small_file
from vlhyper.model.card.story import Score, Story, told_of_run
from vlhyper.model.card.usage import HERE, usage
from vlhyper.model.saved import CARD
from vlhyper.show.tables import filled, markdown

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

# What the hub calls a task, by its scorer.
PIPELINES = dict.fromkeys(("vqa", "okvqa", "gqa"), "visual-question-answering") | {"caption": "image-to-text"}
# What the hub calls a metric that has another name here.
METRICS = dict.fromkeys(("overall", "in_domain", "out_domain", "binary", "open"), "accuracy")
METRICS |= dict.fromkeys(("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"), "bleu") | {"ROUGE-L": "rouge"}
# Places and machine settings, which are nothing to others.
LEFT_OUT = {
    "model": ("backbone", "tokenizer"),
    "features": ("files", "missing"),
    "training": ("workers", "log_every", "checkpoint_every", "tracker", "project"),
}
CITATION = """```bibtex
@inproceedings{zhang2023hyperpelt,
  title = {HyperPELT: Unified Parameter-Efficient Language Model Tuning for Both Language and
           Vision-and-Language Tasks},
  author = {Zhang, Zhengkun and Guo, Wenya and Meng, Xiaojun and Wang, Yasheng and Wang, Yadao and
            Jiang, Xin and Liu, Qun and Yang, Zhenglu},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2023},
  year = {2023},
}
```"""


def card_of(story: Story, folder: Path | None, license: str | None = None) -> ModelCard:
    """The card of a model from this folder. One that lies there is kept as it is, for people edit their cards.

    license: what the hub calls the licence of the weights (apache-2.0).
    Raises UserError for a card, a config or scores that cannot be read.
    """
    from huggingface_hub import ModelCard

    if folder is not None and (folder / CARD).exists():
        card = _kept(folder / CARD)
        say(f"{folder / CARD}: is taken as it is; delete it for a new card")
    else:
        told = replace(story, **told_of_run(folder)) if folder is not None else story
        card = ModelCard(f"---\n{_head(told)}\n---\n{_body(told)}")
    if license is not None:
        card.data["license"] = license
    return card


def named(card: ModelCard, repo_id: str) -> ModelCard:
    """The card for a repository: its code loads the model from there, and its scores are that repository's."""
    card.text = card.text.replace(HERE, HERE.replace('"."', f'"{repo_id}"'))
    if card.data.get("eval_results"):
        card.data["model_name"] = repo_id.split("/")[-1]
    return card


def _kept(path: Path) -> ModelCard:
    from huggingface_hub import ModelCard

    content = small_file(path, "a model card").read_bytes()
    try:
        return ModelCard(content.decode())
    # The library passes on whatever the parser of the head raises.
    except (ValueError, TypeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: no model card ({why}); correct its head, the lines between ---, or delete it"
        ) from None


def _head(story: Story) -> str:
    from huggingface_hub import ModelCardData

    pipelines = Counter(filter(None, (_pipeline(story, name) for name in story.inputs.tasks)))
    splits = (split for one in story.data.values() for split in one.get("splits", {}).values())
    hub_sets = dict.fromkeys(split["hub"]["id"] for split in splits if split.get("hub"))
    head = ModelCardData(
        library_name="vlhyper",
        base_model=None if story.local else story.backbone,
        datasets=list(hub_sets) or None,
        pipeline_tag=pipelines.most_common(1)[0][0] if pipelines else None,
        tags=["vlhyper", story.spec.method, "parameter-efficient-tuning", *story.inputs.tasks],
        model_name=_title(story) if story.scores else None,
        eval_results=[_result(story, score) for score in story.scores] or None,
    )
    return str(head.to_yaml())


def _pipeline(story: Story, name: str) -> str | None:
    kind = story.kind(name)
    if kind is None:
        return None
    return PIPELINES.get(kind.scorer, "image-text-to-text" if kind.sees_image else "text-classification")


def _result(story: Story, score: Score) -> EvalResult:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type=_pipeline(story, score.task) or "other",
        task_name=score.task,
        dataset_type=score.data,
        dataset_name=score.data,
        dataset_split=score.split,
        metric_type=METRICS.get(score.metric, score.metric.lower()),
        metric_name=score.metric,
        metric_value=round(score.value, 2),
    )


def _title(story: Story) -> str:
    return f"{story.method.title} on {story.backbone}: {', '.join(story.inputs.tasks)}"


def _body(story: Story) -> str:
    trained = sum(story.parts.values())
    summary = (
        f"One model for {', '.join(story.inputs.tasks)}: {trained:,} trained parameters, "
        f"{100 * trained / story.total:.2f} % of all {story.total:,}. The others are those of the frozen "
        f"`{story.backbone}`, which is not among these files and is loaded beside them."
    )
    sections = {
        "Use": usage(story),
        "Tasks and data": _tasks(story),
        "Scores": _scores(story),
        "Parameters": _table(("part", "parameters"), [(part, f"{n:,}") for part, n in story.parts.items()]),
        "Training": _training(story),
        "Limits": _limits(story),
        "Licence": _licence(story),
        "Citation": f"The method is from this paper; vlhyper implements it anew.\n\n{CITATION}",
    }
    text = "\n\n".join(f"## {title}\n\n{section}" for title, section in sections.items())
    return f"\n# {_title(story)}\n\n{summary}\n\n{text}\n"


def _tasks(story: Story) -> str:
    rows = []
    for name in story.inputs.tasks:
        kind, entry, data = story.kind(name), story.entry(name), story.data.get(name, {})
        shots = f", {entry['shots']} rows" if entry.get("shots") else ""
        split = f"{entry['train']}{shots}" if "train" in entry else ""
        prompt = f"`{kind.prompt}`" if kind else ""
        rows.append(
            (f"`{name}`", prompt, data.get("name", ""), split, data.get("licence", ""), data.get("homepage", ""))
        )
    return _table(("task", "prompt", "data set", "trained on", "its licence", "its page"), rows)


def _scores(story: Story) -> str:
    if not story.scores:
        return "None yet: `vlhyper evaluate RUN --confidence` measures them, and a card written then has them."
    rows = [
        (one.task, f"{one.data}, {one.split}", one.metric, f"{one.value:.2f}", _interval(one.interval), one.items)
        for one in story.scores
    ]
    columns = ("task", "data set, split", "metric", "score", "95 % interval", "items scored")
    return f"All × 100, as the data sets' official programs compute them.\n\n{_table(columns, rows)}"


def _interval(edges: Sequence[float] | None) -> str:
    return f"{edges[0]:.2f} to {edges[1]:.2f}" if edges else ""


def _training(story: Story) -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("vlhyper", "torch", "transformers"))
    written = f"This card was written with {versions}, Python {platform.python_version()}."
    settings = {
        "model": story.spec.model_dump(exclude={*LEFT_OUT["model"]}),
        **{
            key: {name: value for name, value in story.config[key].items() if name not in LEFT_OUT.get(key, ())}
            for key in ("features", "training", "validation")
            if key in story.config
        },
    }
    text = yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True)
    begun = "\n\nIt began with the trained weights of another run." if story.config.get("start") else ""
    return f"```yaml\n{text}```{begun}\n\n{written}"


def _plain(value: object) -> object:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    return list(value) if isinstance(value, tuple) else value


def _limits(story: Story) -> str:
    features = story.config.get("features", {})
    lines = [f"The weights fit only this backbone: SHA-256 of its frozen weights `{story.backbone_sha256}`."]
    if any(map(story.sees_image, story.inputs.tasks)):
        shape = f"{story.inputs.tokens} × {story.inputs.width} for each image"
        made = (
            f" by {features['encoder']} with the weights `{features['weights_sha256']}`"
            if features.get("encoder")
            else ""
        )
        lines.append(f"Image features have to be made as for training{made}: {shape}.")
    if features.get("mismatched"):
        lines.append("A blind control: in training and test every image had another image's features.")
    lines.append("Scores hold for these data sets. Answers can be wrong, and repeat what is one-sided in the data.")
    lines.append("What else users should know: *to be written by whoever shares these weights.*")
    return "\n".join(f"- {line}" for line in lines)


def _licence(story: Story) -> str:
    return (
        "The licence of these weights is the entry `license` in the head of this file; without one, ask whoever shares "
        "them. The backbone, the image encoder and the data sets have their own licences."
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table without the columns that are empty in all rows."""
    return markdown(*filled(columns, rows)).rstrip()
