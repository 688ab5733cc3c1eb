"""COCO captions: one sentence about an image."""

from collections.abc import Mapping

from vlhyper.tasks.task import Decoding, Submission, Task, numbered


def submit(answers: Mapping[str, str]) -> Submission:
    """COCO's results file (captions_{split}_{name}_results.json)."""
    return [{"image_id": numbered(id), "caption": caption} for id, caption in answers.items()]


CAPTION = Task(
    "caption",
    "caption:",
    "caption",
    ("CIDEr",),
    submit,
    decoding=Decoding(beams=5, max_new_tokens=40),
    one_example_per_target=True,
)
