"""The openai engine: samples and scores with a model that a server has, over tokens.

The server is one that runs vLLM's extensions of `/v1/completions`: prompts and responses that are
token numbers, ends given as token numbers, log-probabilities of the prompt's tokens. Rows are those
of the other engines: each request carries the same seed as under vLLM, and tokens, end tokens and
texts are handled here. Before anything else the server shows that all of it is so
(`askd.rollout.openai_probe`); each reply is then checked for its own tokens.

Not covered: policies that mix teacher and student, which need both models at every token.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from askd.config import Rollout, Server
from askd.errors import AskdError
from askd.models.chat import end_tokens
from askd.models.folder import load_without_weights
from askd.models.logprobs import check_vocabulary
from askd.rollout.engine import Request, check_context, row_of
from askd.rollout.openai_client import Client
from askd.rollout.openai_probe import probe
from askd.rollout.openai_protocol import Completion, read_scores, sampling_body, scoring_body
from askd.rollout.sampler import entropy

_connected: dict[tuple, OpenAiEngine] = {}


def server_of(folder: Path, settings: Rollout) -> Server | None:
    """The server of the model in `folder`, by the folder's name; None if none is named.

    Students that a training wrote have none: their folders have a name that no model may have.
    """
    return settings.openai.servers.get(folder.name) if settings.engine == "openai" else None


def engine_of(folder: Path, settings: Rollout) -> OpenAiEngine:
    """The engine of a model; the seeds of a job share it, since a server is probed once."""
    key = (folder.resolve(), settings.model_dump_json())
    if key not in _connected:
        _connected[key] = OpenAiEngine(folder, settings)
    return _connected[key]


class OpenAiEngine:
    """A model behind a server.

    Args:
        folder: the same model; its tokenizer, end tokens and shape are read, its weights are not.
        settings: how to sample, and the servers.

    Raises:
        AskdError: the folder is no whole model, the server cannot be reached, does not serve the
            model, or cannot give what the rows need; says what to change.
    """

    def __init__(self, folder: Path, settings: Rollout) -> None:
        self.language_model = load_without_weights(folder)
        self.settings = settings
        server = server_of(folder, settings)
        if server is None:
            raise AskdError(f"rollout.openai.servers: no server of the model {folder.name!r}.")
        self.client = Client(server, settings.openai)
        self.context = self.client.context()
        probe(self.client, self.language_model, settings)
        print(f"{folder}: served as {server.model} by {server.base_url}", flush=True)

    def sample(self, wanted: Sequence[Request], seed: int, stream: str) -> list[dict]:
        """Rows of a rollouts table, one for each request, in the order of the requests.

        Log-probabilities are of the distribution that was sampled from: that behind temperature
        and nucleus, 0 for a greedy token.

        Raises:
            AskdError: a prompt leaves no room for `max_new_tokens`, or a reply is not as asked for.
        """
        settings, ends = self.settings, end_tokens(self.language_model)
        check_context(self.language_model, wanted, settings)
        longest = max(wanted, key=lambda request: len(request.prompt))
        self._check_length(
            len(longest.prompt) + settings.max_new_tokens,
            f"prompt {longest.prompt_id!r} with rollout.max_new_tokens {settings.max_new_tokens}",
        )
        replies = self.client.complete_all(
            [
                sampling_body(
                    request.prompt,
                    entropy(seed, stream, request.prompt_id, request.sample_id) >> 65,
                    ends,
                    settings,
                )
                for request in wanted
            ],
            progress=sys.stderr.isatty(),
        )
        rows = []
        for request, reply in zip(wanted, replies, strict=True):
            done = Completion.of(reply, request.prompt, self.client.url)
            check_vocabulary(max(done.tokens), self.language_model.vocabulary)
            if done.tokens[-1] not in ends and len(done.tokens) < settings.max_new_tokens:
                raise AskdError(
                    f"{self.client.url}: a response to prompt {request.prompt_id!r} stops behind "
                    f"token {done.tokens[-1]}, which is none of the model's end tokens {ends}; "
                    "start the server without stops or limits of its own (vLLM: "
                    "--generation-config vllm)."
                )
            logprobs = [0.0] * len(done.tokens) if settings.temperature == 0 else done.logprobs
            tokenizer = self.language_model.tokenizer
            rows.append(
                row_of(tokenizer, request, done.tokens, ends, {"sampler_logprobs": logprobs})
            )
        return rows

    def score(self, responses: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability (nats, temperature 1) of each response token, one list per response.

        `responses` are (prompt tokens, response tokens).

        Raises:
            AskdError: a token is not in the vocabulary, a response reaches beyond the server's
                context, or a reply is not as asked for.
        """
        check_vocabulary(
            max(max(tokens) for _, tokens in responses), self.language_model.vocabulary
        )
        # The server has to draw a token behind the text, which is never read.
        self._check_length(
            max(len(prompt) + len(tokens) for prompt, tokens in responses) + 1,
            "a prompt with its response and a token more",
        )
        replies = self.client.complete_all(
            [scoring_body([*prompt, *tokens]) for prompt, tokens in responses],
            progress=sys.stderr.isatty(),
        )
        return [
            read_scores(reply, prompt, tokens, self.client.url)
            for reply, (prompt, tokens) in zip(replies, responses, strict=True)
        ]

    def _check_length(self, length: int, what: str) -> None:
        if self.context is not None and length > self.context:
            raise AskdError(
                f"{what} has {length} tokens, more than the {self.context} of the server "
                f"{self.client.server.base_url}; start it with a longer --max-model-len, or lower "
                "rollout.max_new_tokens."
            )
