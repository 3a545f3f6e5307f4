"""Evaluation: benchmark outcomes and the statistics of comparing systems on them."""
