"""Preflight: what would go wrong with a teacher and a student, before any of them is trained."""
