"""Make examples/own/models/{teacher,student}: tiny models that stand in for your own.

Each learns to sort letters, on prompts that are not those of test.jsonl; the student is smaller,
and learns for a shorter time. What is written is an ordinary Hugging Face folder.
"""

import json
import random
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from askd.models.tokenizer import character_tokenizer

FOLDER = Path(__file__).parent
CONTEXT_LENGTH = 32
BATCH_SIZE = 64
PEAK = 0.004


def conversation(letters: str) -> list[dict]:
    """A prompt and its worked answer."""
    return [
        {"role": "user", "content": f"sort {letters}"},
        {"role": "assistant", "content": "".join(sorted(letters))},
    ]


def train(
    tokenizer: PreTrainedTokenizerFast, width: int, steps: int, seed: int
) -> Qwen2ForCausalLM:
    """A model of `width` after `steps` optimizer steps on worked answers."""
    with (FOLDER / "test.jsonl").open(encoding="utf-8") as file:
        held_out = {json.loads(line)["prompt"] for line in file}
    torch.manual_seed(seed)
    chance = random.Random(seed)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=CONTEXT_LENGTH,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps)
    for _ in range(steps):
        batch = []
        while len(batch) < BATCH_SIZE:
            turns = conversation("".join(chance.choices("abcdefgh", k=5)))
            if turns[0]["content"] not in held_out:
                batch.append(tokenizer.apply_chat_template(turns, return_dict=False))
        # All are equally long; the answer is the last six tokens, with the end of the sequence.
        tokens = torch.tensor(batch)
        labels = tokens.clone()
        labels[:, :-6] = -100
        model(input_ids=tokens, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model


def main() -> None:
    """Write both folders."""
    tokenizer = character_tokenizer(CONTEXT_LENGTH)
    for name, width, steps, seed in (("teacher", 64, 500, 0), ("student", 48, 100, 1)):
        folder = FOLDER / "models" / name
        train(tokenizer, width, steps, seed).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        print(folder)


if __name__ == "__main__":
    main()
