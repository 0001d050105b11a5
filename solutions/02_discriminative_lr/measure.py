"""What lesson 02 states, as measured: decay × learning rate × seeds of the functions that the lesson itself shows."""

import pandas as pd

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.errors import CourseError
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
SEEDS = range(5)
UNTOUCHED = 1.068  # masked-LM loss of the backbone before any fine-tuning
TUNED = "the run of each seed at the base rate with the best mean validation accuracy over the other seeds"


def at(decay, lr):
    return {"decay": decay, "lr": lr}


def difference(metric, a, b, scale=100):
    """Per-seed difference of a metric between two conditions, in points."""
    return lambda frame: scale * experiments.paired_difference(frame, metric, a, b)


def tuned(frame, metric, decay):
    """`metric` per seed at the base rate that the validation accuracy of the other seeds prefers."""
    rows = frame[frame.decay == decay].set_index(["seed", "lr"])
    found = {}
    for seed in sorted(set(frame.seed)):
        others = rows.drop(index=seed, level="seed")
        found[seed] = rows.loc[(seed, others.groupby("lr").validation.mean().idxmax()), metric]
    return pd.Series(found)


def tuned_difference(metric, a, b, scale=100):
    return lambda frame: scale * (tuned(frame, metric, a) - tuned(frame, metric, b))


def accuracy_at(frame, decay, metric, level):
    """Test accuracy per seed where `metric` first crosses `level` on the way to hotter base rates, by interpolation."""
    found = {}
    for seed, rows in frame[frame.decay == decay].sort_values("lr").groupby("seed"):
        points = list(zip(rows[metric], rows.test, strict=True))
        for (m0, y0), (m1, y1) in zip(points, points[1:], strict=False):
            if (m0 - level) * (m1 - level) <= 0:
                found[seed] = y0 + (y1 - y0) * (level - m0) / (m1 - m0)
                break
        else:
            raise CourseError(f"{decay}, seed {seed}: {metric} never crosses {level}.", "Widen the grid of rates.")
    return pd.Series(found)


def at_equal(metric, level, a, b):
    return lambda frame: 100 * (accuracy_at(frame, a, metric, level) - accuracy_at(frame, b, metric, level))


MEASUREMENTS = [
    Measurement(
        id="02.text_rates",
        protocol="BERT (4 layers) fine-tuned on 200 film reviews (stratified draw by seed), 150 steps of batch 32, "
        "AdamW, clipping at 1.0, linear decay after 10 % warmup. Rates per layer from the lesson's own "
        "param_groups: base rate at the head, times the decay for each step down, embeddings last "
        "(uniform: one rate). Same seed: same reviews, head and order. Accuracy on 1,000 validation and "
        "1,000 test reviews; then the encoder goes back under the MLM head it was pretrained with and its "
        f"loss on 400 film reviews is taken (untouched: {UNTOUCHED}). Tuned: {TUNED}. At equal forgetting: "
        "per seed, test accuracy interpolated between neighboring base rates to a masked-LM loss 1 nat "
        "above the untouched one. The claim low_rate_text was added after the curves had been seen.",
        run=lesson.tune_text,
        conditions=[at("uniform", 1e-4)]
        + [
            at(decay, lr)
            for decay in lesson.DECAYS
            for lr in (3e-4, 1e-3, 3e-3, 5e-3, 1e-2)
            if (decay, lr) != ("0.95", 1e-2)
        ],
        seeds=SEEDS,
        metrics=["validation", "test", "mlm_loss"],
        version="1",
        claims=[
            Claim(
                id="02.tuned_mild",
                statement="Each at its own tuned base rate, decay 0.8 is within 2 points of the uniform rate.",
                effect=tuned_difference("test", "0.8", "uniform"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.tuned_harsh",
                statement="Each at its own tuned base rate, decay ÷2.6 is within 2 points of the uniform rate.",
                effect=tuned_difference("test", "÷2.6", "uniform"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.same_rate_mild",
                statement="At the same base rate of 3e-4, decay 0.8 is within 2 points of the uniform rate.",
                effect=difference("test", at("0.8", 3e-4), at("uniform", 3e-4)),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.same_rate_starves",
                statement="At the same base rate of 3e-4, the uniform rate beats decay ÷2.6.",
                effect=difference("test", at("uniform", 3e-4), at("÷2.6", 3e-4)),
            ),
            Claim(
                id="02.hot_3e3",
                statement="At the same base rate of 3e-3, decay 0.8 beats the uniform rate.",
                effect=difference("test", at("0.8", 3e-3), at("uniform", 3e-3)),
            ),
            Claim(
                id="02.hot_5e3",
                statement="At the same base rate of 5e-3, decay 0.8 beats the uniform rate.",
                effect=difference("test", at("0.8", 5e-3), at("uniform", 5e-3)),
            ),
            Claim(
                id="02.hot_1e2",
                statement="At the same base rate of 1e-2, decay ÷2.6 beats the uniform rate by more than 20 points.",
                effect=difference("test", at("÷2.6", 1e-2), at("uniform", 1e-2)),
                at_least=20.0,
            ),
            Claim(
                id="02.hot_nearly_uniform",
                statement="At the same base rate of 5e-3, decay 0.95 beats the uniform rate.",
                effect=difference("test", at("0.95", 5e-3), at("uniform", 5e-3)),
            ),
            Claim(
                id="02.same_rate_keeps",
                statement="At the same base rate of 1e-3, decay 0.8 leaves a lower masked-LM loss than uniform.",
                effect=difference("mlm_loss", at("uniform", 1e-3), at("0.8", 1e-3), scale=1),
                unit="nats",
            ),
            Claim(
                id="02.tuned_keeps",
                statement="Each at its own tuned base rate, decay 0.8 leaves a lower masked-LM loss than uniform.",
                effect=tuned_difference("mlm_loss", "uniform", "0.8", scale=1),
                unit="nats",
            ),
            Claim(
                id="02.equal_forgetting_mild",
                statement="Forgetting 1 nat each, decay 0.8 is more accurate than the uniform rate.",
                effect=at_equal("mlm_loss", UNTOUCHED + 1, "0.8", "uniform"),
            ),
            Claim(
                id="02.equal_forgetting_harsh",
                statement="Forgetting 1 nat each, decay ÷2.6 is more accurate than the uniform rate.",
                effect=at_equal("mlm_loss", UNTOUCHED + 1, "÷2.6", "uniform"),
            ),
            Claim(
                id="02.low_rate_text",
                statement="Decay ÷2.6 at 3e-3 is more accurate than the uniform rate at 1e-4, which forgets as little.",
                effect=difference("test", at("÷2.6", 3e-3), at("uniform", 1e-4)),
            ),
        ],
    ),
    Measurement(
        id="02.vision_rates",
        protocol="ResNet (stem, 4 stages) fine-tuned on 10 handwritten digits per class (stratified draw by seed "
        "from the first 700 of the pool), 150 steps of batch 32, AdamW, clipping at 1.0, linear decay "
        "after 10 % warmup. Rates per layer from the lesson's own param_groups. Same seed: same digits, "
        "head and order. Accuracy on the last 300 digits of the pool (validation) and 797 test digits; "
        "then the features go back under the head of the pretraining and 1,000 rendered letters in unseen "
        f"fonts are read. Tuned: {TUNED}. At equal forgetting: per seed, test accuracy interpolated "
        "between neighboring base rates to 80 % of letters read. "
        "The claims low_rate_* were added after the curves had been seen.",
        run=lesson.tune_vision,
        conditions=[at(decay, lr) for decay in lesson.DECAYS for lr in (3e-4, 1e-3, 3e-3, 1e-2)],
        seeds=SEEDS,
        metrics=["validation", "test", "letters"],
        version="1",
        claims=[
            Claim(
                id="02.vision_tuned_mild",
                statement="Digits, each at its own tuned base rate: decay 0.8 is within 2 points of the uniform rate.",
                effect=tuned_difference("test", "0.8", "uniform"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.vision_tuned_harsh",
                statement="Digits, each at its own tuned base rate: decay ÷2.6 is within 2 points of the uniform rate.",
                effect=tuned_difference("test", "÷2.6", "uniform"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.vision_hot",
                statement="Digits, at the same base rate of 1e-2, decay ÷2.6 beats the uniform rate.",
                effect=difference("test", at("÷2.6", 1e-2), at("uniform", 1e-2)),
            ),
            Claim(
                id="02.vision_keeps",
                statement="Digits, at the same base rate of 1e-3, decay ÷2.6 keeps more letters than the uniform rate.",
                effect=difference("letters", at("÷2.6", 1e-3), at("uniform", 1e-3)),
            ),
            Claim(
                id="02.vision_tuned_keeps",
                statement="Digits, each at its own tuned base rate: decay ÷2.6 keeps more letters than uniform.",
                effect=tuned_difference("letters", "÷2.6", "uniform"),
            ),
            Claim(
                id="02.vision_equal_forgetting",
                statement="Digits, 80 % of the letters kept by each: decay ÷2.6 is more accurate than uniform.",
                effect=at_equal("letters", 0.8, "÷2.6", "uniform"),
            ),
            Claim(
                id="02.vision_equal_forgetting_mild",
                statement="Digits, 80 % of the letters kept by each: decay 0.8 is more accurate than uniform.",
                effect=at_equal("letters", 0.8, "0.8", "uniform"),
            ),
            Claim(
                id="02.low_rate_digits",
                statement="Digits: decay ÷2.6 at 1e-3 is more accurate than the uniform rate at 3e-4.",
                effect=difference("test", at("÷2.6", 1e-3), at("uniform", 3e-4)),
            ),
            Claim(
                id="02.low_rate_letters",
                statement="Digits: decay ÷2.6 at 1e-3 keeps more letters than the uniform rate at 3e-4.",
                effect=difference("letters", at("÷2.6", 1e-3), at("uniform", 3e-4)),
            ),
        ],
    ),
    Measurement(
        id="02.warmup",
        protocol="Uniform rate, otherwise as 02.text_rates: 10 % warmup or none (the linear decay then starts at once),"
        " gradient clipping at 1.0 or none.",
        run=lambda seed, lr, warmup, clip: lesson.tune_text(seed, "uniform", lr, warmup, 1.0 if clip == "on" else None),
        conditions=[
            {"lr": lr, "clip": clip, "warmup": warmup}
            for lr, clip in ((3e-4, "on"), (3e-3, "on"), (3e-3, "off"))
            for warmup in (0.0, 0.1)
        ],
        seeds=SEEDS,
        metrics=["validation", "test", "mlm_loss"],
        version="1",
        claims=[
            Claim(
                id="02.warmup_good",
                statement="At the good rate of 3e-4, warmup changes accuracy by less than 2 points.",
                effect=difference(
                    "test", {"lr": 3e-4, "clip": "on", "warmup": 0.1}, {"lr": 3e-4, "clip": "on", "warmup": 0.0}
                ),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="02.warmup_hot",
                statement="At the hot rate of 3e-3 with clipping, warmup gains accuracy.",
                effect=difference(
                    "test", {"lr": 3e-3, "clip": "on", "warmup": 0.1}, {"lr": 3e-3, "clip": "on", "warmup": 0.0}
                ),
            ),
            Claim(
                id="02.warmup_hot_unclipped",
                statement="At the hot rate of 3e-3 without clipping, warmup gains accuracy.",
                effect=difference(
                    "test", {"lr": 3e-3, "clip": "off", "warmup": 0.1}, {"lr": 3e-3, "clip": "off", "warmup": 0.0}
                ),
            ),
        ],
    ),
]
