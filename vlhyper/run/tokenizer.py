"""The tokenizer of a run's model."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlhyper.errors import UserError
from vlhyper.model.families import size_of
from vlhyper.model.spec import ModelSpec


def load_tokenizer(spec: ModelSpec, local: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; `local`: without asking the hub. Raises UserError where it is not available."""
    name = spec.tokenizer or (spec.backbone if isinstance(spec.backbone, str) else None)
    if name is None:
        raise UserError("model.tokenizer is missing: a backbone built from a config has no tokenizer; name a folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(_cached_folder(name) if local else name)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"tokenizer {name!r} cannot be loaded ({reason}); give a local folder") from None
    # Without its files transformers makes up a T5 tokenizer that knows no word and reports nothing.
    if len(tokenizer) <= len(tokenizer.all_special_tokens) + 1:
        raise UserError(
            f"tokenizer {name!r} cannot be loaded: it has no tokenizer.json or spiece.model; copy one of them there"
        )
    _complete(tokenizer, name)
    # Gemma's pads before the text; tokens beside the text and shifted targets count from its first token.
    tokenizer.padding_side = "right"
    if len(tokenizer) > (known := size_of(spec.backbone).vocab_size):
        raise UserError(f"tokenizer {name!r} has {len(tokenizer)} tokens, the backbone only {known}; use its own")
    return tokenizer


def _complete(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Take padding and end tokens from the vocabulary, by T5's, BART's or Gemma's names, where a folder names none.

    A folder with tokenizer.json alone does not. Raises UserError where the vocabulary lacks them too.
    """
    words = tokenizer.get_vocab()
    for role, candidates in (("pad_token", ("<pad>",)), ("eos_token", ("</s>", "<eos>"))):
        if getattr(tokenizer, role) is None:
            found = [word for word in candidates if word in words]
            if not found:
                told = f"tokenizer {name!r} has no {role} and no {candidates[0]!r} in its vocabulary"
                raise UserError(f"{told}; use the backbone's own")
            setattr(tokenizer, role, found[0])


def _cached_folder(name: str) -> str:
    """The folder of a tokenizer, its own or that in the hub's cache. Raises OSError where it is in neither.

    A folder, for even what is to be loaded from the cache by its hub id can make the hub's library ask the network.
    """
    if Path(name).is_dir():
        return name
    found = (try_to_load_from_cache(name, file) for file in ("tokenizer.json", "spiece.model"))
    cached = next((path for path in found if isinstance(path, str)), None)
    if cached is None:
        raise OSError("it is neither a folder nor in the local hub cache")
    return str(Path(cached).parent)
