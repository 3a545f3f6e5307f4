"""The vLLM engine: samples and scores in an environment of its own (`make vllm-env`).

Rows are those of the transformers engine: tokens, end tokens and texts are handled here or there,
never by vLLM. Each request has a seed of its own, so a response depends on the seed, the use, the
prompt and the sample, not on the batch - as far as vLLM's arithmetic does not. It does: a batch of
another size is computed by kernels that add up in another order, and where two tokens are nearly
tied a last bit may tip the draw, after which a response goes another way. The same requests in the
same order on the same machine give the same tokens. They are not those of the transformers engine,
which turns random numbers into tokens in another way.

Not covered: policies that mix teacher and student, which need both models at every token.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from askd.config import Rollout, Vllm
from askd.errors import AskdError
from askd.models.folder import LanguageModel, load_without_weights
from askd.models.logprobs import check_vocabulary
from askd.rollout.engine import Request, check_context, end_tokens, row_of
from askd.rollout.sampler import entropy

if TYPE_CHECKING:
    from vllm import LLM

# Read by vLLM when it is imported; what the user sets counts.
ENVIRONMENT = {
    # In this process batches are put together in the same way each time, and errors reach us.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Scoring asks for a token behind the context, which is drawn but never read.
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    # Threads as OMP_NUM_THREADS says, rather than one per core, bound to it, in each of many jobs.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
CPU_CACHE_GIB = 2.0

_running: dict[tuple, VllmEngine] = {}


def engine_of(folder: Path, settings: Rollout, head_chunk: int | None = None) -> VllmEngine:
    """The engine of a model: the one that runs, if it is that of the same model.

    The seeds of a job share it, since it takes long to start. One runs at a time, since a device
    holds the memory of one. For arguments and errors see `VllmEngine`.
    """
    key = (folder.resolve(), settings.model_dump_json(), head_chunk)
    if key not in _running:
        while _running:
            _running.popitem()[1].stop()
        _running[key] = VllmEngine(folder, settings, head_chunk)
    return _running[key]


def import_vllm(key: str) -> None:
    """Import vLLM with the variables that it needs; `key` of the configuration asks for it.

    Raises:
        AskdError: it is not installed, or does not fit the machine.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import vllm  # noqa: F401
    except Exception as error:  # a build that does not fit the machine raises many kinds
        raise AskdError(
            f"{key}: vLLM cannot be imported in {sys.executable} ({_reason(error)}); "
            f"install it with `make vllm-env`, or set {key}: transformers."
        ) from error


@contextmanager
def starting(folder: Path, key: str) -> Iterator[None]:
    """Turns whatever vLLM raises when it cannot start the model of `folder` into an AskdError."""
    try:
        yield
    except Exception as error:  # as many kinds as there are models and devices
        raise AskdError(
            f"{folder}: vLLM does not start ({_reason(error)}); change rollout.vllm, install it "
            f"anew with `make vllm-env`, or set {key}: transformers."
        ) from error


def engine_options(vllm: Vllm) -> dict[str, Any]:
    """How an engine runs a model, as arguments of `vllm.LLM`."""
    cache = vllm.cache_gib or (None if torch.cuda.is_available() else CPU_CACHE_GIB)
    return {
        "trust_remote_code": False,
        "load_format": "safetensors",
        # A prefix from the cache would make last bits depend on what ran before.
        "enable_prefix_caching": False,
        "worker_extension_cls": "askd.rollout.vllm_worker.CroppedHead",
        "tensor_parallel_size": vllm.tensor_parallel_size,
        "dtype": vllm.dtype,
        "gpu_memory_utilization": vllm.memory_fraction,
        "kv_cache_memory_bytes": None if cache is None else int(cache * 2**30),
        "enforce_eager": vllm.eager,
    }


def longest_sequence(language_model: LanguageModel, vllm: Vllm) -> int:
    """Most tokens of a prompt with its response that memory is kept for.

    Raises:
        AskdError: neither the model nor the settings say.
    """
    context = getattr(language_model.model.config, "max_position_embeddings", None)
    lengths = [length for length in (context, vllm.max_model_length) if length]
    if not lengths:
        raise AskdError(
            f"{language_model.folder}: config.json says no context; set "
            "rollout.vllm.max_model_length."
        )
    return min(lengths)


def stop(llm: LLM) -> None:
    """Give back the memory of the device; nobody else may hold `llm`."""
    from vllm.distributed import cleanup_dist_env_and_memory

    llm.llm_engine.engine_core.shutdown()
    del llm
    cleanup_dist_env_and_memory()


class VllmEngine:
    """A model that runs in vLLM.

    Args:
        folder: the model.
        settings: how to sample and how to run vLLM.
        head_chunk: response tokens whose logits exist at the same time; given for scoring only.

    Raises:
        AskdError: the folder is no whole model, vLLM is not installed, or it does not start.
    """

    def __init__(self, folder: Path, settings: Rollout, head_chunk: int | None = None) -> None:
        # The tokenizer and the end tokens come from here; the weights are vLLM's.
        self.language_model = load_without_weights(folder)
        self.settings = settings
        self.length = longest_sequence(self.language_model, settings.vllm)
        self.llm = self._start(head_chunk)
        self.llm.collective_rpc("crop_head", args=(self.language_model.vocabulary,))

    def _start(self, head_chunk: int | None) -> LLM:
        batch = {"max_num_seqs": self.settings.batch_size, "max_model_len": self.length}
        if head_chunk is not None:
            # vLLM computes the logits of as many prompt tokens at once as it takes into a batch.
            batch = {
                "max_num_seqs": min(self.settings.batch_size, head_chunk),
                "max_num_batched_tokens": head_chunk,
                "max_model_len": self.length + 1,
            }
        import_vllm("rollout.engine")
        from vllm import LLM

        with starting(self.language_model.folder, "rollout.engine"):
            return LLM(
                str(self.language_model.folder),
                skip_tokenizer_init=True,
                generation_config="vllm",  # not the folder's: it may warp the distribution
                logprobs_mode="processed_logprobs",  # behind temperature and nucleus
                **engine_options(self.settings.vllm),
                **batch,
            )

    def sample(self, wanted: Sequence[Request], seed: int, stream: str) -> list[dict]:
        """Rows of a rollouts table, one for each request, in the order of the requests.

        Log-probabilities are of the distribution that was sampled from: that behind temperature
        and nucleus, 0 for a greedy token.

        Raises:
            AskdError: a prompt leaves no room for `max_new_tokens` in the model's context.
        """
        from vllm import SamplingParams

        settings = self.settings
        check_context(self.language_model, wanted, settings)
        longest = max(wanted, key=lambda request: len(request.prompt))
        self._check_length(
            len(longest.prompt) + settings.max_new_tokens,
            f"prompt {longest.prompt_id!r} with rollout.max_new_tokens {settings.max_new_tokens}",
        )
        ends = end_tokens(self.language_model)
        outputs = self.llm.generate(
            [{"prompt_token_ids": request.prompt} for request in wanted],
            [
                SamplingParams(
                    temperature=settings.temperature,
                    top_p=settings.top_p,
                    max_tokens=settings.max_new_tokens,
                    # vLLM takes 63 bits.
                    seed=entropy(seed, stream, request.prompt_id, request.sample_id) >> 65,
                    stop_token_ids=ends,
                    ignore_eos=True,  # `ends` has it where it counts
                    logprobs=0,  # of the sampled token alone
                    detokenize=False,
                )
                for request in wanted
            ],
            use_tqdm=sys.stderr.isatty(),
        )
        rows = []
        for request, output in zip(wanted, outputs, strict=True):
            generated = output.outputs[0]
            tokens = list(generated.token_ids)
            logprobs = [
                0.0 if settings.temperature == 0 else step[token].logprob
                for token, step in zip(tokens, generated.logprobs, strict=True)
            ]
            tokenizer = self.language_model.tokenizer
            rows.append(row_of(tokenizer, request, tokens, ends, {"sampler_logprobs": logprobs}))
        return rows

    def score(self, responses: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability (nats, temperature 1) of each response token, one list per response.

        `responses` are (prompt tokens, response tokens).

        Raises:
            AskdError: a token is not in the vocabulary, or a response reaches beyond the context.
        """
        from vllm import SamplingParams

        check_vocabulary(
            max(max(tokens) for _, tokens in responses), self.language_model.vocabulary
        )
        self._check_length(
            max(len(prompt) + len(tokens) for prompt, tokens in responses),
            "a prompt with its response",
        )
        outputs = self.llm.generate(
            [{"prompt_token_ids": [*prompt, *tokens]} for prompt, tokens in responses],
            SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, detokenize=False),
            use_tqdm=sys.stderr.isatty(),
        )
        return [
            [
                step[token].logprob
                for token, step in zip(tokens, output.prompt_logprobs[len(prompt) :], strict=True)
            ]
            for (prompt, tokens), output in zip(responses, outputs, strict=True)
        ]

    def stop(self) -> None:
        """Give back the memory of the device."""
        stop(vars(self).pop("llm"))

    def _check_length(self, length: int, what: str) -> None:
        if length > self.length:
            raise AskdError(
                f"{what} has {length} tokens, more than the {self.length} that vLLM keeps memory "
                f"for with {self.language_model.folder}; raise rollout.vllm.max_model_length, up "
                "to the model's context."
            )


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
