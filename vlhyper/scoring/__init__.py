"""From files to scores: what each task is scored by, who reads its truth and its predictions, what servers want."""

from vlhyper.scoring.score import TASKS, score

__all__ = ["TASKS", "score"]
