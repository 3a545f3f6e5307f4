"""lm-eval's model of vLLM, which also notes how its answers end. Needs lm-eval beside vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM

from askd.config import Vllm
from askd.evaluation.lm_eval_ends import LENGTH, Ends
from askd.models.folder import load_without_weights
from askd.rollout.vllm_engine import engine_options, longest_sequence, starting, stop


class VllmModel(VLLM):
    """The model in `folder`, run as `vllm` says; `ends` says how its answers ended.

    Args:
        folder: the model.
        dtype: type of the weights; `auto` is that of `vllm`.
        batch_size: prompts that are answered at once.
        vllm: how to run it.

    Raises:
        AskdError: the folder is no whole model, or vLLM does not start.
    """

    def __init__(self, folder: Path, dtype: str, batch_size: int, vllm: Vllm) -> None:
        language_model = load_without_weights(folder)
        options = engine_options(vllm) | ({} if dtype == "auto" else {"dtype": dtype})
        self.dtype = options["dtype"]
        with starting(folder, "lm_eval.engine"):
            super().__init__(
                pretrained=str(folder),
                batch_size="auto",
                max_num_seqs=batch_size,
                max_model_len=longest_sequence(language_model, vllm),
                **options,
            )
        self.model.collective_rpc("crop_head", args=(language_model.vocabulary,))
        self.ends = Ends()
        self.set_cache_hook(self.ends)

    def _model_generate(
        self, requests: list[list[int]], generate: bool = False, sampling_params: Any = None
    ) -> list:
        outputs = super()._model_generate(requests, generate, sampling_params)
        if generate:
            answers = [output.outputs[0] for output in outputs]
            self.ends.generated(answer.finish_reason == LENGTH for answer in answers)
            for answer in answers:
                # As with transformers: lm-eval would have vLLM show special tokens.
                answer.text = self.tokenizer.decode(answer.token_ids, skip_special_tokens=True)
        return outputs

    def close(self) -> None:
        """Give back the memory of the device, which holds that of one engine."""
        stop(vars(self).pop("model"))
