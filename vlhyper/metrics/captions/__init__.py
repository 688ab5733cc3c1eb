"""COCO caption metrics: BLEU, METEOR, ROUGE-L, CIDEr and SPICE on PTB tokens."""
