"""Reporting: the paper's tables, built from benchmark outcomes."""
