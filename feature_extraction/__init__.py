"""Turn images into a feature file: the grid of a frozen image encoder before its pooling, one row per image."""
