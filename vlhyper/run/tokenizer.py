"""The tokenizer of a run's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlhyper.errors import UserError
from vlhyper.files import read_object, small_file
from vlhyper.model.families import FAMILIES, fields_of, size_of
from vlhyper.model.spec import ModelSpec

# What the library may read of a folder, and of that what must be a JSON object.
READ = (".json", ".jinja", ".model", ".txt")
VOCABULARIES = ("tokenizer.json", "spiece.model", "tokenizer.model", "vocab.json")
OBJECTS = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def load_tokenizer(spec: ModelSpec, local: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a model; `local`: without asking the hub. Raises UserError where it is not available."""
    name = spec.tokenizer or (spec.backbone if isinstance(spec.backbone, str) else None)
    if name is None:
        raise UserError("model.tokenizer is missing: a backbone built from a config has no tokenizer; name a folder")
    own = name == spec.backbone
    try:
        # Before the library, which would report a damaged config.json as a tokenizer's fault, and without a network ask
        # for an unknown name for minutes.
        size = size_of(spec.backbone)
    except UserError as error:
        if not own or Path(name).is_dir():
            raise
        raise UserError(f"tokenizer {name!r} cannot be loaded: {error}") from None
    tokenizer = _loaded(name, local, getattr(transformers, FAMILIES[size.family].config)() if own else None)
    # Without its files transformers makes up a tokenizer that knows no word and reports nothing.
    if len(tokenizer) <= len(tokenizer.all_special_tokens) + 1:
        raise UserError(
            f"tokenizer {name!r} cannot be loaded: it has no tokenizer.json or other vocabulary; copy it there"
        )
    _complete(tokenizer, name)
    # Gemma's pads before the text; tokens beside the text and shifted targets count from its first token.
    tokenizer.padding_side = "right"
    if len(tokenizer) > size.vocab_size:
        raise UserError(
            f"tokenizer {name!r} has {len(tokenizer)} tokens, the backbone only {size.vocab_size}; use its own"
        )
    if (fields := fields_of(spec.backbone)) and tokenizer.eos_token_id not in fields.ends:
        # Answers would never end.
        raise UserError(
            f"tokenizer {name!r} ends a text with token {tokenizer.eos_token_id}, the backbone with "
            f"{' or '.join(map(str, fields.ends))}; use its own tokenizer, or set its eos_token_id"
        )
    return tokenizer


def _loaded(name: str, local: bool, config: Any) -> PreTrainedTokenizerBase:
    """The tokenizer as the library reads it. Raises UserError that names the folder or the file at fault.

    config: of the model, where it is known; else the library reads the one beside the tokenizer.
    """
    try:
        folder = _cached_folder(name)
    except (OSError, HFValidationError) as error:
        if local or isinstance(error, HFValidationError):
            raise _refused(name, str(error), "give a local folder") from None
        folder = name
    else:
        _check_files(Path(folder))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder if local else name, config=config, trust_remote_code=False)
        # Some settings of a damaged folder are not looked at before they are used.
        tokenizer(["a b", "a"], padding=tokenizer.pad_token is not None, truncation=True, max_length=2)
        return tokenizer
    # Of a damaged vocabulary the library, and the parser below it, raise whatever they meet.
    except Exception as error:
        raise _refused(name, _at_fault(folder) or str(error), "give a local folder with its files") from None


def _refused(name: str, reason: str, cure: str) -> UserError:
    return UserError(f"tokenizer {name!r} cannot be loaded ({' '.join(reason.split())[:200]}); {cure}")


def _check_files(folder: Path) -> None:
    """Raises UserError that names a file which the library may read and which is no file of its kind."""
    for path in sorted(folder.iterdir()):
        if path.suffix in READ:
            small_file(path, "a file of a tokenizer")
        if path.name in OBJECTS:
            read_object(path)
        if path.suffix == ".model" and not (folder / "tokenizer.json").exists() and (fault := _fault(path)):
            raise UserError(f"{path}: not a SentencePiece model ({fault}); copy it again")


def _fault(path: Path) -> str:
    """Why a vocabulary of SentencePiece cannot be read; the library takes an empty one for a model without words."""
    try:
        return "" if SentencePieceProcessor(model_file=str(path)).get_piece_size() else "it has no pieces"
    except (RuntimeError, OSError) as error:
        return str(error).splitlines()[0]


def _at_fault(folder: str) -> str:
    """What the parser says of the vocabulary alone; empty where that is whole."""
    path = Path(folder, "tokenizer.json")
    try:
        if path.is_file():
            Tokenizer.from_file(str(path))
    except Exception as error:
        return f"{path}: {error}"
    return ""


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
    found = (try_to_load_from_cache(name, file) for file in VOCABULARIES)
    cached = next((path for path in found if isinstance(path, str)), None)
    if cached is None:
        raise OSError("it is neither a folder nor in the local hub cache")
    return str(Path(cached).parent)
