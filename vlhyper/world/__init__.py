"""A miniature world for the whole job on two processor cores, offline, within minutes.

Its pictures show one to three things (at the level `hard` two to four), each a circle, square, triangle or star in one
of six colours and two sizes at one of nine places. `build` draws them and writes questions, captions and statements
about them in the layouts of VQA v2, OK-VQA, Visual Genome, GQA, COCO and SNLI-VE, so that the ordinary readers load
them. Answers are balanced for each wording, so they cannot be guessed without the picture.

Four pairs of colour and shape (a red star, a blue circle, a green triangle, a yellow square) occur only in the split
`unseen`. The two small models shipped in the folder `tiny()` were trained without these pairs too: a T5 trained on
written scenes (`pretrain_t5`) and a CLIP ResNet trained to match pictures with sentences (`pretrain_clip`).
"""

from pathlib import Path

from vlhyper.world.build import SIZES, build

__all__ = ["SIZES", "build", "tiny"]


def tiny() -> Path:
    """The folder of the shipped models: `t5/` for transformers, `clip.json` and `clip.safetensors` for open_clip."""
    return Path(__file__).parent / "tiny"
