"""A miniature world in which the whole job can be seen on two processor cores, offline, within minutes.

Its pictures show one to three things (or, at the level `hard`, two to four), each a circle, square, triangle or star in
one of six colours and two sizes at one of nine places. `build` draws them and writes questions, captions and statements
about them in the layouts of VQA v2, OK-VQA, Visual Genome, GQA, COCO and SNLI-VE, so that the ordinary readers load
them. Answers are balanced over each wording: who does not look at the picture guesses.

Four pairs of colour and shape (a red star, a blue circle, a green triangle, a yellow square) occur only in the split
`unseen`. The two small models shipped in the folder `tiny()` never met them either: a T5 that has read about written
scenes (`pretrain_t5`) and a CLIP ResNet that has matched pictures with sentences (`pretrain_clip`).
"""

from pathlib import Path

from vlhyper.world.build import SIZES, build

__all__ = ["SIZES", "build", "tiny"]


def tiny() -> Path:
    """The folder of the shipped models: `t5/` for transformers, `clip.json` and `clip.safetensors` for open_clip."""
    return Path(__file__).parent / "tiny"
