"""The feature-file contract: reading, writing, importing, joining and checking `vlhyper-grid/1` files (no torch)."""

from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.writer import FeatureWriter, Skip

__all__ = ["FeatureSet", "FeatureWriter", "Skip", "open_features"]
