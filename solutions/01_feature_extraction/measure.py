"""What lesson 01 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
SEEDS = range(5)
LABELS = (20, 50, 200, 500, 1000)
STRATEGIES = ("bag of words", "scratch", "probe", "full", "lora")


def difference(metric, a, b, scale=100):
    """Per-seed difference of a metric between two conditions, in points."""
    return lambda frame: scale * experiments.paired_difference(frame, metric, a, b)


def at(strategy, n):
    return {"strategy": strategy, "n": n}


def masked_lm_loss(model, tokenizer, n=400):
    """Mean masked-LM loss over n film reviews, 15 % of the tokens masked, the same masks each time."""
    import torch
    from transformers import DataCollatorForLanguageModeling

    from course_utils.datasets import load_reviews, take

    texts = take(load_reviews("films", "test"), n, 0)["text"]
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=0)
    encoded = [{"input_ids": tokenizer(text, truncation=True, max_length=64)["input_ids"]} for text in texts]
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for start in range(0, n, 100):
            batch = collate(encoded[start : start + 100])
            masked = int((batch["labels"] != -100).sum())
            total += model(**batch).loss.item() * masked
            count += masked
    return total / count


def forgetting(seed, lr, n=200, steps=150):
    """Fine-tune on sentiment at one learning rate; test accuracy, and MLM loss under the head of the pretraining."""
    from course_utils.backbones import load_text
    from course_utils.datasets import load_reviews, take
    from course_utils.loaders import text_loader
    from course_utils.settings import seed_everything
    from course_utils.training import evaluate, fit

    seed_everything(seed)
    source, tokenizer = load_text(task="mlm")
    model, _ = load_text(task="classification")
    train = take(load_reviews("films", "train"), n, seed)
    if lr:
        loader = text_loader(train, tokenizer, batch_size=32, shuffle=True, seed=seed)
        fit(model, loader, lr=lr, max_steps=steps, warmup_steps=0.1, seed=seed, show_progress=False)
    source.bert.load_state_dict({k: v for k, v in model.bert.state_dict().items() if "pooler" not in k})
    accuracy = evaluate(model, text_loader(load_reviews("films", "test"), tokenizer, batch_size=100))["accuracy"]
    return {"test": accuracy, "mlm_loss": masked_lm_loss(source, tokenizer)}


MEASUREMENTS = [
    Measurement(
        id="01.learning_rates",
        protocol="Three learning rates per strategy at n = 200 film reviews, 150 steps of batch 32, linear decay after"
        " 10 % warmup; accuracy on the validation set decides, the test sets are not looked at.",
        run=lambda seed, strategy, lr: {
            "validation": lesson.run_strategy(seed=seed, strategy=strategy, n=200, lr=lr)["validation"]
        },
        conditions=[
            {"strategy": strategy, "lr": lr}
            for strategy, grid in {
                "scratch": (3e-4, 1e-3, 3e-3),
                "full": (1e-4, 3e-4, 1e-3),
                "lora": (5e-4, 2e-3, 5e-3),
            }.items()
            for lr in grid
        ],
        seeds=range(100, 105),
        metrics=["validation"],
        version="1",
        claims=[],
    ),
    Measurement(
        id="01.label_efficiency",
        protocol="Five strategies on n film reviews (stratified draw by seed), 150 steps of batch min(n, 32), learning"
        " rates from 01.learning_rates, linear decay after 10 % warmup, no early stopping. Accuracy on 1,000 "
        "reviews of words that occur in labeled reviews (test), 1,000 of opinion words that never do (novel),"
        " and the hand-written sentences.",
        run=lesson.run_strategy,
        conditions=[at(strategy, n) for strategy in STRATEGIES for n in LABELS],
        seeds=SEEDS,
        metrics=["test", "novel", "handwritten"],
        version="1",
        claims=[],
    ),
    Measurement(
        id="01.layer_probe",
        protocol="Linear probe (C = 1) on masked means of one layer's hidden states, 200 labeled film reviews, "
        "pretrained weights against random ones.",
        run=lesson.probe_layer,
        conditions=[{"layer": k, "weights": weights} for weights in ("pretrained", "random") for k in range(5)],
        seeds=SEEDS,
        metrics=["test"],
        version="1",
        claims=[],
    ),
    Measurement(
        id="01.pooling",
        protocol="Linear probe (C = 1) on layer 2 of the pretrained encoder with three poolings, 200 labeled film "
        "reviews, batches of 100 texts padded to their longest.",
        run=lambda seed, pooling: lesson.probe_layer(seed, 2, "pretrained", pooling),
        conditions=[{"pooling": pooling} for pooling in lesson.POOLINGS],
        seeds=SEEDS,
        metrics=["test"],
        version="1",
        claims=[],
    ),
    Measurement(
        id="01.hot_learning_rate",
        protocol="Full fine-tuning on 200 film reviews, 150 steps of batch 32, at several learning rates (0: "
        "untouched); then the encoder goes back under the MLM head it was pretrained with and its loss on 400"
        " film reviews is taken.",
        run=forgetting,
        conditions=[{"lr": lr} for lr in (0.0, 2e-5, 1e-4, 3e-4, 1e-3)],
        seeds=SEEDS,
        metrics=["test", "mlm_loss"],
        version="1",
        claims=[],
    ),
]
