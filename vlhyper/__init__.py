"""vlhyper: extract image features once, train one multitask vision-and-language model, score with the standard metrics."""

__version__ = "0.1.0"
