"""Reference solutions of the lessons against well-known libraries."""

import functools

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
