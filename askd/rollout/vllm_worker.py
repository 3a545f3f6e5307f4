"""What askd adds to vLLM's workers, which import it by name."""

from __future__ import annotations


class CroppedHead:
    """Cuts a head that is padded beyond the tokenizer before every softmax, as elsewhere in askd.

    vLLM cuts at the width that config.json says, which counts the padding.
    """

    def crop_head(self, vocabulary: int) -> None:
        """Neither draw nor score tokens from number `vocabulary` on."""
        from vllm.model_executor.layers.logits_processor import LogitsProcessor

        heads = [part for part in self.get_model().modules() if isinstance(part, LogitsProcessor)]
        if not heads:
            raise RuntimeError("the model has no head that vLLM's LogitsProcessor applies")
        for head in heads:
            head.org_vocab_size = min(head.org_vocab_size, vocabulary)
