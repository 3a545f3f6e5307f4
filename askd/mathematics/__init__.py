"""Answers to mathematical questions: where they stand in a text, and whether two are equal."""
