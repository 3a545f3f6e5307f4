"""The tables between the two stages of the figures, and the grids that they are made on.

p is the teacher, q the student, c = p/q at a sampled token, lambda the coefficient of -log q in
the gradient of the divergence that belongs to a side: skew KL on teacher outputs (TGO), skew
reverse KL on student outputs (SGO).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

SIDES = ("teacher", "student")

# alpha at which lambda is given for every token, and ratios c of the curves from the formula. c = 2
# is the largest at which lambda_SRKL is monotone in alpha.
ALPHAS = np.linspace(0, 1, 11)
RATIOS = (0.2, 0.5, 1.0, 2.0, 5.0)
LARGEST_MONOTONE_RATIO = 2.0

# One row for each response token. `position` counts from 1; log-probabilities are in nats at
# temperature 1; `coefficient` is lambda at the projected alpha of the output, `coefficients` at
# each of ALPHAS.
TOKENS = pa.schema(
    [
        ("side", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("position", pa.int32()),
        ("teacher_logprob", pa.float32()),
        ("student_logprob", pa.float32()),
        ("coefficient", pa.float64()),
        ("coefficients", pa.list_(pa.float64())),
    ],
    metadata={"key": "side,prompt_id,sample_id,position"},
)
SEQUENCES = pa.schema(
    [
        ("side", pa.string()),
        ("prompt_id", pa.string()),
        ("sample_id", pa.int32()),
        ("tokens", pa.int32()),
        ("finish_reason", pa.string()),
        ("reward", pa.float64()),
        ("correct", pa.bool_()),
        ("advantage", pa.float64()),
        ("alpha", pa.float64()),
    ],
    metadata={"key": "side,prompt_id,sample_id"},
)
# lambda of the side's divergence from its formula alone.
CURVES = pa.schema(
    [
        ("side", pa.string()),
        ("ratio", pa.float64()),
        ("alpha", pa.float64()),
        ("coefficient", pa.float64()),
    ],
    metadata={"key": "side,ratio,alpha"},
)
