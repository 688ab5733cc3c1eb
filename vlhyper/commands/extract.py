"""`vlhyper extract`: the command of the extraction program."""

from feature_extraction.cli import extract as command

__all__ = ["command"]
