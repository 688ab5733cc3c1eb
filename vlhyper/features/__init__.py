"""Feature files of format `vlhyper-grid/1`: read, write, import, merge and check them (no torch)."""

from vlhyper.features.reader import FeatureSet, open_features
from vlhyper.features.writer import FeatureWriter, Skip

__all__ = ["FeatureSet", "FeatureWriter", "Skip", "open_features"]
