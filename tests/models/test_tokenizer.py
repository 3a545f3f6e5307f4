"""The character tokenizer: one token per character, and special tokens that stay apart."""

from __future__ import annotations

import string

import pytest
from transformers import AutoTokenizer

from askd.models.tokenizer import END, PAD, UNKNOWN, character_tokenizer

PRINTABLE = string.digits + string.ascii_letters + string.punctuation + " \n"


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer(64)


def test_all_printable_ascii_comes_back(tokenizer):
    tokens = tokenizer.encode(PRINTABLE, add_special_tokens=False)
    assert len(tokens) == len(set(tokens)) == len(PRINTABLE)
    assert tokenizer.unk_token_id not in tokens
    assert tokenizer.decode(tokens) == PRINTABLE


@pytest.mark.parametrize("text", ["", "  two  spaces ", "a , b .", "\n\n", "6-1=5+1=6", "<|x|>"])
def test_spaces_and_punctuation_are_not_cleaned_up(tokenizer, text):
    tokens = tokenizer.encode(text, add_special_tokens=False)
    assert len(tokens) == len(text)
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text


@pytest.mark.parametrize("character", ["ä", "→", "\t", "𝛼"])
def test_an_unknown_character_is_one_unknown_token(tokenizer, character):
    tokens = tokenizer.encode(f"a{character}b", add_special_tokens=False)
    assert tokens[1] == tokenizer.unk_token_id == tokenizer.convert_tokens_to_ids(UNKNOWN)
    assert len(tokens) == 3


def test_padding_and_end_are_different_tokens(tokenizer):
    assert tokenizer.pad_token == PAD and tokenizer.eos_token == END
    assert len({tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id}) == 3


def test_special_tokens_in_text_are_single_tokens_and_are_skipped(tokenizer):
    tokens = tokenizer.encode("<|user|>1<|end|>", add_special_tokens=False)
    assert len(tokens) == 3
    assert tokens[2] == tokenizer.eos_token_id
    assert tokenizer.decode(tokens) == "<|user|>1<|end|>"
    assert tokenizer.decode(tokens, skip_special_tokens=True) == "1"


def test_it_survives_saving(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.special_tokens_map == tokenizer.special_tokens_map
    assert loaded.chat_template == tokenizer.chat_template
    assert loaded.encode(PRINTABLE) == tokenizer.encode(PRINTABLE)
    assert loaded.decode(loaded.encode(PRINTABLE)) == PRINTABLE
    assert loaded.padding_side == "left" and loaded.model_max_length == 64
