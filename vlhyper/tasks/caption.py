"""COCO captions: one sentence about an image."""

from vlhyper.tasks.task import Decoding, Task

CAPTION = Task(
    "caption",
    "caption:",
    scorer="caption",
    metrics=("CIDEr",),
    decoding=Decoding(beams=5, max_new_tokens=40),
    one_example_per_target=True,
)
