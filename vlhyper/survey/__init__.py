"""What a folder of a user's own holds, and the config of a run on it. No torch."""
