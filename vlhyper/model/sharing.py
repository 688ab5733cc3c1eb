"""Giving a trained model to others: a folder with a card, or a repository of the hub."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.files import replacing, write_text
from vlhyper.model.card import Story, card_of, named
from vlhyper.model.hub import create, upload
from vlhyper.model.saved import CARD, SCORES
from vlhyper.model.spec import ModelSpec

if TYPE_CHECKING:
    from huggingface_hub import ModelCard


class Sharing(ABC):
    """What a model gets that can save itself and knows its story.

    huggingface_hub's own mixin would do less and more: it deletes a config.json that lies in the folder, asks the hub
    for one at every start, and puts a general card in place of ours. The names and arguments here are its own.
    """

    spec: ModelSpec
    # The folder that the weights are from, where there is one: the card tells of its run.
    origin: Path | None = None

    @abstractmethod
    def save(self, folder: Path, spec: ModelSpec | None = None) -> None:
        """Write weights and config; `spec` in place of the model's own."""

    @abstractmethod
    def story(self) -> Story:
        """What the card tells of the model itself."""

    def save_pretrained(self, folder: str | Path, license: str | None = None) -> None:
        """Write weights and config, the card `README.md`, and `scores.json` where the model's run has one.

        The card is filled from the run's config and scores; a README.md that is there already, in `folder` or in the
        run, is kept.

        Args:
            license: what the hub calls the licence that you give the weights (apache-2.0), for the head of the card.

        Raises UserError for a card, config or scores that cannot be read.
        """
        target = Path(folder)
        source = target if (target / CARD).exists() else self.origin
        self._write(target, card_of(self.story(), source, license), self.spec)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        commit_message: str = "Add trained weights",
        private: bool | None = None,
        token: str | bool | None = None,
        **options: Any,
    ) -> str:
        """Upload what `save_pretrained` writes to the hub, and nothing else; returns the address of the commit.

        Of a backbone that is a local folder the name is told, not the place.

        Args:
            repo_id: OWNER/NAME; the repository is created where it is missing.
            license: as for `save_pretrained`.
            private: whether a new repository is; where left out, as its owner's settings say.
            token: of the hub; where left out, that of `hf auth login`.
            options: others of huggingface_hub's `upload_folder`: revision, create_pr, commit_description,
                allow_patterns, ignore_patterns, delete_patterns.

        Raises UserError where the run cannot be read or the hub refuses, JobError where it cannot be reached.
        """
        # What is wrong with the run is said before anything is sent.
        card = card_of(self.story(), self.origin, license)
        repo_id = create(repo_id, private, token)
        with tempfile.TemporaryDirectory() as folder:
            self._write(Path(folder), named(card, repo_id), self.spec.without_places())
            return upload(repo_id, Path(folder), token, commit_message=commit_message, **options)

    def _write(self, folder: Path, card: ModelCard, spec: ModelSpec) -> None:
        self.save(folder, spec)
        write_text(folder / CARD, str(card))
        scores = self.origin / SCORES if self.origin is not None else folder
        if scores.is_file() and scores.parent.resolve() != folder.resolve():
            with replacing(folder / SCORES) as part:
                part.write_bytes(scores.read_bytes())
