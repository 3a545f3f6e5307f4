"""Settings of the stages, and of the tables and sweeps at their end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from askd.config.base import Fraction, Strict
from askd.config.models import Dtype
from askd.config.servers import OpenAi


class Vllm(Strict):
    """How vLLM runs a model, where `rollout.engine` is `vllm`."""

    python: str = Field(
        default=".venv-vllm/bin/python",
        exclude=True,  # where an environment lies changes no result
        description="Interpreter of the environment that has vLLM (`make vllm-env`), relative to "
        "the project's folder; with conda, the environment envs/vllm.yaml takes its place.",
    )
    tensor_parallel_size: PositiveInt = Field(
        default=1, description="GPUs that share a model; the `gpus` of a job have to suffice."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Type of weights and activations."
    )
    max_model_length: PositiveInt | None = Field(
        default=None,
        description="Longest prompt with its response that memory is kept for; null: the model's "
        "context.",
    )
    memory_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="Part of a GPU's memory that vLLM takes."
    )
    cache_gib: PositiveFloat | None = Field(
        default=None,
        description="Memory of the key-value cache, in GiB; null: what memory_fraction leaves on a "
        "GPU, and 2 on a CPU.",
    )
    eager: bool = Field(
        default=True,
        description="Run without compiling; false starts minutes later and samples faster on GPUs.",
    )


class Rollout(Strict):
    """Sampling of responses."""

    engine: Literal["transformers", "vllm", "openai"] = Field(
        default="transformers",
        description="What runs the models of the rollout and score stages: transformers, vLLM in "
        "the job, or a server that runs already. What samples elsewhere (outputs that a training "
        "refreshes, evaluations, figures), and policies that mix teacher and student, always use "
        "transformers.",
    )
    vllm: Vllm = Field(default=Vllm(), description="Settings of the engine vllm.")
    openai: OpenAi = Field(default=OpenAi(), description="Settings of the engine openai.")
    dtype: Dtype | None = Field(
        default=None,
        description="Type that transformers loads weights as in the rollout and score stages; "
        "null: that in which they are kept. vLLM's is `vllm.dtype`, a server's its own.",
    )

    samples_per_prompt: PositiveInt = Field(default=4, description="Samples G for each prompt.")
    temperature: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="Sampling temperature; 0 is greedy."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Probability mass of the nucleus."
    )
    max_new_tokens: PositiveInt = Field(description="Longest response, end of sequence included.")
    batch_size: PositiveInt = Field(default=256, description="Responses that are sampled at once.")
    shard_size: PositiveInt = Field(
        default=4096, description="Responses per shard; an interrupted rollout resumes by shards."
    )

    @property
    def is_plain(self) -> bool:
        """Whether sampled tokens come from the model's own distribution, unwarped."""
        return self.temperature == 1.0 and self.top_p == 1.0


class Advantage(Strict):
    """Normalisation of rewards."""

    normalization: Literal["group", "batch"] = Field(
        default="group", description="Over the samples of a prompt (GRPO) or all (REINFORCE++)."
    )
    sides: Literal["separate", "joint"] = Field(
        default="separate", description="Moments of teacher and student outputs apart or pooled."
    )
    epsilon: PositiveFloat = Field(default=1e-4, description="Added to the standard deviation.")


class Skewness(Strict):
    """Projection of advantages to skewness."""

    beta: PositiveFloat = Field(default=1.0, description="Scale: alpha = Phi(beta * advantage).")


class Lora(Strict):
    """Low-rank adapters: weights W + alpha / rank * B A, of which A and B are trained."""

    rank: PositiveInt = Field(default=16, description="Rank of the product B A.")
    alpha: PositiveFloat = Field(default=32, description="Scale: alpha / rank times B A is added.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="Share of the adapters' inputs that is dropped in training."
    )
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = Field(
        default="all-linear",
        description="Linear layers of the decoder that get adapters, by the last part of their "
        "names (q_proj, down_proj, ...), or all of them.",
    )


class Training(Strict):
    """Student training, the same for every method."""

    learning_rate: PositiveFloat = Field(
        description="Peak learning rate of methods that have no tuned one."
    )
    steps_per_round: PositiveInt = Field(description="Optimizer steps of a round.")
    prompts_per_step: PositiveInt = Field(description="Prompts of an optimizer step.")
    refresh_every: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Sample student outputs anew every so many steps; 0: once a round."
    )
    micro_batch_size: PositiveInt = Field(
        default=128, description="Sequences per forward pass; gradients accumulate over a step."
    )
    head_chunk: PositiveInt = Field(
        default=1024, description="Response tokens whose logits exist at the same time."
    )
    reduction: Literal["sequence", "token"] = Field(
        default="sequence", description="Mean over tokens then sequences, or over all tokens."
    )
    adam_betas: tuple[Fraction, Fraction] = Field(
        default=(0.9, 0.95), description="Decay rates of AdamW's moments."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.0, description="AdamW's decay.")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        default=10, description="Steps of linear warm-up at the start of the first round."
    )
    final_learning_rate: Fraction = Field(
        default=0.1, description="Where the cosine ends, as a fraction of the peak."
    )
    max_grad_norm: PositiveFloat = Field(default=1.0, description="Gradients are clipped to it.")
    checkpoint_every: PositiveInt = Field(
        default=20, description="Steps between the checkpoints that a killed training resumes from."
    )
    lora: Lora | None = Field(
        default=None,
        description="Adapters that are trained instead of all weights, and merged into them at the "
        "end of each round; null: all weights are trained.",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="What the train stage computes in. With bfloat16 the weights that are trained, "
        "their optimizer and log-probabilities stay float32, and so does the saved model; matrix "
        "products, the teacher, and weights that are frozen beside adapters are bfloat16.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Keep only the inputs of the student's layers for the backward pass, and "
        "compute the rest anew: less memory, more time.",
    )


class PairSections(Strict):
    """The sections of a configuration that a pair may change, as it runs them."""

    rollout: Rollout = Field(description="Sampling of training responses.")
    advantage: Advantage = Field(description="Normalisation of rewards.")
    skewness: Skewness = Field(description="Projection to skewness.")
    training: Training = Field(description="Student training.")


class Evaluation(Strict):
    """Benchmark evaluation."""

    samples: PositiveInt = Field(default=4, description="Samples per item beside the greedy one.")
    temperature: PositiveFloat = Field(default=1.0, description="Temperature of these samples.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(default=1.0, description="Nucleus mass.")
    dtype: Dtype | None = Field(
        default=None,
        description="Type that the weights of every system are loaded as; null: that in which they "
        "are kept, which for trained students is float32.",
    )


class Benchmark(Strict):
    """A set of test items."""

    task: str = Field(description="Name of the task.")
    level: str = Field(
        default="all",
        description="Level of the task's prompts; `all` is that of lines of a file that name none.",
    )
    split: Literal["validation", "test"] = Field(default="test", description="Split of the task.")
    label: str = Field(description="Column heading: the counterpart in the paper.")
    judge: dict[str, Any] = Field(
        default={}, description="Keys of the section `judge` that differ for this benchmark."
    )


class Table(Strict):
    """A table of the paper."""

    title: str = Field(description="Caption.")
    pairs: list[str] = Field(min_length=1, description="Pairs, in the order of the columns.")
    systems: list[str] = Field(
        min_length=1, description="Rows: `teacher`, `student` and names of methods."
    )
    benchmarks: list[str] = Field(min_length=1, description="Benchmarks, in column order.")
    compare: str = Field(description="The method that is tested against every other method.")
    paper: str | None = Field(
        default=None, description="CSV file with the paper's own numbers; null: it has none."
    )
    average_pairs: bool = Field(
        default=False, description="Show the mean over the pairs too, as the paper's Table 4 does."
    )


class Try(Strict):
    """Settings of a method that are tried, or were chosen."""

    learning_rate: PositiveFloat = Field(description="Peak learning rate.")
    options: dict[str, Any] = Field(
        default={}, description="Parts of the method's row that differ, its main hyper-parameter."
    )


class Sweep(Strict):
    """Choice of settings on validation prompts, with the same grid for every method.

    A try is a learning rate with the method as it is, or with one of its `alternatives`.
    """

    methods: list[str] = Field(min_length=1, description="Methods that are tuned.")
    pairs: list[str] = Field(min_length=1, description="Pairs that they are tuned on.")
    learning_rates: list[PositiveFloat] = Field(min_length=1, description="The grid.")
    alternatives: dict[str, list[dict[str, Any]]] = Field(
        default={},
        description="Other values of a method's main hyper-parameter, as parts of its row in "
        "methods.yaml; each is tried at every learning rate.",
    )
    seeds: list[int] = Field(
        min_length=1, description="Seeds of the tries; apart from the reported ones."
    )
    benchmarks: list[str] = Field(
        min_length=1, description="Benchmarks of validation prompts that choose."
    )

    def tries(self, method: str) -> dict[str, Try]:
        """The tries of `method` by the name of the variant; of equals, the first is chosen."""
        options = [{}, *self.alternatives.get(method, [])]
        return {
            f"{method}@{rate:g}" + (f"@{number}" if number else ""): Try(
                learning_rate=rate, options=option
            )
            for number, option in enumerate(options)
            for rate in sorted(self.learning_rates)
        }


class Figures(Strict):
    """What Figures 1 and 2 are drawn from."""

    pair: str = Field(description="The pair whose outputs are shown.")


class Estimators(Strict):
    """The measured variance of gradients, and the training curves beside it."""

    pairs: list[str] = Field(min_length=1, description="The pairs whose gradients are measured.")
    near: str = Field(description="The method whose student is the one near its teacher.")
    batches: Annotated[int, Field(ge=8)] = Field(
        default=24, description="Independent minibatches that the variance is measured from."
    )
    methods: list[str] = Field(min_length=1, description="Methods whose curves are drawn.")
