"""A loaded run that answers by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlhyper.errors import UserError

if TYPE_CHECKING:
    import vlhyper


class Asking:
    """What a model gets that can be asked about images."""

    # The folder that it was loaded from.
    origin: Path | None
    _asker: vlhyper.Asker | None = None

    def ask(self, image: Any, question: Any = "", task: str | None = None, **files: Any) -> vlhyper.Answer:
        """The answer to a question about an image: what `vlhyper.Asker.ask` says for the run this was loaded from.

        files: `weights` and `encoder` of the Asker. Raises UserError as it does, and for a model that is no loaded run.
        """
        # By its public name: what reads images stands above the model.
        import vlhyper

        if self.origin is None:
            raise UserError("this model was not loaded from a run folder; use VLHyperPELT.from_pretrained(RUN)")
        if self._asker is None or files:
            model: Any = self
            self._asker = vlhyper.Asker(self.origin, model=model, **files)
        return self._asker.ask(image, question, task)
