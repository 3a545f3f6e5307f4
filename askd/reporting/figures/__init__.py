"""The paper's Figures 1 and 2 from real outputs of one pair.

`data` samples and scores with both models (needs torch); `stage` turns what it wrote into series,
facts, captions and pictures (needs no torch).
"""
