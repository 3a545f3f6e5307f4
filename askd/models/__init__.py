"""Models: tokenizers, loading and saving, and tiny models trained from scratch."""
