"""What lesson 05 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

import functools

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.records import Claim, Measurement

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


def lora(gap, r, lr=None):
    """Conditions of LoRA with rank r at the rate chosen for it, or at another one."""
    return {"gap": gap, "method": "lora", "r": r, "lr": lesson.rate(gap, "lora", r) if lr is None else lr}


def by(gap, method, r=None):
    return {"gap": gap, "method": method, "r": r, "lr": lesson.rate(gap, method, r)}


def chosen(condition):
    """What picks the rows of a condition in a frame, where a missing rank is nan."""
    return {name: value for name, value in condition.items() if value is not None}


def points(a, b, value="accuracy"):
    """Per-seed difference of a metric between two conditions, in points."""
    return lambda frame: 100 * experiments.paired_difference(frame, value, chosen(a), chosen(b))


def cut(gap, kind, k):
    return {"gap": gap, "kind": kind, "k": k}


def rows_of(frame, condition):
    """The rows of a condition, by seed."""
    for column, value in condition.items():
        frame = frame[frame[column] == value]
    return frame.set_index("seed")


def mixed(mix):
    return {"mix": mix}


def percent_slower(what, a, b):
    """Per-seed time of a over time of b, in % above 100."""

    def effect(frame):
        a_ms, b_ms = (rows_of(frame, {"what": what, "method": method}).ms for method in (a, b))
        return 100 * (a_ms / b_ms - 1)

    return effect


HOT_FULL = 1e-3
FIXED = 3e-3  # one rate for all ranks, as in a sweep without tuning
SEEDS = range(5)
GAPS = {"near": "films", "far": "gadgets with flipping words, after films with flipping words"}
TEXT = (
    "200 labeled reviews, drawn by seed, 80 batches of 16 (far: 120), AdamW, linear decay after 10 % warmup; accuracy"
    " on 1,000 test reviews. near: films, from the pretrained BERT. far: gadgets-flips, from a BERT that was fine-"
    "tuned on 2,400 reviews of films-flips. Head (pooler and classifier) trains with every method. LoRA on queries"
    " and values of all layers, alpha = 2r. Same seed: same reviews, head and order. Rates from 05.learning_rates."
)
MEASUREMENTS = [
    Measurement(
        id="05.learning_rates",
        protocol="Learning rates; accuracy on validation data decides, the test sets are not looked at. Reviews: 200"
        " labels, 80 batches of 16 (far: 120). Digits (the last 400 of the pool validate, labels are drawn"
        " from the first 600): 80 batches of 25. AdamW, linear decay after 10 % warmup. Ranks in between take"
        " the rate of the next smaller rank; the far probe that of the near one. adapter: bottleneck 8; prompt"
        " and prefix: 10 vectors.",
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
        seeds=range(100, 101),
        metrics=["validation"],
        version="1",
    ),
    Measurement(
        id="05.text_methods",
        protocol=TEXT
        + f" lora at {FIXED:g} for all ranks as well. adapter: bottleneck 8 after each layer; prompt: 10 vectors"
        " before the text; prefix: 10 keys and values in each layer. trainable counts the head's 16,770 parameters;"
        " optimizer_bytes: AdamW's state; file_bytes: safetensors file of what was trained. The claims near_rate and"
        " near_full_sixty_four were added after the runs.",
        run=lesson.run_text,
        conditions=[
            *(by("near", method) for method in ("full", "probe")),
            *(lora("near", r) for r in lesson.RANKS),
            *(lora("near", r, FIXED) for r in lesson.RANKS if lesson.rate("near", "lora", r) != FIXED),
            by("near", "adapter", 8),
            by("near", "prompt", 10),
            by("near", "prefix", 10),
        ],
        seeds=SEEDS,
        metrics=["accuracy", "trainable", "optimizer_bytes", "file_bytes"],
        version="1",
        claims=[
            Claim(
                id="05.near_rank_one",
                statement="Films, each rank at its own rate: rank 1 is within 2 points of rank 64.",
                effect=points(lora("near", 1), lora("near", 64)),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.near_before_elbow",
                statement="Films, each rank at its own rate: rank 4 beats rank 1.",
                effect=points(lora("near", 4), lora("near", 1)),
            ),
            Claim(
                id="05.near_after_elbow",
                statement="Films, each rank at its own rate: rank 16 is within 1 point of rank 4.",
                effect=points(lora("near", 16), lora("near", 4)),
                within=(-1.0, 1.0),
            ),
            Claim(
                id="05.near_fixed_rate",
                statement="Films, all ranks at the rate 3e-3: rank 64 beats rank 1 by more than 2 points.",
                effect=points(lora("near", 64, FIXED), lora("near", 1, FIXED)),
                at_least=2.0,
            ),
            Claim(
                id="05.near_rate",
                statement="Films: rank 1 at its own rate, 1e-2, beats rank 1 at 3e-3.",
                effect=points(lora("near", 1), lora("near", 1, FIXED)),
            ),
            Claim(
                id="05.near_full_sixty_four",
                statement="Films: LoRA of rank 64 is within 2 points of full fine-tuning.",
                effect=points(lora("near", 64), by("near", "full")),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.near_full",
                statement="Films: full fine-tuning beats LoRA of rank 8.",
                effect=points(by("near", "full"), lora("near", 8)),
            ),
            Claim(
                id="05.lora_beats_probe",
                statement="Films: LoRA of rank 8 beats the probe by more than 10 points.",
                effect=points(lora("near", 8), by("near", "probe")),
                at_least=10.0,
            ),
            Claim(
                id="05.adapter_near_lora",
                statement="Films: adapters are within 2 points of LoRA of rank 8.",
                effect=points(by("near", "adapter", 8), lora("near", 8)),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.lora_beats_prompt",
                statement="Films: LoRA of rank 8 beats a prompt of 10 vectors.",
                effect=points(lora("near", 8), by("near", "prompt", 10)),
            ),
            Claim(
                id="05.prompt_beats_probe",
                statement="Films: a prompt of 10 vectors beats the probe.",
                effect=points(by("near", "prompt", 10), by("near", "probe")),
            ),
            Claim(
                id="05.lora_beats_prefix",
                statement="Films: LoRA of rank 8 beats a prefix of 10 keys and values a layer.",
                effect=points(lora("near", 8), by("near", "prefix", 10)),
            ),
        ],
    ),
    Measurement(
        id="05.far_ranks",
        protocol=TEXT
        + f" lora at {FIXED:g} for all ranks as well, and full at {HOT_FULL:g}, the other rate of the pilot, which was"
        " half a point behind. These conditions and the claims far_full_hot, far_fixed_rate and far_rate were added"
        " after the other runs.",
        run=lesson.run_text,
        conditions=[
            by("far", "full"),
            by("far", "probe"),
            *(lora("far", r) for r in lesson.RANKS),
            *(lora("far", r, FIXED) for r in lesson.RANKS if lesson.rate("far", "lora", r) != FIXED),
            {**by("far", "full"), "lr": HOT_FULL},
        ],
        seeds=SEEDS,
        metrics=["accuracy", "trainable"],
        version="1",
        claims=[
            Claim(
                id="05.far_rank_one",
                statement="Gadgets after films, each rank at its own rate: rank 1 is within 2 points of rank 64.",
                effect=points(lora("far", 1), lora("far", 64)),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.far_before_elbow",
                statement="Gadgets after films, each rank at its own rate: rank 4 beats rank 1.",
                effect=points(lora("far", 4), lora("far", 1)),
            ),
            Claim(
                id="05.far_after_elbow",
                statement="Gadgets after films, each rank at its own rate: rank 16 is within 1 point of rank 4.",
                effect=points(lora("far", 16), lora("far", 4)),
                within=(-1.0, 1.0),
            ),
            Claim(
                id="05.far_full",
                statement="Gadgets after films: LoRA of rank 8 is within 2 points of full fine-tuning.",
                effect=points(lora("far", 8), by("far", "full")),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.far_full_hot",
                statement="Gadgets after films: LoRA of rank 8 beats full fine-tuning at 1e-3, too.",
                effect=points(lora("far", 8), {**by("far", "full"), "lr": HOT_FULL}),
            ),
            Claim(
                id="05.far_fixed_rate",
                statement="Gadgets after films, all ranks at the rate 3e-3: rank 64 beats rank 1.",
                effect=points(lora("far", 64, FIXED), lora("far", 1, FIXED)),
            ),
            Claim(
                id="05.far_rate",
                statement="Gadgets after films: rank 1 at its own rate, 1e-2, beats rank 1 at 3e-3.",
                effect=points(lora("far", 1), lora("far", 1, FIXED)),
            ),
            Claim(
                id="05.far_probe",
                statement="Gadgets after films: LoRA of rank 8 beats the probe.",
                effect=points(lora("far", 8), by("far", "probe")),
            ),
        ],
    ),
    Measurement(
        id="05.truncation",
        protocol=TEXT
        + " Full fine-tuning; then the change of each matrix of the encoder (embeddings among them) is replaced by"
        " its best approximation of rank k (truncated), by the whole change shortened to the same length (shrunk),"
        " or by what the approximation leaves out (rest); biases, norms and head stay as trained. k = 128: the whole"
        " change. norm_share: squared length of the approximation over that of the change, all matrices together. The"
        " claims near_rest_one and far_rest_one were added after the runs.",
        run=lambda seed, gap: lesson.run_truncation(seed, gap, lesson.rate(gap, "full")),
        conditions=[{"gap": gap} for gap in GAPS],
        seeds=SEEDS,
        metrics=["accuracy", "norm_share"],
        version="1",
        claims=[
            claim
            for gap, where in (("near", "Films"), ("far", "Gadgets after films"))
            for claim in (
                Claim(
                    id=f"05.{gap}_cut_four",
                    statement=f"{where}: cut to rank 4, the update loses less than 2 points of the whole.",
                    effect=points(cut(gap, "truncated", 4), cut(gap, "truncated", 128)),
                    at_least=-2.0,
                ),
                Claim(
                    id=f"05.{gap}_cut_one",
                    statement=f"{where}: the update cut to rank 1 beats no update of the matrices.",
                    effect=points(cut(gap, "truncated", 1), cut(gap, "truncated", 0)),
                ),
                Claim(
                    id=f"05.{gap}_one_is_short",
                    statement=f"{where}: rank 1 keeps less than half of the update's squared length.",
                    effect=lambda frame, gap=gap: 100 * (0.5 - rows_of(frame, cut(gap, "truncated", 1)).norm_share),
                ),
                Claim(
                    id=f"05.{gap}_direction",
                    statement=f"{where}: at equal length, rank 1 is within 2 points of the shrunk whole update.",
                    effect=points(cut(gap, "truncated", 1), cut(gap, "shrunk", 1)),
                    within=(-2.0, 2.0),
                ),
                Claim(
                    id=f"05.{gap}_rest_one",
                    statement=f"{where}: what the cut to rank 1 throws away does better alone than rank 1.",
                    effect=points(cut(gap, "rest", 1), cut(gap, "truncated", 1)),
                ),
                Claim(
                    id=f"05.{gap}_rest",
                    statement=f"{where}: without its first four directions, the update is worse than with these alone.",
                    effect=points(cut(gap, "truncated", 4), cut(gap, "rest", 4)),
                ),
            )
        ],
    ),
    Measurement(
        id="05.composition",
        protocol="Under a frozen head that learned 200 restaurant reviews on the pretrained encoder, LoRA of rank 8"
        " learns 200 films, 200 gadgets (both with words that flip between them) or all 400; 80 batches of 16"
        " each. Mixtures by the lesson's compose_deltas. Accuracy on 1,000 test reviews of each domain;"
        " both: their mean. The claims were written after one pilot run on another seed, mix_beats_gadgets,"
        " mix_beats_small_gadgets and scaled_films after the runs.",
        run=lambda seed: lesson.run_composition(seed, lesson.rate("near", "lora", 8), lesson.rate("near", "probe")),
        conditions=[{}],
        seeds=SEEDS,
        metrics=["films", "gadgets", "both"],
        version="1",
        claims=[
            Claim(
                id="05.mix_beats_films",
                statement="Both domains: 0.7 films + 0.3 gadgets beats films alone at weight 1.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("films"), "both"),
            ),
            Claim(
                id="05.mix_beats_gadgets",
                statement="Both domains: 0.7 films + 0.3 gadgets beats gadgets alone at weight 1.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("gadgets"), "both"),
            ),
            Claim(
                id="05.mix_beats_small_gadgets",
                statement="Both domains: 0.7 films + 0.3 gadgets beats 0.3 gadgets alone.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("0.3 gadgets"), "both"),
            ),
            Claim(
                id="05.scaled_films",
                statement="Both domains: films at weight 0.7 beats films at weight 1.",
                effect=points(mixed("0.7 films"), mixed("films"), "both"),
            ),
            Claim(
                id="05.mix_is_scaling",
                statement="Both domains: 0.7 films + 0.3 gadgets is within 1 point of 0.7 films alone.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("0.7 films"), "both"),
                within=(-1.0, 1.0),
            ),
            Claim(
                id="05.mix_helps_gadgets",
                statement="Gadgets: 0.7 films + 0.3 gadgets beats films alone at weight 1.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("films"), "gadgets"),
            ),
            Claim(
                id="05.mix_helps_gadgets_beyond",
                statement="Gadgets: 0.7 films + 0.3 gadgets beats 0.7 films alone.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("0.7 films"), "gadgets"),
            ),
            Claim(
                id="05.scaling_helps_gadgets",
                statement="Gadgets: films at weight 0.7 beats films at weight 1.",
                effect=points(mixed("0.7 films"), mixed("films"), "gadgets"),
            ),
            Claim(
                id="05.mix_costs_films",
                statement="Films: 0.7 films + 0.3 gadgets loses to films alone at weight 1.",
                effect=points(mixed("films"), mixed("0.7 films + 0.3 gadgets"), "films"),
            ),
            Claim(
                id="05.union_beats_mix",
                statement="Both domains: training on the union beats 0.7 films + 0.3 gadgets.",
                effect=points(mixed("union"), mixed("0.7 films + 0.3 gadgets"), "both"),
            ),
            Claim(
                id="05.sum_near_union",
                statement="Both domains: the plain sum of the two LoRAs is within 2 points of training on the union.",
                effect=points(mixed("films + gadgets"), mixed("union"), "both"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="05.mix_beats_base",
                statement="Both domains: 0.7 films + 0.3 gadgets beats the base.",
                effect=points(mixed("0.7 films + 0.3 gadgets"), mixed("base"), "both"),
            ),
        ],
    ),
    Measurement(
        id="05.digits",
        protocol="ViT pretrained on letters, n handwritten digits in all, 80 batches of 25, AdamW, linear decay after"
        " 10 % warmup; accuracy on the 797 test digits. lora: peft, rank 8 on queries and values, with a"
        " trained classifier. raw pixels: logistic regression (C = 10) on 64 mean gray values. Rates from"
        " 05.learning_rates.",
        run=lambda seed, method, n: lesson.run_digits(
            seed, method, n, None if method == "raw pixels" else lesson.rate("digits", method)
        ),
        conditions=[
            {"method": method, "n": n} for n in (50, 200) for method in ("raw pixels", "probe", "lora", "full")
        ],
        seeds=SEEDS,
        metrics=["accuracy", "trainable"],
        version="1",
        claims=[
            claim
            for n, name in ((50, "five"), (200, "twenty"))
            for claim in (
                Claim(
                    id=f"05.digits_lora_full_{name}",
                    statement=f"ViT, {n // 10} digits per class: LoRA is within 1 point of full fine-tuning.",
                    effect=points({"method": "lora", "n": n}, {"method": "full", "n": n}),
                    within=(-1.0, 1.0),
                ),
                Claim(
                    id=f"05.digits_lora_probe_{name}",
                    statement=f"ViT, {n // 10} digits per class: LoRA beats the probe.",
                    effect=points({"method": "lora", "n": n}, {"method": "probe", "n": n}),
                ),
                Claim(
                    id=f"05.digits_probe_pixels_{name}",
                    statement=f"ViT, {n // 10} digits per class: the probe beats logistic regression on raw pixels.",
                    effect=points({"method": "probe", "n": n}, {"method": "raw pixels", "n": n}),
                ),
            )
        ],
    ),
    Measurement(
        id="05.one_backbone",
        protocol="peft, LoRA of rank 8 for three domains on one BERT, trained one after the other for 10 batches of 16;"
        " largest difference of the logits of 100 hotel reviews: all switched off against the untouched model; the last"
        " one merged against unmerged; the last one active against the untouched model. Bytes of one task's file, head"
        " included, and of the backbone's weights.",
        run=lambda seed, steps: lesson.run_one_backbone(seed, lesson.rate("near", "lora", 8), steps),
        conditions=[{"steps": 10}],
        seeds=SEEDS,
        metrics=["off", "merged", "active", "task_bytes", "backbone_bytes"],
        version="1",
        claims=[
            Claim(
                id="05.off_is_base",
                statement="With the LoRAs of three tasks switched off, the logits are exactly those of the base.",
                effect=lambda frame: frame.set_index("seed").off,
                within=(-1e-12, 1e-12),
                unit="logits",
            ),
            Claim(
                id="05.merged_is_same",
                statement="Merged, a LoRA gives the same logits to 1e-4.",
                effect=lambda frame: frame.set_index("seed").merged,
                within=(-1e-4, 1e-4),
                unit="logits",
            ),
        ],
    ),
    Measurement(
        id="05.cost",
        protocol="BERT, batches of 32 reviews; forward pass without gradient, and optimizer step (forward, backward,"
        " AdamW), medians of 40 rounds with all methods in a new order in each, in milliseconds, one thread, on a"
        " machine with nothing else to do. Five repetitions with other reviews.",
        run=lesson.run_time,
        conditions=[{"rounds": 40}],
        seeds=SEEDS,
        metrics=["ms"],
        version="2",
        claims=[
            Claim(
                id="05.merged_costs_nothing",
                statement="A merged LoRA takes as long as the base in a forward pass, within 5 %.",
                effect=percent_slower("forward", "lora, merged", "full"),
                within=(-5.0, 5.0),
                unit="%",
            ),
            Claim(
                id="05.unmerged_costs",
                statement="Unmerged, LoRA slows the forward pass down.",
                effect=percent_slower("forward", "lora", "full"),
                unit="%",
            ),
            Claim(
                id="05.full_step_costs",
                statement="A step of full fine-tuning takes longer than one of LoRA.",
                effect=percent_slower("step", "full", "lora"),
                unit="%",
            ),
            Claim(
                id="05.prompt_forward_costs",
                statement="A prompt of 10 vectors slows the forward pass down by more than 10 %.",
                effect=percent_slower("forward", "prompt", "full"),
                at_least=10.0,
                unit="%",
            ),
        ],
    ),
]
