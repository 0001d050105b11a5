"""Reference solutions of the lessons against well-known libraries."""

import copy
import functools
import math

import pytest
import torch
from conftest import ROOT

from course_utils.authoring.lessons import taught


@functools.cache
def lesson(name):
    return taught(ROOT / "solutions" / name / f"{name}.py")


def shares(before, inputs, labels, mask_id):
    chosen = labels != -100
    return torch.stack(
        [
            chosen.double().mean(),
            (inputs[chosen] == mask_id).double().mean(),
            ((inputs != before) & (inputs != mask_id))[chosen].double().mean(),
        ]
    )


def test_mlm_mask_chooses_like_the_collator_of_transformers():
    from transformers import DataCollatorForLanguageModeling

    from course_utils.backbones import load_text

    _, tokenizer = load_text()
    ids = torch.randint(200, len(tokenizer), (800, 60), generator=torch.Generator().manual_seed(0))
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
    batch = collator([{"input_ids": row.tolist()} for row in ids])
    ours = lesson("00_start_here").mlm_mask(
        ids, len(tokenizer), tokenizer.mask_token_id, torch.zeros_like(ids), generator=torch.Generator().manual_seed(1)
    )
    theirs = shares(ids, batch["input_ids"], batch["labels"], tokenizer.mask_token_id)
    # 48,000 tokens, 7,200 chosen: five sigma of the difference of two shares
    limit = 5 * (2 * torch.tensor([0.15 * 0.85 / 48_000, 0.8 * 0.2 / 7_200, 0.1 * 0.9 / 7_200])).sqrt()
    assert ((shares(ids, *ours, tokenizer.mask_token_id) - theirs).abs() < limit).all()


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_schedules_are_those_of_transformers(name):
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=7, num_training_steps=40)
    ours = getattr(lesson("02_discriminative_lr"), f"warmup_{name}")
    for step in range(41):
        assert ours(step, 40, 7, 0.3) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


@functools.cache
def text_model():
    from course_utils.backbones import load_text

    model, tokenizer = load_text(task="classification")
    batch = tokenizer(["the plot was dull", "the screen is bright and large"], return_tensors="pt", padding=True)
    return model.eval(), batch


def randomized(model, part):
    """Give every parameter with `part` in its name random values, equal for equal names and shapes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if part in name:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    return model


@pytest.mark.parametrize("kind", ["text", "vision"])
def test_injected_lora_is_that_of_peft(kind):
    from peft import LoraConfig, get_peft_model

    ours = lesson("05_lora_adapters")
    if kind == "text":
        pattern, (model, batch) = r"query|value", text_model()
    else:
        from course_utils.backbones import load_vision

        pattern, model = r"q_proj|v_proj", load_vision("vit", num_classes=10)
        images = torch.randn(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))

    def logits(model):
        return model(**batch).logits if kind == "text" else model(images)

    config = LoraConfig(r=4, lora_alpha=12, target_modules=pattern.split("|"))
    theirs = randomized(get_peft_model(copy.deepcopy(model), config), "lora_").eval()
    mine = copy.deepcopy(model)
    names = ours.inject_lora(mine, pattern, 4, 12)
    with torch.no_grad():
        for name in names:
            layer, other = mine.get_submodule(name), theirs.base_model.model.get_submodule(name)
            layer.A.copy_(other.lora_A["default"].weight)
            layer.B.copy_(other.lora_B["default"].weight)
        want = logits(theirs)
        assert not torch.allclose(want, logits(model), atol=1e-2)
        torch.testing.assert_close(logits(mine), want, atol=1e-6, rtol=1e-5)
        trained = sum(p.numel() for p in mine.parameters() if p.requires_grad)
        assert trained == theirs.get_nb_trainable_parameters()[0]
        shapes = [mine.get_submodule(name).base.weight.shape for name in names]
        assert trained == ours.lora_parameter_count(shapes, 4)
        merged = theirs.merge_and_unload()
        for name in names:
            weight = mine.get_submodule(name).merged().weight
            torch.testing.assert_close(weight, merged.get_submodule(name).weight, atol=1e-6, rtol=0)


def test_composed_deltas_are_cat_of_peft_and_not_linear():
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    settings = {"target_modules": ["0"], "init_lora_weights": False}
    net = torch.nn.Sequential(torch.nn.Linear(24, 16))
    tuned = get_peft_model(net, LoraConfig(r=2, lora_alpha=8, **settings), adapter_name="first")
    tuned.add_adapter("second", LoraConfig(r=2, lora_alpha=4, **settings))
    layer = tuned.base_model.model[0]
    loras = [(layer.lora_A[n].weight, layer.lora_B[n].weight, alpha) for n, alpha in (("first", 8), ("second", 4))]
    W0 = layer.base_layer.weight
    ours = lesson("05_lora_adapters").compose_deltas(W0, loras, [0.7, 0.3]) - W0
    gaps = {}
    for kind in ("cat", "linear"):
        tuned.add_weighted_adapter(["first", "second"], [0.7, 0.3], kind, combination_type=kind)
        gaps[kind] = ((layer.get_delta_weight(kind) - ours).norm() / ours.norm()).item()
    assert gaps["cat"] < 1e-6 < 0.3 < gaps["linear"]


def test_prompt_is_that_of_peft():
    from peft import PromptTuningConfig, get_peft_model

    model, batch = text_model()
    config = PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=5)
    theirs = get_peft_model(copy.deepcopy(model), config).eval()
    prompt = theirs.prompt_encoder["default"].embedding.weight
    words = model.get_input_embeddings()(batch["input_ids"])
    embeddings, mask = lesson("05_lora_adapters").prepend_prompt(words, batch["attention_mask"], prompt)
    with torch.no_grad():
        ours = model(inputs_embeds=embeddings, attention_mask=mask).logits
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        torch.testing.assert_close(ours, theirs(**inputs).logits, atol=1e-6, rtol=1e-5)


def test_prefix_is_attention_over_longer_keys():
    q, k, v = torch.randn(3, 2, 4, 5, 8, generator=torch.Generator().manual_seed(0))
    pk, pv = torch.randn(2, 4, 3, 8, generator=torch.Generator().manual_seed(1))
    keys, values = (torch.cat([p.expand(2, 4, 3, 8), x], 2) for p, x in ((pk, k), (pv, v)))
    want = torch.nn.functional.scaled_dot_product_attention(q, keys, values)
    ours = lesson("05_lora_adapters").prefix_attention(q, k, v, pk, pv)
    torch.testing.assert_close(ours, want, atol=1e-6, rtol=1e-5)


def test_diagonal_fisher_is_that_of_backpack():
    from backpack import backpack, extend
    from backpack.extensions import DiagGGNExact, SumGradSquared
    from torch import nn

    torch.manual_seed(0)
    ours = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4))
    x, y = torch.randn(10, 1, 5, 5), torch.randint(4, (10,))
    theirs = extend(copy.deepcopy(ours))  # its hooks do not go with torch.func
    with backpack(SumGradSquared(), DiagGGNExact()):
        extend(nn.CrossEntropyLoss())(theirs(x), y).backward()
    fisher = lesson("04_forgetting").diagonal_fisher
    # With a mean loss each sample's gradient comes divided by N: the sum of N squares is F/N.
    empirical = {name: len(x) * p.sum_grad_squared for name, p in theirs.named_parameters()}
    # For cross entropy the Gauss-Newton matrix is the Fisher under the model's own predictions.
    exact = {name: p.diag_ggn_exact for name, p in theirs.named_parameters()}
    torch.testing.assert_close(fisher(ours, x, y, batch_size=3), empirical, atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(fisher(ours, x, batch_size=3), exact, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_nt_xent_is_the_double_loop_of_its_formula(tau):
    z1, z2 = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = [vector / vector.norm() for vector in (*z1, *z2)]
    losses = []
    for i, anchor in enumerate(z):
        terms = [math.exp(anchor @ other / tau) for k, other in enumerate(z) if k != i]
        losses.append(-math.log(math.exp(anchor @ z[(i + 6) % 12] / tau) / sum(terms)))
    ours = lesson("06_simclr_temperature").nt_xent(z1, z2, tau)
    assert ours.item() == pytest.approx(sum(losses) / 12, rel=1e-12)
