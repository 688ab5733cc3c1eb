"""The hub: files of a model fetched from a repository, or sent to one.

No torch, and huggingface_hub only once a repository is named: the base install lacks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlhyper.errors import JobError, UserError


def download(repo_id: str, files: Sequence[str], fault: str, cure: str = "", **options: Any) -> Path:
    """The folder of a repository's files in the hub's cache, fetched where that is allowed.

    Args:
        fault, cure: what the error says before and behind its reason.
        options: those of `snapshot_download`.

    Raises UserError where it is not available.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo_id, allow_patterns=list(files), **options))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        absent = constants.HF_HUB_OFFLINE and not isinstance(error, HFValidationError)
        reason = "not in the hub's cache, and HF_HUB_OFFLINE is set" if absent else _short(error)
        raise UserError(f"{fault} ({reason}){cure}") from None


def create(repo_id: str, private: bool | None, token: str | bool | None) -> str:
    """Create the repository if it is not there; gives its whole id. Raises as `upload` does."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise UserError(
            f"{repo_id}: HF_HUB_OFFLINE is set, so nothing is sent; unset it, or use save_pretrained(FOLDER)"
        )
    with _failures(repo_id):
        return str(HfApi(token=token).create_repo(repo_id, private=private, exist_ok=True).repo_id)


def upload(repo_id: str, folder: Path, token: str | bool | None, **options: Any) -> str:
    """Send a folder in one commit and give the commit's address; options are those of `HfApi.upload_folder`.

    Raises UserError for an id or a token that the hub refuses, and JobError where it cannot be reached.
    """
    from huggingface_hub import HfApi

    with _failures(repo_id):
        return str(HfApi(token=token).upload_folder(repo_id=repo_id, folder_path=folder, **options))


@contextmanager
def _failures(repo_id: str) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except (errors.HFValidationError, errors.LocalTokenNotFoundError, errors.HfHubHTTPError) as error:
        raise UserError(f"{repo_id}: the hub refuses it ({_short(error)}); log in with: hf auth login") from None
    # What the library meets below HTTP is of the HTTP package that it uses, and not always an OSError.
    except (OSError, errors.HTTPError) as error:
        raise JobError(f"{repo_id}: the hub cannot be reached ({_short(error)}); try again later") from None


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
