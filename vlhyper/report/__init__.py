"""One HTML file that shows scores, and behind every number its samples. Works from a disk, without a network."""
