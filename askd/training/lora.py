"""Low-rank adapters (LoRA) on a student, and their merging at the end of a round."""

from __future__ import annotations

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from askd.config import Lora, nearest
from askd.errors import AskdError


def adapt(student: PreTrainedModel, settings: Lora, name: str) -> PeftModel:
    """Freeze `student` and put adapters into it: W becomes W + alpha / rank * B A, with B = 0.

    The student itself computes with the adapters from here on; what is returned knows them apart,
    so that a checkpoint holds nothing else. They are float32 also where the frozen weights are not,
    and A is drawn from torch's global generator (Hu et al. 2022, arXiv:2106.09685).

    Raises:
        AskdError: names `name` and a target that is no linear layer of the student's decoder.
    """
    # Heads and embeddings are no targets: they may be one matrix, and merging would change both.
    linear = {
        path.rsplit(".", 1)[-1]
        for path, module in student.get_decoder().named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    }
    if settings.target_modules != "all-linear":
        for target in settings.target_modules:
            if target not in linear:
                raise AskdError(
                    f"{name}: training.lora.target_modules: no linear layer of the student's "
                    f"decoder is called {target!r}; {nearest(target, linear)}"
                )
    return get_peft_model(
        student,
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=settings.target_modules,
            task_type="CAUSAL_LM",
        ),
    )


def merge(adapted: PeftModel) -> PreTrainedModel:
    """The student with its adapters added to its weights, an ordinary model in float32.

    Sums in bfloat16 would round most of an update away.
    """
    return adapted.float().merge_and_unload()
