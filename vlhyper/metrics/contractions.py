"""The contractions that VQA scoring restores, as the official evaluator's table has them.

Source: GT-Vision-Lab/VQA, vqaEval.py. Its 120 entries follow one rule, so only the restored forms are listed here: the
misspelt form is the word with one apostrophe left out. The forms with a capital I can never match text that was lowered
before, and "somebody'd" loses its apostrophe instead of gaining one; both are the official table's and are kept.
"""

from __future__ import annotations

RESTORED = """
'twas ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll
how's I'm I've isn't it'd it'll ma'am might've mightn't must've mustn't needn't not've o'clock oughtn't shan't
should've shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's
there'd there're there's they'd they'll they're they've wasn't we've weren't what'll what're what's what've
when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
you'd you'll you're you've couldn't've hadn't've he'd've I'd've it'd've mightn't've she'd've shouldn't've
somebody'd've someone'd've something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll you'd've
'ow's'at y'all'd've
"""


def _misspelt(word: str) -> list[str]:
    return [word[:index] + word[index + 1 :] for index, letter in enumerate(word) if letter == "'"]


CONTRACTIONS = {wrong: word for word in RESTORED.split() for wrong in _misspelt(word)} | {"somebody'd": "somebodyd"}
