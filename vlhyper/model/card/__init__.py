"""The model card: what a trained model is, what it was trained on, how it scores, and how others load it. No torch."""

from vlhyper.model.card.story import Story
from vlhyper.model.card.text import card_of, named

__all__ = ["Story", "card_of", "named"]
