"""The paper's tables with our figures beside: their rows, and which run is which row."""
