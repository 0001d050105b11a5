"""Reference solutions of the lessons against well-known libraries."""

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
