"""Images in, a feature file out: a frozen image encoder, its grid before pooling, one row an image."""
