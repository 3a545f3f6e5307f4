"""lm-eval's model of transformers, which also notes how its answers end. Needs lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lm_eval.models.huggingface import HFLM
from torch import Tensor

from askd.evaluation.lm_eval_ends import Ends
from askd.models.folder import default_device


class TransformersModel(HFLM):
    """The model in `folder`; `ends` says how its answers ended, `dtype` the type of its weights."""

    def __init__(self, folder: Path, dtype: str, batch_size: int) -> None:
        super().__init__(
            pretrained=str(folder), device=str(default_device()), dtype=dtype, batch_size=batch_size
        )
        self.dtype = str(self.model.dtype).removeprefix("torch.")
        self.ends = Ends()
        self.set_cache_hook(self.ends)

    def _model_generate(
        self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> Tensor:
        output = super()._model_generate(context, max_length, stop, **kwargs)
        answers = output[:, context.shape[1] :]
        self.ends.generated(
            output.shape[1] == max_length and not self._ended(answer, stop)
            for answer in answers.tolist()
        )
        return output

    def _ended(self, answer: list[int], stop: list[str]) -> bool:
        """Whether an end token or a stop string ends `answer`; what follows either is padding."""
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        if answer[-1] in (*ends, self.tokenizer.pad_token_id):
            return True
        text = self.tok_decode(answer, skip_special_tokens=False)
        return any(one in text for one in stop if one)

    def close(self) -> None:
        """Nothing to stop: the model goes when nobody refers to it."""
