"""Verdicts of a model behind an endpoint on many pairs: both orders, a cache, many calls at once.

Before all else the judge is asked about pairs that show whether it follows the places of answers
(`askd.judge.position_check`); those replies are cached like others, and so paid for once.
A reply that was cut counts as one without a verdict. Such a one is asked for once more; what then
has none is counted, and the run fails as soon as the share that the configuration allows is out of
reach.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from askd.config import EndpointJudge
from askd.errors import AskdError
from askd.judge.cache import Cache, Reply, opened
from askd.judge.client import Client, is_of_model, request
from askd.judge.position_check import PAIRS, result_of
from askd.judge.prompts import TEMPLATE_HASH, Pair, both_orders, reminded
from askd.judge.verdicts import PairVerdict, Verdict, rates, read_verdict

BYTES_PER_TOKEN = 4
"""A rule of thumb for English, since the judge's tokenizer is not known here."""

CALLS_PER_THREAD = 32
"""Calls of each thread until the share of invalid verdicts is looked at."""

Messages = list[dict]


def judge_pairs(pairs: Sequence[Pair], settings: EndpointJudge) -> tuple[list[PairVerdict], dict]:
    """The verdicts on `pairs`, and what is known of the judge.

    The latter holds the rates of `askd.judge.verdicts.rates`, the result of the position check, the
    hash of the prompt's template, the models that the endpoint says have replied, the number of
    calls that were paid for now (`calls_paid`, with their tokens) and of replies that came from the
    cache (`calls_cached`), both with those of the check.

    Raises:
        AskdError: no key, an endpoint that is down or refuses, a judge that does not pass the
            check, too many invalid verdicts.
    """
    with opened(settings.cache) as cache, Client(settings) as client:
        print(_estimate(pairs, settings, cache), flush=True)
        run = _Run(settings, cache, client)
        position_check = result_of(run.judge(PAIRS), settings)
        verdicts = run.judge(pairs)
    about = {
        "kind": "endpoint",
        "model": settings.model,
        # Some endpoints do not say.
        "models_replying": sorted(run.models - {""}),
        "base_url": settings.base_url,
        "template": TEMPLATE_HASH,
        "temperature": 0,
        "max_tokens": settings.max_tokens,
        "extra_body": settings.extra_body,
        "position_check": position_check,
        **rates(verdicts),
        "calls_paid": run.paid,
        "calls_cached": run.cached,
        "prompt_tokens_paid": run.prompt_tokens,
        "completion_tokens_paid": run.completion_tokens,
    }
    return verdicts, about


def estimate(pairs: Sequence[Pair], settings: EndpointJudge) -> str:
    """A sentence on the calls, tokens and price of `judge_pairs`; calls nothing, needs no key.

    Second calls, for replies without a verdict, are not in it: nobody knows how many there will be.
    """
    with opened(settings.cache) as cache:
        return _estimate(pairs, settings, cache)


def _estimate(pairs: Sequence[Pair], settings: EndpointJudge, cache: Cache) -> str:
    asked = _distinct([both_orders(pair) for pair in (*PAIRS, *pairs)])
    found = _cached([_key(messages, settings) for messages in asked], settings, cache)
    missing = [messages for messages in asked if _key(messages, settings) not in found]
    size = sum(len(message["content"].encode()) for part in missing for message in part)
    prompt, completion = size // BYTES_PER_TOKEN, len(missing) * settings.max_tokens
    text = (
        f"judge {settings.model}: {len(missing)} calls to pay for, {len(found)} replies in the "
        f"cache; about {prompt} prompt tokens, replies of at most {completion} tokens, "
        "without second calls for replies that hold no verdict"
    )
    if settings.prompt_price is None or settings.completion_price is None:
        return f"{text}; no price is configured"
    least = prompt * settings.prompt_price / 1e6
    most = least + completion * settings.completion_price / 1e6
    return f"{text}; price {least:.2f} to {most:.2f}"


@dataclass
class _Run:
    """The calls of one run, and their count."""

    settings: EndpointJudge
    cache: Cache
    client: Client
    paid: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    models: set[str] = field(default_factory=set)

    def judge(self, pairs: Sequence[Pair]) -> list[PairVerdict]:
        """The verdicts on `pairs`.

        Raises:
            AskdError: more of them cannot be read than the configuration allows.
        """
        orders = [both_orders(pair) for pair in pairs]
        uses = Counter(_text(messages) for order in orders for messages in order)
        found = self._verdicts(_distinct(orders), uses)
        return [PairVerdict(*(found[_text(messages)] for messages in order)) for order in orders]

    def _verdicts(self, asked: Sequence[Messages], uses: Counter[str]) -> dict[str, Verdict | None]:
        """The verdict of each of `asked`, None where it cannot be read, by its text.

        `uses` says how many verdicts of pairs each of them gives, for the same share of invalid
        ones as in `askd.judge.verdicts.rates`.
        """
        verdicts: dict[str, Verdict | None] = {}
        step = CALLS_PER_THREAD * self.settings.concurrency
        for start in range(0, len(asked), step):
            part = asked[start : start + step]
            replies = dict(zip(map(_text, part), self._replies(part), strict=True))
            again = [m for m in part if _verdict(replies[_text(m)]) is None]
            second = self._replies([reminded(m, replies[_text(m)].text) for m in again])
            replies.update(zip(map(_text, again), second, strict=True))
            verdicts |= {text: _verdict(reply) for text, reply in replies.items()}
            invalid = [text for text, verdict in verdicts.items() if verdict is None]
            lost, total = sum(uses[text] for text in invalid), uses.total()
            highest = self.settings.highest_invalid_rate
            if lost > highest * total:
                raise AskdError(
                    f"judge {self.settings.model}: {len(invalid)} of {len(verdicts)} replies hold "
                    "no verdict, also when asked again (one that was cut holds none); "
                    f"{lost} of the {total} verdicts of all pairs are lost, and "
                    f"judge.highest_invalid_rate = {highest:g} allows fewer. "
                    "Choose another model or more judge.max_tokens. The last reply ends with "
                    f"{replies[invalid[-1]].text[-100:]!r}."
                )
        return verdicts

    def _replies(self, asked: Sequence[Messages]) -> list[Reply]:
        """The reply to each of `asked`, from the cache or from the endpoint."""
        keys = [_key(messages, self.settings) for messages in asked]
        replies = _cached(keys, self.settings, self.cache)
        self.cached += len(replies)
        missing = {
            key: messages for key, messages in zip(keys, asked, strict=True) if key not in replies
        }
        for key, reply in self._call(missing).items():
            replies[key] = reply
            self.paid += 1
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens
        self.models |= {reply.model for reply in replies.values()}
        return [replies[key] for key in keys]

    def _call(self, missing: dict[str, Messages]) -> dict[str, Reply]:
        """Ask the endpoint; the first failure ends all calls that have not begun.

        Each thread keeps its own replies in the cache, so that those of calls under way are kept
        too when something fails or the user interrupts.
        """

        def ask(key: str) -> Reply:
            reply = self.client.complete(missing[key])
            self.cache.put(key, reply)
            return reply

        return dict(zip(missing, self.client.each(ask, missing), strict=True))


def _verdict(reply: Reply) -> Verdict | None:
    """The verdict of `reply`; None also where it was cut, since what it names last before its end
    may be a verdict that it weighs."""
    return None if reply.is_cut else read_verdict(reply.text)


def _cached(keys: Sequence[str], settings: EndpointJudge, cache: Cache) -> dict[str, Reply]:
    """The cached replies to `keys` that are of a model that may reply."""
    found = cache.get(keys)
    return {key: reply for key, reply in found.items() if is_of_model(reply.model, settings)}


def _key(messages: Messages, settings: EndpointJudge) -> str:
    """The digest of what is asked, and of whom."""
    asked = [settings.base_url, request(settings, messages)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _distinct(orders: Sequence[tuple[Messages, Messages]]) -> list[Messages]:
    """What is asked, each once: the samples of a group are often the same answer."""
    return list({_text(messages): messages for order in orders for messages in order}.values())


def _text(messages: Messages) -> str:
    return messages[-1]["content"]
