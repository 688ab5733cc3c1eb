"""The tokenizer of the miniature T5: one token per lower-case word or punctuation mark."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from vlhyper.world import gqa
from vlhyper.world.language import captions, describe, hypothesis
from vlhyper.world.people import slips
from vlhyper.world.questions import KNOWLEDGE, VG_KINDS, VQA_KINDS, Balance, ask, knowledge
from vlhyper.world.scene import LEVELS, draw_scene
from vlhyper.world.texts import LABELS, SENTINELS

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"

# Words of ordinary questions that the world does not use, so that such questions can be read at all.
COMMON = """
    , . ? ! : ; - ' ( ) vqa gqa okvqa snli ve caption question premise hypothesis sentence context picture image
    photo text yeah what which who where when why how is are was does do did can has have not no yes and or of in on
    the a an this that these it its there here to from with between next same different most many much more less
    than both all any some zero one two three four five six seven eight nine ten 0 1 2 3 4 5 6 7 8 9 10 shows show
    showing contains object objects shape shapes color colors size sizes place side left right above below under
    over behind front beside big tiny violet black white gray brown pink disc box thing things
"""


def texts(scenes: int = 600) -> Iterator[str]:
    """Samples of all texts of the world."""
    rng = Random(0)
    for number in range(scenes):
        level, balance = sorted(LEVELS)[number % len(LEVELS)], Balance(rng)
        scene = draw_scene(rng, level, unseen=number % 4 == 0)
        yield describe(scene, rng)
        yield from captions(scene)
        yield from (hypothesis(scene, label, rng) for label in LABELS)
        for kind in (*VQA_KINDS[level], *VG_KINDS, knowledge):
            if (asked := ask(scene, kind, balance)) is not None:
                yield f"{asked.text} {asked.answer}"
                yield " ".join(slips(asked))
        for question in gqa.ask(scene, balance, level):
            yield f"{question.text} {question.answer} {question.full_answer}"
    for _, known in KNOWLEDGE.values():
        yield " ".join(known.values())
    yield from (*LABELS, COMMON)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build a fast tokenizer; ids 0, 1, 2 are padding, end and unknown word, as in T5."""
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.BertPreTokenizer()
    words = {word for text in texts() for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    specials = [PAD, EOS, UNKNOWN, *SENTINELS]
    vocabulary = {word: number for number, word in enumerate([*specials, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {EOS}", special_tokens=[(EOS, 1)])
    # Used only because it removes the space before a period or question mark; there are no word pieces.
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=list(SENTINELS),
        model_max_length=512,
    )
