"""What lesson 03 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
GRID = {
    "digits": {
        "frozen": (1e-3, 3e-3, 1e-2, 3e-2),
        "all at once": (3e-4, 1e-3, 3e-3, 1e-2),
        "gradual 2": (3e-4, 1e-3, 3e-3),
    },
    "films": {
        "frozen": (3e-3, 1e-2, 3e-2, 1e-1),
        "all at once": (1e-4, 3e-4, 1e-3, 3e-3),
        "gradual 2": (3e-4, 1e-3),
    },
}
FEW = {"digits": (10, 50), "films": (50, 200)}
RATE, HOT = lesson.RATE, {"digits": 1e-2, "films": 3e-3}
LOWER = {"digits": 1.3e-3, "films": 3e-4}  # by pilot runs on other seeds: keeps as much as "gradual 2"
PACES = ("gradual 1", "gradual 4", "head first", "same amount")


def at(world, strategy, n, lr=None):
    """One condition; without a rate at the one chosen on validation data."""
    chosen = lesson.FROZEN_RATE if strategy == "frozen" else RATE
    return {"strategy": strategy, "n": n, "lr": chosen[world] if lr is None else lr}


def runner(world):
    """`run_unfreezing` in one world; "untouched" is the pretrained network under its new head, before any training."""

    def run(seed, strategy, n, lr):
        if strategy != "untouched":
            return lesson.run_unfreezing(seed, world, strategy, n, lr)
        lesson.seed_everything(seed)
        model, _, scored, source = lesson.world_of(world, n, seed, "test")
        return {"test": lesson.evaluate(model, scored)["accuracy"], "source": source(model)}

    return run


def gain(world, metric, n, a, b, a_rate=None, b_rate=None, scale=100):
    """Per-seed difference of a metric between two strategies at n labels."""
    return lambda frame: (
        scale * experiments.paired_difference(frame, metric, at(world, a, n, a_rate), at(world, b, n, b_rate))
    )


def digits(*args, **rates):
    return gain("digits", *args, **rates)


def films(*args, **rates):
    return gain("films", *args, **rates)


def nats(*args, **rates):
    return gain("films", "source", *args, scale=1, **rates)


def protocol(source):
    return (
        "24 epochs of 4 batches of 25, AdamW without weight decay, linear decay after 10 % warmup; labels drawn by"
        " seed, the same draw, head and order for every strategy of a seed. Rates from 03.learning_rates, one higher"
        " (hot) and lower ones as controls; 'same amount' trains everything from the first step, each group with its"
        f" rate times the share of all learning rate that 'gradual 2' grants it. {source}"
    )


MEASUREMENTS = [
    Measurement(
        id="03.learning_rates",
        protocol="Learning rates for each strategy at two numbers of labels; accuracy on validation data (digits: the"
        " last 400 of the pool, labels are drawn from the first 600; films: the validation set) decides, the test"
        " sets are not looked at. 24 epochs of 4 batches of 25, linear decay after 10 % warmup.",
        run=lambda seed, **condition: lesson.run_unfreezing(seed, part="validation", **condition),
        conditions=[
            {"world": world, "strategy": strategy, "n": n, "lr": lr}
            for world, grid in GRID.items()
            for strategy, rates in grid.items()
            for n in FEW[world]
            for lr in rates
        ],
        seeds=range(100, 103),
        metrics=["validation"],
        version="1",
        claims=[],
    ),
    Measurement(
        id="03.vision_paces",
        protocol=protocol(
            "ResNet (BatchNorm) pretrained on letters, n handwritten digits in all (10 classes); test: accuracy on the"
            " 797 test digits; source: share of 1,000 letters told apart once the features are back under the head of"
            " the pretraining."
        ),
        run=runner("digits"),
        conditions=[
            at("digits", "untouched", 10, 0.0),
            *(at("digits", strategy, n) for n in (10, 50, 100) for strategy in ("frozen", "all at once", "gradual 2")),
            *(at("digits", "all at once", n, LOWER["digits"]) for n in (10, 50)),
            *(at("digits", strategy, n) for n in (10, 50) for strategy in PACES),
            at("digits", "phases", 50),
            *(at("digits", strategy, 50, HOT["digits"]) for strategy in ("all at once", "gradual 2", "same amount")),
        ],
        seeds=range(5),
        metrics=["test", "source"],
        version="1",
        claims=[
            Claim(
                id="03.gradual_beats_full_few",
                statement="With 1 digit per class, gradual unfreezing (2 epochs a group) beats all at once.",
                effect=digits("test", 10, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.gradual_beats_full_five",
                statement="With 5 digits per class, gradual unfreezing (2 epochs a group) beats all at once.",
                effect=digits("test", 50, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.gradual_beats_full_ten",
                statement="With 10 digits per class, gradual unfreezing (2 epochs a group) beats all at once.",
                effect=digits("test", 100, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.frozen_keeps_source_exactly",
                statement="Training the head on frozen features leaves the accuracy on letters exactly as it was.",
                effect=lambda frame: (
                    100
                    * experiments.paired_difference(
                        frame, "source", at("digits", "frozen", 10), at("digits", "untouched", 10, 0.0)
                    )
                ),
                within=(-0.001, 0.001),
            ),
            Claim(
                id="03.frozen_beats_full_few",
                statement="With 1 digit per class, the frozen network beats all at once.",
                effect=digits("test", 10, "frozen", "all at once"),
            ),
            Claim(
                id="03.frozen_costs_target",
                statement="With 5 digits per class, training everything at once beats the frozen network.",
                effect=digits("test", 50, "all at once", "frozen"),
            ),
            Claim(
                id="03.gradual_keeps_source",
                statement="With 5 digits per class, gradual unfreezing keeps more letters at the same rate.",
                effect=digits("source", 50, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.lower_rate_keeps_source",
                statement="With 5 digits per class, all at once at 1.3e-3 keeps as many letters, within 3 points.",
                effect=digits("source", 50, "all at once", "gradual 2", a_rate=LOWER["digits"]),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="03.gradual_beats_lower_rate",
                statement="With 5 digits per class, gradual unfreezing beats all at once at 1.3e-3 on digits.",
                effect=digits("test", 50, "gradual 2", "all at once", b_rate=LOWER["digits"]),
            ),
            Claim(
                id="03.gradual_beats_lower_rate_few",
                statement="With 1 digit per class, gradual unfreezing beats all at once at 1.3e-3 on digits.",
                effect=digits("test", 10, "gradual 2", "all at once", b_rate=LOWER["digits"]),
            ),
            Claim(
                id="03.lower_rate_keeps_source_few",
                statement="With 1 digit per class, all at once at 1.3e-3 keeps as many letters, within 3 points.",
                effect=digits("source", 10, "all at once", "gradual 2", a_rate=LOWER["digits"]),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="03.order_helps_target",
                statement="With 1 digit per class, gradual unfreezing beats the same amount without order.",
                effect=digits("test", 10, "gradual 2", "same amount"),
            ),
            Claim(
                id="03.order_helps_target_five",
                statement="With 5 digits per class, gradual unfreezing beats the same amount without order.",
                effect=digits("test", 50, "gradual 2", "same amount"),
            ),
            Claim(
                id="03.order_keeps_source",
                statement="With 5 digits per class, gradual keeps more letters than the same amount without order.",
                effect=digits("source", 50, "gradual 2", "same amount"),
            ),
            Claim(
                id="03.pace_matters_target",
                statement="With 1 digit per class, 4 epochs and 1 epoch a group are within 2 points on digits.",
                effect=digits("test", 10, "gradual 4", "gradual 1"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="03.pace_matters_source",
                statement="With 5 digits per class, 4 epochs a group keep more of the letters than 1 epoch a group.",
                effect=digits("source", 50, "gradual 4", "gradual 1"),
            ),
            Claim(
                id="03.head_first_is_enough",
                statement="With 1 digit per class, two stages (head, then all) are within 1 point of gradual.",
                effect=digits("test", 10, "head first", "gradual 2"),
                within=(-1.0, 1.0),
            ),
            Claim(
                id="03.head_first_beats_full_few",
                statement="With 1 digit per class, two stages (head, then all) beat all at once.",
                effect=digits("test", 10, "head first", "all at once"),
            ),
            Claim(
                id="03.hot_gradual_target",
                statement="At 1e-2, gradual unfreezing beats all at once on digits.",
                effect=digits("test", 50, "gradual 2", "all at once", a_rate=HOT["digits"], b_rate=HOT["digits"]),
            ),
            Claim(
                id="03.hot_gradual_source",
                statement="At 1e-2, gradual unfreezing keeps more of the letters than all at once.",
                effect=digits("source", 50, "gradual 2", "all at once", a_rate=HOT["digits"], b_rate=HOT["digits"]),
            ),
            Claim(
                id="03.hot_gradual_forgets",
                statement="At 1e-2, gradual unfreezing keeps fewer letters than all at once at 3e-3.",
                effect=digits("source", 50, "all at once", "gradual 2", b_rate=HOT["digits"]),
            ),
        ],
    ),
    Measurement(
        id="03.text_paces",
        protocol=protocol(
            "BERT of the course, sentiment of n film reviews; test: accuracy on 1,000 reviews; source: masked-LM loss"
            " (nats a token) once the encoder is back under the head of the pretraining."
        ),
        run=runner("films"),
        conditions=[
            at("films", "untouched", 50, 0.0),
            at("films", "frozen", 50),
            *(at("films", strategy, n) for n in (50, 200) for strategy in ("all at once", "gradual 2")),
            at("films", "all at once", 50, LOWER["films"]),
            *(at("films", strategy, 50) for strategy in PACES if strategy != "head first"),
            *(at("films", strategy, 50, HOT["films"]) for strategy in ("all at once", "gradual 2")),
        ],
        seeds=range(5),
        metrics=["test", "source"],
        version="1",
        claims=[
            Claim(
                id="03.text_gradual_beats_full",
                statement="With 50 reviews, gradual unfreezing (2 epochs a group) beats all at once.",
                effect=films("test", 50, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.text_gradual_beats_full_200",
                statement="With 200 reviews, gradual unfreezing (2 epochs a group) beats all at once.",
                effect=films("test", 200, "gradual 2", "all at once"),
            ),
            Claim(
                id="03.text_gradual_keeps_source",
                statement="With 50 reviews and one learning rate, gradual unfreezing ends with a lower masked-LM loss.",
                effect=nats(50, "all at once", "gradual 2"),
                unit="nats",
            ),
            Claim(
                id="03.text_lower_rate_keeps_source",
                statement="With 50 reviews, all at once at 3e-4 ends within 0.2 nats of gradual unfreezing.",
                effect=nats(50, "all at once", "gradual 2", a_rate=LOWER["films"]),
                within=(-0.2, 0.2),
                unit="nats",
            ),
            Claim(
                id="03.text_gradual_beats_lower_rate",
                statement="With 50 reviews, gradual unfreezing beats all at once at 3e-4.",
                effect=films("test", 50, "gradual 2", "all at once", b_rate=LOWER["films"]),
            ),
            Claim(
                id="03.text_order_helps_target",
                statement="With 50 reviews, gradual unfreezing beats the same amount without order.",
                effect=films("test", 50, "gradual 2", "same amount"),
            ),
            Claim(
                id="03.text_order_keeps_source",
                statement="With 50 reviews, gradual unfreezing ends with a lower masked-LM loss than the same amount"
                " without order.",
                effect=nats(50, "same amount", "gradual 2"),
                unit="nats",
            ),
            Claim(
                id="03.text_pace_matters_target",
                statement="With 50 reviews, 1 epoch a group beats 4 epochs a group.",
                effect=films("test", 50, "gradual 1", "gradual 4"),
            ),
            Claim(
                id="03.text_pace_matters_source",
                statement="With 50 reviews, 4 epochs a group end with a lower masked-LM loss than 1 epoch a group.",
                effect=nats(50, "gradual 1", "gradual 4"),
                unit="nats",
            ),
            Claim(
                id="03.text_hot_gradual_target",
                statement="At 3e-3, gradual unfreezing beats all at once on sentiment.",
                effect=films("test", 50, "gradual 2", "all at once", a_rate=HOT["films"], b_rate=HOT["films"]),
            ),
            Claim(
                id="03.text_hot_gradual_source",
                statement="At 3e-3, gradual unfreezing ends with a lower masked-LM loss than all at once.",
                effect=nats(50, "all at once", "gradual 2", a_rate=HOT["films"], b_rate=HOT["films"]),
                unit="nats",
            ),
        ],
    ),
]
