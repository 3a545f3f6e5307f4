"""Distil a large language model into a small one, with skewness that follows sample quality."""

__version__ = "0.1.0"
