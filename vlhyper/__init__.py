"""Extract image features once, train one multitask vision-and-language model, score with the standard metrics."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Scoring needs no torch, so the model is imported only when it is asked for.
    if name == "VLHyperPELT":
        from vlhyper.model.model import VLHyperPELT

        return VLHyperPELT
    raise AttributeError(f"module 'vlhyper' has no attribute {name!r}")
