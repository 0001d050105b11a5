"""What lesson 07 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

from course_utils.authoring.lessons import taught
from course_utils.experiments import paired_difference
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
SIZES = (10, 50, 100, 500)
FINE = "scratch", "full", "discriminative", "gradual", "LoRA (ViT)"
LONG = "scratch, 3 times as long"
COMMON = (
    "Pretrained on rendered letters, fine-tuned on n handwritten digits in all (10 classes, drawn by seed from the"
    " first 700 of the pool), tested on the 797 test digits. 20 epochs of 5 batches of 25, AdamW at 3e-3 without weight"
    " decay, linear decay after 10 % warmup, the same labels, head and order for all conditions of a seed. "
)
RATES = "The rate was chosen on the other 300 digits of the pool, in pilot runs on other seeds. "


def points(metric, a, b):
    """Per-seed difference of a metric between two conditions, in points."""
    return lambda frame: 100 * paired_difference(frame, metric, a, b)


def curve(a, b, n, metric="test", b_n=None):
    return points(metric, {"strategy": a, "n": n}, {"strategy": b, "n": b_n or n})


def within_condition(first, second, **condition):
    """Per-seed difference of two metrics under one condition, in points."""

    def effect(frame):
        rows = frame.loc[(frame[list(condition)] == list(condition.values())).all(axis=1)].set_index("seed")
        return 100 * (rows[first] - rows[second])

    return effect


def stage(network, task, a, b, b_network=None):
    return points(
        "accuracy",
        {"network": network, "task": task, "stage": a},
        {"network": b_network or network, "task": task, "stage": b},
    )


def student(learns, metric="test", than="labels only", n=10):
    return points(metric, {"learns": learns, "n": n}, {"learns": than, "n": n})


RIGHT = {"trained": "right", "tested": "right"}
AT_TEST = {way: {"trained": "right", "tested": way} for way in lesson.WAYS}
IN_BOTH = {way: {"trained": way, "tested": way} for way in lesson.WAYS}

MEASUREMENTS = [
    Measurement(
        id="07.curves",
        protocol=COMMON
        + RATES
        + "Raw pixels and probes: logistic regression (C = 10) on the 64 block counts or on features of length 1."
        " Discriminative: 0.6 times the rate from group to group. Gradual: one more group every two epochs. LoRA: rank"
        " 8 on query and value. The columns beside test: the same digits turned by 30 degrees, with noise (0.4), bolder"
        " by two pixels, thinner by one.",
        run=lesson.run_curve,
        conditions=[
            *({"strategy": s, "n": n} for n in SIZES for s in (*lesson.FIXED, *FINE)),
            {"strategy": LONG, "n": 500},
        ],
        seeds=range(5),
        metrics=list(lesson.SHIFTS),
        version="1",
        claims=[
            *(
                Claim(
                    id=f"07.full_beats_pixels_{name}",
                    statement=f"With {n // 10} digits per class, full fine-tuning beats raw pixels.",
                    effect=curve("full", "raw pixels", n),
                )
                for name, n in (("one", 10), ("five", 50), ("ten", 100), ("fifty", 500))
            ),
            Claim(
                id="07.probe_beats_pixels_one",
                statement="With 1 digit per class, the linear probe beats raw pixels.",
                effect=curve("probe", "raw pixels", 10),
            ),
            Claim(
                id="07.probe_beats_pixels_fifty",
                statement="With 50 digits per class, the linear probe beats raw pixels.",
                effect=curve("probe", "raw pixels", 500),
            ),
            Claim(
                id="07.pixels_beat_scratch",
                statement="With 1 digit per class, raw pixels beat the network trained from scratch.",
                effect=curve("raw pixels", "scratch", 10),
            ),
            Claim(
                id="07.pretraining_pays_few",
                statement="With 5 digits per class, fine-tuning beats the same network from scratch.",
                effect=curve("full", "scratch", 50),
            ),
            Claim(
                id="07.pretraining_pays_many",
                statement="With 50 digits per class, fine-tuning beats the same network from scratch.",
                effect=curve("full", "scratch", 500),
            ),
            Claim(
                id="07.scratch_catches_up",
                statement="With 50 digits per class and 3 times as long, scratch is within 1 point of fine-tuning.",
                effect=curve(LONG, "full", 500),
                within=(-1.0, 1.0),
            ),
            Claim(
                id="07.labels_saved",
                statement="Fine-tuning on 10 digits per class beats raw pixels with 50.",
                effect=curve("full", "raw pixels", 100, b_n=500),
            ),
            Claim(
                id="07.full_beats_probe",
                statement="With 10 digits per class, full fine-tuning beats the probe on the test digits.",
                effect=curve("full", "probe", 100),
            ),
            Claim(
                id="07.probe_beats_full_few",
                statement="With 1 digit per class, the probe beats full fine-tuning.",
                effect=curve("probe", "full", 10),
            ),
            Claim(
                id="07.gradual_beats_full_few",
                statement="With 1 digit per class, gradual unfreezing beats all at once.",
                effect=curve("gradual", "full", 10),
            ),
            Claim(
                id="07.discriminative_beats_full_few",
                statement="With 1 digit per class, discriminative rates beat a uniform one.",
                effect=curve("discriminative", "full", 10),
            ),
            Claim(
                id="07.lora_beats_pixels",
                statement="With 10 digits per class, LoRA on the ViT beats raw pixels.",
                effect=curve("LoRA (ViT)", "raw pixels", 100),
            ),
            Claim(
                id="07.lora_beats_vit_probe",
                statement="With 10 digits per class, LoRA on the ViT beats the probe of the same ViT.",
                effect=curve("LoRA (ViT)", "probe (ViT)", 100),
            ),
            Claim(
                id="07.probe_holds_when_turned",
                statement="With 10 digits per class, on digits turned by 30 degrees the probe beats full fine-tuning.",
                effect=curve("probe", "full", 100, "rotated"),
            ),
            Claim(
                id="07.full_holds_in_noise",
                statement="With 10 digits per class, on noisy digits full fine-tuning beats the probe.",
                effect=curve("full", "probe", 100, "noisy"),
            ),
            Claim(
                id="07.pixels_beat_full_in_noise",
                statement="With 10 digits per class, on noisy digits raw pixels beat full fine-tuning.",
                effect=curve("raw pixels", "full", 100, "noisy"),
            ),
            Claim(
                id="07.full_holds_in_bold",
                statement="With 10 digits per class, on bold digits full fine-tuning and the probe are within 3"
                " points.",
                effect=curve("full", "probe", 100, "bold"),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="07.gradual_holds_when_turned",
                statement="With 10 digits per class, on turned digits gradual unfreezing beats all at once.",
                effect=curve("gradual", "full", 100, "rotated"),
            ),
            Claim(
                id="07.turning_costs_full",
                statement="With 10 digits per class, turning the test digits costs full fine-tuning over 15 points.",
                effect=within_condition("test", "rotated", strategy="full", n=100),
                at_least=15.0,
            ),
        ],
    ),
    Measurement(
        id="07.normalization",
        protocol=COMMON + "n = 100. Images prepared in one of five ways in training, and in one of them in testing.",
        run=lesson.run_normalization,
        conditions=[{"trained": way} for way in lesson.WAYS],
        seeds=range(5),
        metrics=["test"],
        version="1",
        claims=[
            Claim(
                id="07.unnormalized_at_test",
                statement="Normalized in training only, images left in [0, 1] at test time cost accuracy.",
                effect=points("test", RIGHT, AT_TEST["not normalized"]),
            ),
            Claim(
                id="07.sixteen_at_test",
                statement="Pixels 16 times too large at test time only cost accuracy.",
                effect=points("test", RIGHT, AT_TEST["16 times too large"]),
            ),
            Claim(
                id="07.inverted_at_test",
                statement="Inverted images at test time only cost over 50 points.",
                effect=points("test", RIGHT, AT_TEST["inverted"]),
                at_least=50.0,
            ),
            Claim(
                id="07.imagenet_at_test",
                statement="ImageNet's statistics at test time only cost accuracy.",
                effect=points("test", RIGHT, AT_TEST["ImageNet's"]),
            ),
            Claim(
                id="07.unnormalized_in_both",
                statement="Images left in [0, 1] in training and testing are within 3 points of normalized ones.",
                effect=points("test", IN_BOTH["not normalized"], RIGHT),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="07.sixteen_in_both",
                statement="Pixels 16 times too large in training and testing are within 3 points of right ones.",
                effect=points("test", IN_BOTH["16 times too large"], RIGHT),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="07.inverted_in_both",
                statement="Inverted images in training and testing cost accuracy.",
                effect=points("test", RIGHT, IN_BOTH["inverted"]),
            ),
            Claim(
                id="07.imagenet_in_both",
                statement="ImageNet's statistics in training and testing are within 1 point of the right ones.",
                effect=points("test", IN_BOTH["ImageNet's"], RIGHT),
                within=(-1.0, 1.0),
            ),
        ],
    ),
    Measurement(
        id="07.batchnorm",
        protocol=COMMON + "n = 100, a new head at a rate of 1e-2 on a backbone frozen in two ways, model.train()"
        " before each epoch. Letters: share of 1,000 letters told apart under the head of the pretraining."
        " Sorted, shuffled: accuracy in train mode, in batches of 25 test digits ordered by class or at random.",
        run=lesson.run_batchnorm,
        conditions=[{"frozen": how} for how in ("freeze_backbone", "requires_grad")],
        seeds=range(5),
        metrics=["test", "letters", "sorted", "shuffled"],
        version="1",
        claims=[
            Claim(
                id="07.bn_hides_in_target",
                statement="Moving BatchNorm statistics change the accuracy on digits by less than 1.5 points.",
                effect=points("test", {"frozen": "requires_grad"}, {"frozen": "freeze_backbone"}),
                within=(-1.5, 1.5),
            ),
            Claim(
                id="07.bn_forgets_source",
                statement="Moving BatchNorm statistics cost accuracy on letters.",
                effect=points("letters", {"frozen": "freeze_backbone"}, {"frozen": "requires_grad"}),
            ),
            Claim(
                id="07.bn_sorted",
                statement="In train mode, batches sorted by class cost over 30 points against shuffled ones.",
                effect=within_condition("shuffled", "sorted", frozen="requires_grad"),
                at_least=30.0,
            ),
            Claim(
                id="07.bn_frozen_sorted",
                statement="After freeze_backbone, train mode and sorted batches change nothing.",
                effect=within_condition("sorted", "test", frozen="freeze_backbone"),
                within=(-0.001, 0.001),
            ),
        ],
    ),
    Measurement(
        id="07.stages",
        protocol="Logistic regression (C = 0.1, standardized) on the maps of every stage, averaged over a grid of"
        " 4×4, of the pretrained ResNet and of random ones. Digits: 10 per class, 797 test digits. Letters: 740"
        " glyphs of 37 classes, 800 in fonts that the pretraining did not see.",
        run=lesson.run_stages,
        conditions=[
            {"network": network, "task": task} for network in ("pretrained", "random") for task in ("letters", "digits")
        ],
        seeds=range(5),
        metrics=["accuracy"],
        version="1",
        claims=[
            Claim(
                id="07.last_stage_is_for_letters",
                statement="For letters, the last stage is better than the one before.",
                effect=stage("pretrained", "letters", "layer4", "layer3"),
            ),
            Claim(
                id="07.last_stage_not_for_digits",
                statement="For digits, the last stage is within 2 points of the one before.",
                effect=stage("pretrained", "digits", "layer4", "layer3"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="07.stem_need_not_learn",
                statement="For digits, the pretrained stem is within 2 points of a random one.",
                effect=stage("pretrained", "digits", "stem", "stem", b_network="random"),
                within=(-2.0, 2.0),
            ),
            Claim(
                id="07.top_must_learn",
                statement="For digits, the pretrained last stage beats a random one.",
                effect=stage("pretrained", "digits", "layer4", "layer4", b_network="random"),
            ),
        ],
    ),
    Measurement(
        id="07.augmentation",
        protocol=COMMON + "n = 50. Shift and turn: up to 2 pixels and 10 degrees. Flips: every second image mirrored."
        " Mixup: alpha = 0.2.",
        run=lesson.run_augmented,
        conditions=[{"how": how} for how in ("none", "shift and turn", "mixup", "flips")],
        seeds=range(5),
        metrics=["test", "rotated"],
        version="1",
        claims=[
            Claim(
                id="07.augment_helps",
                statement="With 5 digits per class, shifts and turns gain accuracy.",
                effect=points("test", {"how": "shift and turn"}, {"how": "none"}),
            ),
            Claim(
                id="07.augment_helps_when_turned",
                statement="On digits turned by 30 degrees, training with turns of up to 10 gains accuracy.",
                effect=points("rotated", {"how": "shift and turn"}, {"how": "none"}),
            ),
            Claim(
                id="07.mixup_helps",
                statement="With 5 digits per class, mixup gains accuracy.",
                effect=points("test", {"how": "mixup"}, {"how": "none"}),
            ),
            Claim(
                id="07.flips_hurt",
                statement="With 5 digits per class, mirrored digits cost accuracy.",
                effect=points("test", {"how": "none"}, {"how": "flips"}),
            ),
        ],
    ),
    Measurement(
        id="07.pseudo",
        protocol=COMMON + "A teacher on n digits labels all 700; students start again from the pretrained network,"
        " with the labeled digits repeated to about half of each batch. Kept: share of the 700;"
        " right: share of the kept with the true label (1 for the labels themselves). Rotated: the unlabeled digits"
        " are turned by 30 degrees.",
        run=lesson.run_pseudo,
        conditions=[{"n": 10}, {"n": 50}],
        seeds=range(5),
        metrics=["test", "rotated", "kept", "right"],
        version="1",
        claims=[
            Claim(
                id="07.pseudo_helps_one",
                statement="With 1 digit per class, pseudo-labels above 0.9 gain accuracy.",
                effect=student("sure"),
            ),
            Claim(
                id="07.pseudo_helps_five",
                statement="With 5 digits per class, pseudo-labels above 0.9 gain accuracy.",
                effect=student("sure", n=50),
            ),
            Claim(
                id="07.threshold_helps_one",
                statement="With 1 digit per class, a threshold of 0.9 beats keeping all pseudo-labels.",
                effect=student("sure", than="all"),
            ),
            Claim(
                id="07.threshold_helps_five",
                statement="With 5 digits per class, a threshold of 0.9 beats keeping all pseudo-labels.",
                effect=student("sure", than="all", n=50),
            ),
            Claim(
                id="07.pseudo_adapts_five",
                statement="With 5 digits per class, pseudo-labels of turned digits help on turned test digits.",
                effect=student("sure, rotated", "rotated", n=50),
            ),
            Claim(
                id="07.upright_adapts_five",
                statement="With 5 digits per class, those of upright digits help on turned test digits too.",
                effect=student("sure", "rotated", n=50),
            ),
        ],
    ),
    Measurement(
        id="07.sources",
        protocol=COMMON + "n = 50. The ResNet is pretrained for 120 batches of 64 on 2,000 glyphs: on their letters,"
        " on random labels, on letters whose pixels are shuffled by one permutation, or on the level of added"
        " noise. Probe: logistic regression on its features; full: fine-tuned. None: random weights.",
        run=lesson.run_source,
        conditions=[{"source": s} for s in ("none", "letters", "random labels", "shuffled pixels", "noise level")],
        seeds=range(5),
        metrics=["full", "probe"],
        version="1",
        claims=[
            Claim(
                id="07.letters_help",
                statement="Fine-tuned, a source of letters beats none.",
                effect=points("full", {"source": "letters"}, {"source": "none"}),
            ),
            Claim(
                id="07.letters_help_probe",
                statement="Probed, a source of letters beats none.",
                effect=points("probe", {"source": "letters"}, {"source": "none"}),
            ),
            Claim(
                id="07.noise_hurts_probe",
                statement="Probed, a source of noise levels is worse than random weights by over 20 points.",
                effect=points("probe", {"source": "none"}, {"source": "noise level"}),
                at_least=20.0,
            ),
            Claim(
                id="07.noise_hurts_full",
                statement="Fine-tuned, a source of noise levels is worse than random weights.",
                effect=points("full", {"source": "none"}, {"source": "noise level"}),
            ),
            Claim(
                id="07.shuffled_hurts_probe",
                statement="Probed, a source of shuffled pixels is worse than random weights.",
                effect=points("probe", {"source": "none"}, {"source": "shuffled pixels"}),
            ),
            Claim(
                id="07.shuffled_hurts_full",
                statement="Fine-tuned, a source of shuffled pixels is worse than random weights.",
                effect=points("full", {"source": "none"}, {"source": "shuffled pixels"}),
            ),
            Claim(
                id="07.random_labels_help_probe",
                statement="Probed, a source of letters with random labels beats none.",
                effect=points("probe", {"source": "random labels"}, {"source": "none"}),
            ),
            Claim(
                id="07.random_labels_help_full",
                statement="Fine-tuned, a source of letters with random labels is within 2 points of none.",
                effect=points("full", {"source": "random labels"}, {"source": "none"}),
                within=(-2.0, 2.0),
            ),
        ],
    ),
]
