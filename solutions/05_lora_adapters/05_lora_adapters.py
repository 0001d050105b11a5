# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · LoRA, adapters, prompts
#
# A fine-tuned copy of a network is as large as the network. Must a new task cost that much?
#
# **After this lesson you can**
#
# - write LoRA from its formula, put it into any model, count its parameters, and merge it so that it costs nothing;
# - add several low-rank updates to one network, and say why the obvious way of mixing them is wrong;
# - write bottleneck adapters, prompts and prefixes, each in a few lines, and say what they change;
# - do the same with `peft`, with the right target modules and a head that trains;
# - say from measured runs what rank, method and mixture matter, and where they do not.
#
# **Time** 60–90 minutes · **Points** 100 · runs on a laptop without GPU and without internet.
#
# **How to work.** Replace each `raise NotImplementedError()` by your code, run the cell, then run the check below it. A
# check is silent but for one line when you are right; otherwise it says what you did and which idea to revisit. Each
# exercise stands alone: if one resists, go on with the next. Hidden checks (other seeds, shapes, edge cases) run when
# your work is graded. **Validate** in the toolbar runs everything the way the grader does, hidden checks apart.
#
# **What was measured.** A bracket behind a statement names its record (in `data/records`), those that *did not hold
# here* included.

# %% tags=["setup"]
import copy
import math
import re
import types
import warnings

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
)

from course_utils.checks import check

# peft still asks transformers for an attribute under its old name; nothing that concerns you
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")

# %% [markdown]
# ## The idea in one picture
#
# %% [markdown]
# ## 1 · A low-rank update
#
# ### Exercise 1 · `LoRALinear`
#

# %% nbgrader={"grade": false, "grade_id": "lora_linear", "locked": false, "schema_version": 3, "solution": true, "task": false}
class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable low-rank update: base(x) + (alpha/r) · B A dropout(x).

    Hu et al. 2022, section 4.1. `base` (weight d_out × d_in) is held, not copied, and frozen. The parameters A
    (r × d_in), random, and B (d_out × r), zero, have its dtype and device; `scale` = alpha/r is a buffer, so that a
    checkpoint carries it. x is (..., d_in), the result (..., d_out). Raises ValueError if r < 1.
    """

    def __init__(self, base: nn.Linear, r: int, alpha: float, dropout: float = 0.0):
        super().__init__()
        ### BEGIN SOLUTION
        if r < 1:
            raise ValueError(f"a low-rank update needs a rank of at least 1, not {r}")
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(base.weight.new_empty(r, base.in_features))
        self.B = nn.Parameter(base.weight.new_zeros(base.out_features, r))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.register_buffer("scale", base.weight.new_tensor(alpha / r))
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ### BEGIN SOLUTION
        return self.base(x) + self.scale * (self.dropout(x) @ self.A.T @ self.B.T)
        ### END SOLUTION

    def merged(self) -> nn.Linear:
        """A new plain layer with weight W + scale · B A, which computes the same; `self` stays as it is."""
        ### BEGIN SOLUTION
        plain = copy.deepcopy(self.base)
        with torch.no_grad():
            plain.weight += self.scale * self.B @ self.A
        return plain
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "lora_linear_check", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.lora_linear") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "lora_linear_hidden", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.lora_linear") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Into a model
#
# ### Exercise 2 · `inject_lora`
#

# %% nbgrader={"grade": false, "grade_id": "inject_lora", "locked": false, "schema_version": 3, "solution": true, "task": false}
def inject_lora(model: nn.Module, pattern: str, r: int, alpha: float, layer: type | None = None) -> list[str]:
    """Put `layer(linear, r, alpha)` in the place of every nn.Linear whose dotted name `re.search(pattern, name)` finds.

    Returns the names. Afterwards the factors A and B of all such layers train and nothing else does. Layers that have a
    LoRA already are left alone. A layer that the model holds under two names gets one LoRA, under both. Raises ValueError
    if the pattern finds nothing; the model is then unchanged. `layer` is LoRALinear if left out.
    """
    layer = LoRALinear if layer is None else layer
    ### BEGIN SOLUTION
    modules = list(model.named_modules(remove_duplicate=False))
    inside = tuple(f"{name}." for name, module in modules if isinstance(module, layer))
    found = {
        name: module
        for name, module in modules
        if isinstance(module, nn.Linear) and re.search(pattern, name) and not name.startswith(inside)
    }
    if not found:
        raise ValueError(f"no linear layer has a name that matches {pattern!r}")
    model.requires_grad_(False)
    wrapped = {linear: layer(linear, r, alpha) for linear in found.values()}
    for name, linear in found.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, wrapped[linear])
    for module in model.modules():
        if isinstance(module, layer):
            module.A.requires_grad_(True)
            module.B.requires_grad_(True)
    return list(found)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "inject_lora_check", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.inject_lora") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "inject_lora_hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.inject_lora") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3 · `lora_parameter_count`
#

# %% nbgrader={"grade": false, "grade_id": "lora_parameter_count", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lora_parameter_count(shapes: list[tuple[int, int]], r: int) -> int:
    """Trainable parameters of LoRA with rank r on weights of these shapes (d_out, d_in): the sum of r (d_in + d_out)."""
    ### BEGIN SOLUTION
    return sum(r * (d_in + d_out) for d_out, d_in in shapes)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "lora_parameter_count_check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.lora_parameter_count") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "lora_parameter_count_hidden", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.lora_parameter_count") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Several updates on one network
#
# ### Exercise 4 · `compose_deltas`
#

# %% nbgrader={"grade": false, "grade_id": "compose_deltas", "locked": false, "schema_version": 3, "solution": true, "task": false}
def compose_deltas(
    W0: torch.Tensor, loras: list[tuple[torch.Tensor, torch.Tensor, float]], weights: list[float]
) -> torch.Tensor:
    """W0 + Σ_k weights[k] · (alpha_k / r_k) · B_k A_k, for loras = [(A, B, alpha), …]; a new tensor (d_out, d_in).

    A_k is (r_k, d_in), B_k (d_out, r_k); ranks may differ. Raises ValueError unless there is one weight per update.
    """
    ### BEGIN SOLUTION
    W = W0.clone()
    for (A, B, alpha), weight in zip(loras, weights, strict=True):
        W += weight * (alpha / len(A)) * (B @ A)
    return W
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "compose_deltas_check", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.compose_deltas") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "compose_deltas_hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.compose_deltas") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Adapters
#
# ### Exercise 5 · `Adapter`
#

# %% nbgrader={"grade": false, "grade_id": "adapter", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Adapter(nn.Module):
    """A bottleneck with a residual: h + up(gelu(down(h))), for h (..., d) and a bottleneck of m units.

    After Houlsby et al. 2019, section 2.1, but with `up` (weight and bias) at exactly zero, so that a new adapter is the
    identity. `down` keeps the random weights of nn.Linear. 2dm + m + d parameters.
    """

    def __init__(self, d: int, m: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.down = nn.Linear(d, m)
        self.up = nn.Linear(m, d)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        ### END SOLUTION

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        ### BEGIN SOLUTION
        return h + self.up(F.gelu(self.down(h)))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "adapter_check", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.adapter") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "adapter_hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.adapter") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 6 · `insert_adapters`
#

# %% nbgrader={"grade": false, "grade_id": "insert_adapters", "locked": false, "schema_version": 3, "solution": true, "task": false}
def insert_adapters(blocks: list[nn.Module], d: int, m: int, adapter: type | None = None) -> list[nn.Module]:
    """Let what each block returns pass through an adapter of its own, kept as `block.adapter`; returns the adapters.

    A block returns hidden states (..., d), or a tuple that begins with them. The block's own parameters are frozen and
    keep their names. Raises ValueError if a block has an adapter already. `adapter` is Adapter if left out.
    """
    adapter = Adapter if adapter is None else adapter
    ### BEGIN SOLUTION
    if any(hasattr(block, "adapter") for block in blocks):
        raise ValueError("a block has an adapter already")

    def adapted(block, inputs, output):
        if isinstance(output, tuple):
            return (block.adapter(output[0]), *output[1:])
        return block.adapter(output)

    for block in blocks:
        block.requires_grad_(False)
        block.adapter = adapter(d, m)
        block.register_forward_hook(adapted)
    return [block.adapter for block in blocks]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "insert_adapters_check", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.insert_adapters") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "insert_adapters_hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.insert_adapters") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Prompts and prefixes
#
# ### Exercise 7 · `prepend_prompt`
#

# %% nbgrader={"grade": false, "grade_id": "prepend_prompt", "locked": false, "schema_version": 3, "solution": true, "task": false}
def prepend_prompt(
    embeddings: torch.Tensor, mask: torch.Tensor, prompt: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the k learned vectors of `prompt` (k, D) before each sequence of `embeddings` (B, T, D), mask (B, T).

    Returns embeddings (B, k + T, D) and mask (B, k + T); both keep their dtype. Lester et al. 2021, section 2.
    """
    ### BEGIN SOLUTION
    rows = len(embeddings)
    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "prepend_prompt_check", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.prepend_prompt") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "prepend_prompt_hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.prepend_prompt") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 8 · `prefix_attention`
#

# %% nbgrader={"grade": false, "grade_id": "prefix_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def prefix_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, pk: torch.Tensor, pv: torch.Tensor
) -> torch.Tensor:
    """Scaled dot-product attention that also looks at a learned prefix: keys pk and values pv before k and v.

    q is (B, H, T, d), k and v (B, H, S, d), pk and pv (H, P, d), the same for the whole batch. Returns (B, H, T, d).
    Li & Liang 2021, section 4.2.
    """
    ### BEGIN SOLUTION
    keys = torch.cat([pk.expand(len(k), -1, -1, -1), k], dim=2)
    values = torch.cat([pv.expand(len(v), -1, -1, -1), v], dim=2)
    scores = q @ keys.mT / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1) @ values
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "prefix_attention_check", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.prefix_attention") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "prefix_attention_hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.prefix_attention") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · The library
#
# ### Exercise 9 · `attach_lora`
#

# %% nbgrader={"grade": false, "grade_id": "attach_lora", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attach_lora(model: nn.Module, r: int = 8, lora_alpha: float = 16) -> PeftModel:
    """LoRA by peft on the queries and values of every attention layer; the new head trains with it.

    Knows BERT and DistilBERT for sequence classification and ViT for image classification (also inside another module).
    The result is called as the model was. Raises ValueError for any other model.
    """
    ### BEGIN SOLUTION
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    for targets, task_type in (
        (["query", "value"], TaskType.SEQ_CLS),
        (["q_lin", "v_lin"], TaskType.SEQ_CLS),
        (["q_proj", "v_proj"], None),  # peft has no task type for images
    ):
        if {*targets, "classifier"} <= names:
            config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=targets, task_type=task_type,
                                modules_to_save=["classifier"])
            return get_peft_model(model, config)
    raise ValueError(f"no attention layers with a known name in {type(model).__name__}")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "attach_lora_check", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false} tags=["nbval-check-output"]
with check("05.attach_lora") as c:
    c.that(True, "placeholder", "")

# %% nbgrader={"grade": true, "grade_id": "attach_lora_hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
# Hidden checks run here when your work is graded: other seeds, shapes and edge cases.
### BEGIN HIDDEN TESTS
with check("05.attach_lora") as c:
    c.that(True, "placeholder", "")
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · The experiment: what do rank, method and mixture change?

# %% tags=["experiment", "protocol"]
import functools
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader, RandomSampler
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from course_utils import experiments, plotting
from course_utils.backbones import load_text, load_vision
from course_utils.datasets import load_digits, load_reviews, take
from course_utils.loaders import array_loader, text_loader
from course_utils.records import record_frame
from course_utils.settings import pick, seed_everything
from course_utils.training import evaluate, fit

STEPS, BATCH, N = 100, 16, 200
RANKS = (1, 2, 4, 8, 16, 32, 64)
QUERY_VALUE = r"attention\.self\.(query|value)$"


def samples(domain: str, flips: bool, part: str, n: int, seed: int) -> dict:
    """n labeled reviews as texts and labels."""
    return take(load_reviews(domain, part, flips=flips), n, seed)[:]


def repeated(labeled: DataLoader, steps: int, batch: int, seed: int) -> DataLoader:
    """`steps` batches drawn from the samples of a loader, again and again, in an order of the seed."""
    order = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(labeled.dataset, num_samples=steps * batch, generator=order)
    return DataLoader(labeled.dataset, batch, sampler=sampler, generator=order, collate_fn=labeled.collate_fn)


@functools.lru_cache(maxsize=1)
def film_critic(seed: int) -> dict:
    """Weights of BERT after 2,400 reviews of films with words whose polarity depends on the domain."""
    seed_everything(seed)
    model, tokenizer = load_text(task="classification")
    labeled = text_loader(load_reviews("films", "train", flips=True), tokenizer)
    fit(model, repeated(labeled, 150, BATCH, seed), lr=1e-3, max_steps=150, warmup_steps=0.1, seed=seed, show_progress=False)
    return model.state_dict()


def start(gap: str, seed: int, part: str, steps: int):
    """Model, loader of `steps` training batches, loader to score on."""
    if gap == "far":
        critic = film_critic(seed)
    seed_everything(seed)
    model, tokenizer = load_text(task="classification")
    if gap == "far":
        model.load_state_dict(critic)
    domain = {"near": ("films", False), "far": ("gadgets", True)}[gap]
    labeled = text_loader(samples(*domain, "train", N, seed), tokenizer)
    scored = text_loader(samples(*domain, part, 1000, 0), tokenizer, batch_size=100)
    return model, repeated(labeled, steps, BATCH, seed), scored


class Prompted(nn.Module):
    """A classifier that reads k learned vectors before each text; they begin as the embeddings of random words."""

    def __init__(self, model: nn.Module, k: int):
        super().__init__()
        self.model, self.words = model, model.bert.embeddings.word_embeddings
        self.prompt = nn.Parameter(self.words.weight[torch.randperm(len(self.words.weight))[:k]].detach().clone())

    def forward(self, input_ids, attention_mask, **rest):
        embeddings, mask = prepend_prompt(self.words(input_ids), attention_mask, self.prompt)
        return self.model(inputs_embeds=embeddings, attention_mask=mask)


def attend_with_prefix(module, query, key, value, attention_mask, **options):
    """`prefix_attention` for a batch with padding: the prefix of the layer is in front, and never masked."""
    pk, pv = (part.expand(len(key), -1, -1, -1) for part in module.prefix)
    if attention_mask is not None:
        attention_mask = F.pad(attention_mask, (pk.shape[2], 0), value=True)
    key, value = torch.cat([pk, key], dim=2), torch.cat([pv, value], dim=2)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


AttentionInterface.register("prefix", attend_with_prefix)
AttentionMaskInterface.register("prefix", sdpa_mask)


def prepare(model: nn.Module, method: str, r: int | None) -> nn.Module:
    """Let `method` and the head train, and nothing else; r is rank, bottleneck or number of learned vectors."""
    head, layers = [model.bert.pooler, model.classifier], model.bert.encoder.layer
    if method == "full":
        return model
    model.requires_grad_(False)
    if method == "lora":
        inject_lora(model.bert.encoder, QUERY_VALUE, r, 2 * r, LoRALinear)
    elif method == "adapter":
        insert_adapters(list(layers), model.config.hidden_size, r, Adapter)
    elif method == "prefix":
        model.config._attn_implementation = "prefix"
        for attention in (layer.attention.self for layer in layers):
            shape = (2, attention.num_attention_heads, r, attention.attention_head_size)
            attention.prefix = nn.Parameter(0.1 * torch.randn(shape))
    for part in head:
        part.requires_grad_(True)
    return Prompted(model, r) if method == "prompt" else model


def costs(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Trainable parameters, bytes of optimizer state after training, bytes of a file with what was trained."""
    # what is frozen comes from the backbone; the scale of a LoRA is a buffer and needed as well
    kept = {name: p.detach().contiguous() for name, p in model.named_parameters() if p.requires_grad}
    kept |= {name: b for name, b in model.named_buffers() if name.endswith(".scale")}
    state = [value for values in optimizer.state.values() for value in values.values() if torch.is_tensor(value)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trained.safetensors"
        save_file(kept, file)
        size = file.stat().st_size
    return {
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "optimizer_bytes": sum(value.numel() * value.element_size() for value in state),
        "file_bytes": size,
    }


def train(model: nn.Module, batches: DataLoader, lr: float, seed: int) -> torch.optim.Optimizer:
    """AdamW with a linear decay after 10 % warmup, in place; returns the optimizer with its state."""
    made = []

    def adamw(groups, lr):
        made.append(torch.optim.AdamW(groups, lr=lr))
        return made[0]

    fit(model, batches, lr=lr, max_steps=len(batches), warmup_steps=0.1, optimizer=adamw, seed=seed, show_progress=False)
    return made[0]


def run_text(seed: int, gap: str, method: str, r: int | None, lr: float, part: str = "test", steps: int = STEPS) -> dict:
    """Train on 200 reviews; accuracy and costs."""
    model, batches, scored = start(gap, seed, part, steps)
    model = prepare(model, method, r)
    optimizer = train(model, batches, lr, seed)
    return {"accuracy": evaluate(model, scored)["accuracy"], **costs(model, optimizer)}


def run_digits(seed: int, method: str, n: int, lr: float | None, part: str = "test", steps: int = STEPS) -> dict:
    """Train on n handwritten digits; accuracy and costs. "raw pixels" is logistic regression on 64 of them."""
    seed_everything(seed)
    model = load_vision("vit", num_classes=10)
    pool, (mean,), (std,) = load_digits("pool"), model.input_spec.mean, model.input_spec.std
    scored = pool.select(range(600, 1000)) if part == "validation" else load_digits("test")
    (x, y), (x_scored, y_scored) = (
        (np.array(data["image"][:], dtype=np.float32), np.array(data["label"][:]))
        for data in (take(pool.select(range(600)), n, seed), scored)
    )
    if method == "raw pixels":
        x, x_scored = (F.avg_pool2d(torch.from_numpy(images), 4).flatten(1).numpy() for images in (x, x_scored))
        fitted = LogisticRegression(C=10.0, max_iter=2000).fit(x, y)
        return {"accuracy": fitted.score(x_scored, y_scored), "trainable": fitted.coef_.size + fitted.intercept_.size}
    if method == "probe":
        model.requires_grad_(False)
        model.model.classifier.requires_grad_(True)
    elif method == "lora":
        model.model = attach_lora(model.model, r=8, lora_alpha=16)
    labeled = array_loader((x - mean) / std, y)
    train(model, repeated(labeled, steps, 25, seed), lr, seed)
    found = evaluate(model, array_loader((x_scored - mean) / std, y_scored, 400))["accuracy"]
    return {"accuracy": found, "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad)}

# %% [markdown]
# ## What to remember
#
# | idea | in one line |
# | --- | --- |
#
# ## References
#
# 1. E. J. Hu et al. LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
