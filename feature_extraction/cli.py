"""The command `vlhyper extract`."""


def extract() -> None:
    """Extract image features."""
