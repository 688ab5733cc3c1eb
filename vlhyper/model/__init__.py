"""The method, on two axes: places (where weights enter T5) × makers (who makes them); a method is a row of a table.

Reading order: kinds.py (names of places), shapes.py and sizes.py (numbers), methods.py (the table), places.py and
adapters.py (weights applied), makers.py (weights made), model.py (both joined with a T5). kinds, shapes, sizes, methods
and spec need no torch.
"""
