"""From files to scores: what each task is scored by, who reads its truth and its predictions, what servers want."""

from vlhyper.scoring.scorers import SCORERS
from vlhyper.scoring.scores import score

__all__ = ["SCORERS", "score"]
