"""What lesson 05 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

import functools

from course_utils.authoring.lessons import taught
from course_utils.records import Measurement

lesson = taught(__file__)
TEXT_RATES = {
    ("full", None): (3e-4, 1e-3),
    ("lora", 1): (3e-3, 1e-2, 3e-2),
    ("lora", 4): (3e-3, 1e-2),
    ("lora", 16): (3e-3, 1e-2),
    ("lora", 64): (1e-3, 3e-3),
}
OTHER_RATES = {
    ("probe", None): (1e-2, 3e-2),
    ("adapter", 8): (3e-3, 1e-2),
    ("prompt", 10): (3e-2, 1e-1),
    ("prefix", 10): (1e-2, 3e-2, 1e-1),
}
DIGIT_RATES = {"probe": (3e-3, 1e-2, 3e-2), "lora": (1e-3, 3e-3, 1e-2), "full": (3e-4, 1e-3, 3e-3)}


def tuning(seed, gap, **condition):
    run = lesson.run_digits if gap == "digits" else functools.partial(lesson.run_text, gap=gap)
    return {"validation": run(seed=seed, part="validation", **condition)["accuracy"]}


MEASUREMENTS = [
    Measurement(
        id="05.learning_rates",
        protocol="Learning rates; accuracy on validation data decides, the test sets are not looked at. Reviews: 200"
        " labels, 80 batches of 16. Digits (the last 400 of the pool validate, labels are drawn from the first 600):"
        " 80 batches of 25. AdamW, linear decay after 10 % warmup. Ranks in between take the rate of the next"
        " smaller rank; adapter: bottleneck 8; prompt and prefix: 10 vectors.",
        run=tuning,
        conditions=[
            *(
                {"gap": gap, "method": method, "r": r, "lr": lr}
                for gap in ("near", "far")
                for (method, r), rates in (TEXT_RATES | (OTHER_RATES if gap == "near" else {})).items()
                for lr in rates
            ),
            *(
                {"gap": "digits", "method": method, "n": 100, "lr": lr}
                for method, rates in DIGIT_RATES.items()
                for lr in rates
            ),
        ],
        seeds=range(100, 102),
        metrics=["validation"],
        version="1",
    ),
]
