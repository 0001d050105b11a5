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


def weights(layer, kind):
    return {"layer": layer, "weights": kind}


def forgetting(seed, lr, n=200, steps=150):
    """Fine-tune on sentiment at one learning rate; test accuracy, and MLM loss under the head of the pretraining."""
    from course_utils.backbones import load_text
    from course_utils.datasets import load_reviews, take
    from course_utils.loaders import text_loader
    from course_utils.retention import masked_lm_loss
    from course_utils.settings import seed_everything
    from course_utils.training import evaluate, fit

    seed_everything(seed)
    model, tokenizer = load_text(task="classification")
    train = take(load_reviews("films", "train"), n, seed)
    if lr:
        loader = text_loader(train, tokenizer, batch_size=32, shuffle=True, seed=seed)
        fit(model, loader, lr=lr, max_steps=steps, warmup_steps=0.1, seed=seed, show_progress=False)
    accuracy = evaluate(model, text_loader(load_reviews("films", "test"), tokenizer, batch_size=100))["accuracy"]
    return {"test": accuracy, "mlm_loss": masked_lm_loss(model)}


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
        metrics=["validation", "test", "novel", "handwritten"],
        version="1",
        claims=[
            Claim(
                id="01.pretraining_pays",
                statement="With 200 labels, fine-tuning the pretrained encoder beats training from scratch.",
                effect=difference("test", at("full", 200), at("scratch", 200)),
            ),
            Claim(
                id="01.labels_saved",
                statement="Fine-tuning with 50 labels does at least as well as training from scratch with 1,000.",
                effect=difference("test", at("full", 50), at("scratch", 1000)),
            ),
            Claim(
                id="01.fifth_of_labels",
                statement="Fine-tuning with 200 labels beats training from scratch with 1,000.",
                effect=difference("test", at("full", 200), at("scratch", 1000)),
            ),
            Claim(
                id="01.novel_words",
                statement="With 200 labels, fine-tuning beats training from scratch on never labeled opinion words.",
                effect=difference("novel", at("full", 200), at("scratch", 200)),
            ),
            Claim(
                id="01.natural_sentences",
                statement="With 200 labels, fine-tuning beats training from scratch on the hand-written sentences.",
                effect=difference("handwritten", at("full", 200), at("scratch", 200)),
            ),
            Claim(
                id="01.probe_first",
                statement="With 20 labels, the linear probe beats full fine-tuning.",
                effect=difference("test", at("probe", 20), at("full", 20)),
            ),
            Claim(
                id="01.full_later",
                statement="With 500 labels, full fine-tuning beats the linear probe.",
                effect=difference("test", at("full", 500), at("probe", 500)),
            ),
            Claim(
                id="01.lora_matches_full",
                statement="With 200 labels, LoRA is within 3 points of full fine-tuning.",
                effect=difference("test", at("lora", 200), at("full", 200)),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="01.scratch_beats_words",
                statement="With 200 labels, the network trained from scratch beats TF-IDF with logistic regression.",
                effect=difference("test", at("scratch", 200), at("bag of words", 200)),
            ),
        ],
    ),
    Measurement(
        id="01.layer_probe",
        protocol="Linear probe (C = 1) on masked means of one layer's hidden states, 200 labeled film reviews, "
        "pretrained weights against random ones.",
        run=lesson.probe_layer,
        conditions=[weights(layer, kind) for kind in ("pretrained", "random") for layer in range(5)],
        seeds=SEEDS,
        metrics=["validation", "test"],
        version="1",
        claims=[
            Claim(
                id="01.pretraining_is_readable",
                statement="The last layer's features of the pretrained encoder beat those of a random one.",
                effect=difference("test", weights(4, "pretrained"), weights(4, "random")),
            ),
            Claim(
                id="01.context_helps",
                statement="Features of the last layer beat those of the embeddings, which know no context.",
                effect=difference("test", weights(4, "pretrained"), weights(0, "pretrained")),
            ),
            Claim(
                id="01.middle_layer",
                statement="The middle layer (2) beats the last (4).",
                effect=difference("test", weights(2, "pretrained"), weights(4, "pretrained")),
            ),
        ],
    ),
    Measurement(
        id="01.pooling",
        protocol="Linear probe (C = 1) on the last layer of the pretrained encoder with three poolings, 200 labeled "
        "film reviews, batches of 100 texts padded to their longest.",
        run=lambda seed, pooling: lesson.probe_layer(seed, lesson.PROBE_LAYER, "pretrained", pooling),
        conditions=[{"pooling": pooling} for pooling in lesson.POOLINGS],
        seeds=SEEDS,
        metrics=["validation", "test"],
        version="1",
        claims=[
            Claim(
                id="01.mean_beats_first_token",
                statement="The masked mean beats the first token's vector.",
                effect=difference("test", {"pooling": "masked mean"}, {"pooling": "first token"}),
            ),
            Claim(
                id="01.padding_hurts",
                statement="The masked mean beats the mean that takes padding along.",
                effect=difference("test", {"pooling": "masked mean"}, {"pooling": "mean over padding too"}),
            ),
        ],
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
        claims=[
            Claim(
                id="01.hot_rate_forgets",
                statement="At a learning rate of 1e-3 the masked-LM loss rises by more than 1.",
                effect=difference("mlm_loss", {"lr": 1e-3}, {"lr": 0.0}, scale=1),
                at_least=1.0,
                unit="nats",
            ),
            Claim(
                id="01.hot_rate_hides",
                statement="Sentiment accuracy at 1e-3 is within 3 points of that at 3e-4.",
                effect=difference("test", {"lr": 1e-3}, {"lr": 3e-4}),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="01.small_rate_keeps",
                statement="At a learning rate of 2e-5 the masked-LM loss stays within 0.1.",
                effect=difference("mlm_loss", {"lr": 2e-5}, {"lr": 0.0}, scale=1),
                within=(-0.1, 0.1),
                unit="nats",
            ),
        ],
    ),
]
