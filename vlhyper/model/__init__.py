"""The method, on two axes: sites (where T5 is added to) × makers (who makes what is added); a method is one row.

Reading order: sizes.py and sites.py (numbers and names), forms.py (what is put at a site), methods.py (the table),
makers/ (who makes it), spec.py (a model written down, and its counts); then, with torch, attention.py and adapters.py
(forms applied), attachment.py (the sites of a T5), model.py (all joined). Beside them are weight_files.py and
backbone.py (the T5 and its files) and old_runs.py (run folders of earlier releases).
"""
