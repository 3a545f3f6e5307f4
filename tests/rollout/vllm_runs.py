"""Runs in the environment of vLLM: several samplings with one start of the engine, then another.

python vllm_runs.py MODEL PROMPTS FOLDER SETTINGS
"""

import sys
from pathlib import Path

from askd.artifacts import PROMPTS, ROLLOUTS, read_table, table_from_rows, write_table
from askd.config import Rollout, validated_json
from askd.rollout.engine import requests
from askd.rollout.vllm_engine import engine_of

if __name__ == "__main__":
    model, prompts, folder = map(Path, sys.argv[1:4])
    settings = validated_json(Rollout, sys.argv[4])
    engine = engine_of(model, settings)
    rows = read_table(prompts, PROMPTS).to_pylist()
    wanted = requests(engine.language_model, rows, settings.samples_per_prompt)
    first = [request for request in wanted if request.sample_id == 0]
    runs = {
        "again": (wanted, {}),
        "alone": (wanted[:1], {}),
        "greedy": (first, {"temperature": 0}),
        "warped": (first, {"temperature": 0.7, "top_p": 0.8}),
    }
    for name, (chosen, changes) in runs.items():
        engine.settings = settings.model_copy(update=changes)
        table = table_from_rows(engine.sample(chosen, seed=0, stream="test"), ROLLOUTS)
        write_table(folder / f"{name}.parquet", table, ROLLOUTS)
    smaller = settings.model_copy(update={"batch_size": 4})
    table = table_from_rows(engine_of(model, smaller).sample(wanted[:1], 0, "test"), ROLLOUTS)
    write_table(folder / "restarted.parquet", table, ROLLOUTS)
