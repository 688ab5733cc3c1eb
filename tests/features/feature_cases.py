"""The provenance of the small feature files of these tests."""

META = {
    "encoder": "RN101",
    "weights_sha256": "ab" * 32,
    "preprocessing": {"size": [224, 224], "resize": "squash"},
    "created_with": {"torch": "2.9"},
    "precision": "fp32",
}
