"""Rollouts: responses sampled from a model, and the teacher's log-probabilities of them."""
