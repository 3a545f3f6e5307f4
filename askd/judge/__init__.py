"""Judging by a language model: which of two answers to a question is better?"""
