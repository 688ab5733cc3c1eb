"""`python -m feature_extraction IMAGES... --out F.h5`: the same as `vlhyper extract`, as a program of its own."""

from feature_extraction.cli import main

# Worker processes import this module again under another name; only the program itself may start work.
if __name__ == "__main__":
    main()
