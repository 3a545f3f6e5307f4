"""Chat templates in the manner of Qwen2, Llama 3, Gemma 2, Mistral and DeepSeek-Coder, around tiny
tokenizers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import GenerationConfig, PreTrainedTokenizerFast

from askd.artifacts import ROLLOUTS, table_from_rows
from askd.config import Rollout
from askd.errors import AskdError
from askd.models.chat import end_of_turn, prompt_tokens, response_text, response_tokens
from askd.models.folder import LanguageModel, load_tokenizer
from askd.rollout.engine import end_tokens, requests, sample
from askd.training.rows import Outputs
from askd.training.source import RoundSource

CORPUS = ["What is 1+1 ?", "The answer is 2 .", "user model system answer\nhéllo wörld €5 [INST]"]

QWEN = """\
{%- if messages[0]['role'] != 'system' -%}
{{- '<|im_start|>system\\nBe of use.<|im_end|>\\n' -}}
{%- endif -%}
{%- for turn in messages -%}
{{- '<|im_start|>' ~ turn['role'] ~ '\\n' ~ turn['content'] ~ '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' -}}{% endif -%}"""

LLAMA = """\
{{- bos_token -}}
{%- for turn in messages -%}
{{- '<|start_header_id|>' ~ turn['role'] ~ '<|end_header_id|>\\n\\n' -}}
{{- turn['content'] | trim ~ '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}"""

GEMMA = """\
{{- bos_token -}}
{%- for turn in messages -%}
{%- if turn['role'] == 'system' %}{{ raise_exception('there is no system role') }}{% endif -%}
{%- set speaker = 'model' if turn['role'] == 'assistant' else turn['role'] -%}
{{- '<start_of_turn>' ~ speaker ~ '\\n' ~ turn['content'] | trim ~ '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' -}}{% endif -%}"""

MISTRAL = """\
{{- bos_token -}}
{%- for turn in messages -%}
{%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('user and assistant take turns') -}}
{%- endif -%}
{%- if turn['role'] == 'user' -%}
{{- ' [INST] ' ~ turn['content'] ~ ' [/INST]' -}}
{%- else -%}
{{- ' ' ~ turn['content'] ~ eos_token -}}
{%- endif -%}
{%- endfor -%}"""


# The model itself writes the line breaks around an answer.
DEEPSEEK = """\
{{- bos_token -}}
{%- if messages[0]['role'] != 'system' %}{{ 'Be of use.\\n' }}{% endif -%}
{%- for turn in messages -%}
{%- if turn['role'] == 'system' -%}
{{- turn['content'] ~ '\\n' -}}
{%- elif turn['role'] == 'user' -%}
{{- '### Instruction:\\n' ~ turn['content'] ~ '\\n' -}}
{%- else -%}
{{- '### Response:\\n' ~ turn['content'] ~ '\\n<|EOT|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{- '### Response:' -}}{% endif -%}"""


@dataclass(frozen=True)
class Family:
    """How a family writes a conversation, and what its generation config stops at."""

    template: str
    special: list[str]
    bos: str | None
    eos: str
    end_of_turn: str
    stops: list[str]
    prompt: str
    behind: str = ""
    around: str = ""


FAMILIES = {
    "qwen": Family(
        template=QWEN,
        special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        bos=None,
        eos="<|im_end|>",
        end_of_turn="<|im_end|>",
        stops=["<|im_end|>", "<|endoftext|>"],
        prompt="<|im_start|>system\nBe of use.<|im_end|>\n"
        "<|im_start|>user\nWhat is 1+1 ?<|im_end|>\n<|im_start|>assistant\n",
        behind="\n",
    ),
    # Its tokenizer and generation config end texts, not turns.
    "qwen base": Family(
        template=QWEN,
        special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        bos=None,
        eos="<|endoftext|>",
        end_of_turn="<|im_end|>",
        stops=["<|endoftext|>"],
        prompt="<|im_start|>system\nBe of use.<|im_end|>\n"
        "<|im_start|>user\nWhat is 1+1 ?<|im_end|>\n<|im_start|>assistant\n",
        behind="\n",
    ),
    "llama": Family(
        template=LLAMA,
        special=[
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ],
        bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
        end_of_turn="<|eot_id|>",
        stops=["<|end_of_text|>", "<|eot_id|>"],
        prompt="<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
        "What is 1+1 ?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "gemma": Family(
        template=GEMMA,
        special=["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
        bos="<bos>",
        eos="<eos>",
        end_of_turn="<end_of_turn>",
        stops=["<eos>", "<end_of_turn>"],
        prompt="<bos><start_of_turn>user\nWhat is 1+1 ?<end_of_turn>\n<start_of_turn>model\n",
        behind="\n",
    ),
    "mistral": Family(
        template=MISTRAL,
        special=["<unk>", "<s>", "</s>"],
        bos="<s>",
        eos="</s>",
        end_of_turn="</s>",
        stops=["</s>"],
        prompt="<s> [INST] What is 1+1 ? [/INST]",
    ),
    "deepseek": Family(
        template=DEEPSEEK,
        special=["<|begin|>", "<|end|>", "<|EOT|>"],
        bos="<|begin|>",
        eos="<|EOT|>",
        end_of_turn="<|EOT|>",
        stops=["<|EOT|>"],
        prompt="<|begin|>Be of use.\n### Instruction:\nWhat is 1+1 ?\n### Response:",
        behind="\n",
        around="\n",
    ),
    # Its generation config ends texts, not turns.
    "deepseek base": Family(
        template=DEEPSEEK,
        special=["<|begin|>", "<|end|>", "<|EOT|>"],
        bos="<|begin|>",
        eos="<|end|>",
        end_of_turn="<|EOT|>",
        stops=["<|end|>"],
        prompt="<|begin|>Be of use.\n### Instruction:\nWhat is 1+1 ?\n### Response:",
        behind="\n",
        around="\n",
    ),
}
QUESTION = [{"role": "user", "content": "What is 1+1 ?"}]
ANSWERS = [
    "2",
    "",
    "The answer is 2 .",
    " a  b \n",
    "héllo\n\n€5 ☃",
    "<|im_end|> </s> <end_of_turn>",
]


def byte_level() -> Tokenizer:
    """As Qwen2's and Llama 3's: bytes, and no token for a beginning."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentence_piece(prefix: bool) -> Tokenizer:
    """As Gemma's, and with a space before every text, as Mistral's."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    written = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), spaces] if prefix else [spaces]
    )
    tokenizer.decoder = decoders.Sequence([*written, *([decoders.Strip(" ", 1, 0)] * prefix)])
    return tokenizer


def with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with the bytes that it falls back to, which are no special tokens."""
    data = json.loads(tokenizer.to_str())
    vocabulary = data["model"]["vocab"]
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    return Tokenizer.from_str(json.dumps(data))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def tokenizer(family, tmp_path_factory):
    """The family's tokenizer, as it is read from a model folder."""
    if family.template in (QWEN, LLAMA, DEEPSEEK):
        backend, alphabet = byte_level(), pre_tokenizers.ByteLevel.alphabet()
    else:
        backend, alphabet = sentence_piece(prefix=family.template == MISTRAL), []
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=alphabet,
        special_tokens=family.special,
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS * 9, trainer)
    if not alphabet:
        backend = with_bytes(backend)
    if family.bos is not None:
        # Like the real ones, it adds a beginning of its own to plain text.
        backend.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A",
            special_tokens=[(family.bos, backend.token_to_id(family.bos))],
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.special[0],
        # Llama 3's tokenizer comes with it.
        clean_up_tokenization_spaces=True,
    )
    fast.chat_template = family.template
    folder = tmp_path_factory.mktemp("tokenizer")
    fast.save_pretrained(folder)
    return load_tokenizer(folder)


def number(tokenizer, token: str) -> int:
    return tokenizer.convert_tokens_to_ids(token)


def written(tokenizer, tokens: list[int]) -> str:
    return tokenizer.decode(tokens, clean_up_tokenization_spaces=False)


def special_in(family, tokenizer, tokens: list[int]) -> list[str]:
    special = {number(tokenizer, token): token for token in family.special}
    return [special[token] for token in tokens if token in special]


def test_a_prompt_is_what_the_template_says_and_begins_once(family, tokenizer):
    tokens = prompt_tokens(tokenizer, QUESTION)
    rendered = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
    assert rendered == family.prompt
    assert tokens == tokenizer.encode(rendered, add_special_tokens=False)
    assert "".join(written(tokenizer, tokens).split()) == "".join(family.prompt.split())
    if family.bos is not None:
        assert tokens[0] == tokenizer.bos_token_id
        assert tokens.count(tokenizer.bos_token_id) == 1
        assert tokenizer.encode("plain")[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_its_text_and_one_end_of_turn(family, tokenizer, answer):
    tokens = response_tokens(tokenizer, answer)
    assert special_in(family, tokenizer, tokens) == [family.end_of_turn]
    assert tokens[-1] == end_of_turn(tokenizer) == number(tokenizer, family.end_of_turn)
    assert response_text(tokenizer, tokens) == f"{family.around}{answer}{family.around}"


def test_prompt_and_answer_are_the_beginning_of_the_finished_conversation(family, tokenizer):
    """So nothing of the template, such as a system message, is part of the answer."""
    answer = "The answer is 2 ."
    tokens = prompt_tokens(tokenizer, QUESTION) + response_tokens(tokenizer, answer)
    finished = [*QUESTION, {"role": "assistant", "content": answer}]
    rendered = tokenizer.apply_chat_template(finished, tokenize=False)
    around = family.around
    assert rendered.endswith(f"{around}{answer}{around}{family.end_of_turn}{family.behind}")
    whole = tokenizer.apply_chat_template(finished, tokenize=True, return_dict=False)
    assert whole[: len(tokens)] == tokens
    assert "".join(written(tokenizer, whole[len(tokens) :]).split()) == ""


def test_the_response_of_a_training_row_holds_nothing_of_the_template(family, tokenizer, methods):
    """Written answers and sampled ones alike; the loss is over response tokens and no others."""
    answer = "The answer is 2 ."
    prompts = {"p": {"prompt_id": "p", "messages": QUESTION, "response": answer}}
    sampled = {
        "prompt_id": "p",
        "sample_id": 0,
        "token_ids": response_tokens(tokenizer, answer),
        "text": answer,
        "finish_reason": "stop",
    }
    sampled["sampler_logprobs"] = [-1.0] * len(sampled["token_ids"])
    outputs = Outputs(table_from_rows([sampled], ROLLOUTS), [], "rollouts")
    rows = [
        row
        for name in ("sft", "seqkd")
        for row in RoundSource(methods[name], [["p"]], prompts, tokenizer, 1, outputs).rows(0)
    ]
    assert [row.side for row in rows] == ["reference", "tgo"]
    for row in rows:
        assert row.prompt == prompt_tokens(tokenizer, QUESTION)
        assert special_in(family, tokenizer, row.response) == [family.end_of_turn]
        assert response_text(tokenizer, row.response) == f"{family.around}{answer}{family.around}"


def test_sampling_stops_at_the_ends_of_turns_and_texts(family, tokenizer):
    stops = [number(tokenizer, token) for token in family.stops]
    model = SimpleNamespace(generation_config=GenerationConfig(eos_token_id=stops))
    ends = end_tokens(LanguageModel(model, tokenizer, "folder"))
    assert set(ends) == {number(tokenizer, family.end_of_turn), *stops}
    last = response_tokens(tokenizer, "2")[-1]
    assert last in stops or family.end_of_turn not in family.stops


def test_sampled_responses_end_with_the_first_end(family, tokenizer, make_model):
    """Of a model that draws all tokens alike, and whose generation config knows no end at all."""
    model = make_model(16, vocabulary=len(tokenizer))
    model.lm_head.weight.data.zero_()
    model.generation_config.eos_token_id = None
    language_model = LanguageModel(model, tokenizer, "folder")
    prompts = [{"prompt_id": "p", "messages": [{"role": "user", "content": "2"}]}]
    settings = Rollout(samples_per_prompt=200, max_new_tokens=8)
    wanted = requests(language_model, prompts, 200)
    model.config.max_position_embeddings = len(wanted[0].prompt) + 8
    rows = sample(language_model, wanted, settings, 0, "test")
    ends = set(end_tokens(language_model))
    last = set()
    for row in rows:
        assert not ends & set(row["token_ids"][:-1])
        assert (row["finish_reason"] == "stop") == (row["token_ids"][-1] in ends)
        last.add(row["token_ids"][-1])
    assert number(tokenizer, family.end_of_turn) in last


def test_a_system_message_is_rendered_or_refused(family, tokenizer):
    messages = [{"role": "system", "content": "Add ."}, *QUESTION]
    if family.template in (GEMMA, MISTRAL):
        with pytest.raises(AskdError, match="cannot render messages of the roles system, user"):
            prompt_tokens(tokenizer, messages)
        return
    text = written(tokenizer, prompt_tokens(tokenizer, messages))
    assert text.count("Add .") == 1 and "Be of use" not in text


def test_a_template_that_ends_no_turn_leaves_the_end_of_sequence(family, tokenizer, monkeypatch):
    template = "{% for turn in messages %}{{ turn['content'] ~ '\\n' }}{% endfor %}"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    assert end_of_turn(tokenizer) == tokenizer.eos_token_id == number(tokenizer, family.eos)
