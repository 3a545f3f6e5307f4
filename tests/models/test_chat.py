"""Chat templates: what the model sees, and one end-of-sequence token behind an answer."""

from __future__ import annotations

import pytest

from askd.models.chat import prompt_tokens, response_text, response_tokens
from askd.models.tokenizer import character_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer(64)


def test_a_prompt_is_rendered_up_to_the_assistants_turn(tokenizer):
    tokens = prompt_tokens(tokenizer, [{"role": "user", "content": "1+1"}])
    assert tokenizer.decode(tokens) == "<|user|>1+1<|end|><|assistant|>"
    assert isinstance(tokens, list) and all(isinstance(token, int) for token in tokens)
    assert len(tokens) == 6


def test_all_turns_are_rendered(tokenizer):
    messages = [
        {"role": "system", "content": "Add."},
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "2+2"},
    ]
    assert tokenizer.decode(prompt_tokens(tokenizer, messages)) == (
        "<|system|>Add.<|end|><|user|>1+1<|end|><|assistant|>2<|end|><|user|>2+2<|end|><|assistant|>"
    )


@pytest.mark.parametrize("text", ["6-1=5", "", " a "])
def test_an_answer_ends_with_one_end_of_sequence(tokenizer, text):
    tokens = response_tokens(tokenizer, text)
    assert tokens.count(tokenizer.eos_token_id) == 1
    assert tokens[-1] == tokenizer.eos_token_id
    assert len(tokens) == len(text) + 1


@pytest.mark.parametrize("text", ["6-1=5", "", "  a  b \n"])
def test_the_text_of_an_answer_comes_back(tokenizer, text):
    assert response_text(tokenizer, response_tokens(tokenizer, text)) == text


def test_prompt_and_answer_read_as_one_conversation(tokenizer):
    """What is trained on is what the template makes of the finished conversation."""
    question = [{"role": "user", "content": "1+1"}]
    tokens = prompt_tokens(tokenizer, question) + response_tokens(tokenizer, "1+1=2")
    finished = [*question, {"role": "assistant", "content": "1+1=2"}]
    assert tokens == tokenizer.apply_chat_template(finished, tokenize=True, return_dict=False)


def test_spaces_before_punctuation_stay(tokenizer, monkeypatch):
    """Also where a tokenizer's own settings ask to clean them up."""
    monkeypatch.setattr(tokenizer, "clean_up_tokenization_spaces", True)
    assert response_text(tokenizer, response_tokens(tokenizer, "2 .")) == "2 ."
