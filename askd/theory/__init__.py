"""The paper's claims on models small enough to enumerate, where an expectation is a finite sum.

What is shown here holds for the algebra (which estimator has which expectation), not for what
large models learn. ``tabular`` is the model.
"""
