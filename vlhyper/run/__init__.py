"""A run: its config resolved into tasks, their batches, training, validation, evaluation."""
