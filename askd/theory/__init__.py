"""The paper's claims on models small enough to enumerate, where an expectation is a finite sum.

What is shown here holds for the algebra (which estimator has which expectation), not for what
large models learn. ``tabular`` is the model and ``example`` a pair of them with the quality of each
sequence; ``estimators``, ``coefficients``, ``projection`` and ``convergence`` compute numbers;
``paper`` has the statements that these decide, as ``statements`` defines it; ``stage`` writes them.
"""
