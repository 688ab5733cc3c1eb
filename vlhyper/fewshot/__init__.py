"""Few-shot transfer: a trained run, or a method from its start, tuned on a few examples of a new task."""
