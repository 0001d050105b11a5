"""What lesson 04 states, as measured: ways to keep × strength × seeds of the functions that the lesson itself shows."""

import time

import torch
import torch.nn.functional as F
from torch import nn

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
SEEDS = range(5)
ANCHORS = ("L2-SP", "EWC", "batch mean")
CHOSEN = (
    "Chosen strength: for each seed and method the one with the best mean of held-out source and held-out target"
    " accuracy over the other seeds; the test sets are not looked at for that."
)
COMMON = (
    " AdamW without weight decay, clipping at 1.0, linear decay after 10 % warmup; learning rate, batch and"
    " steps by pilot runs on other seeds. Same seed: same data, head, order and Fisher samples. One grid of λ for all"
    " anchors: Fisher values are divided by the average of the right (per-sample) Fisher, batch mean included, so that"
    " L2-SP is the same penalty with every importance 1. Labels of the Fisher are drawn from the network's own"
    " predictions; batch mean squares gradients of batches of 100. Replay: 200 old samples (reservoir), strength is"
    " their share of a batch, on top of the new samples. " + CHOSEN
)
METRICS = ["source_held_out", "target_held_out", "source", "target"]


def at(method, strength=0.0):
    return {"method": method, "strength": strength}


def difference(metric, a, b):
    """Per-seed difference in points between two methods at their chosen strengths."""
    return lambda frame: 100 * (lesson.chosen(frame, a) - lesson.chosen(frame, b))[metric]


def fixed(metric, a, b):
    """Per-seed difference in points between two conditions."""
    return lambda frame: 100 * experiments.paired_difference(frame, metric, a, b)


def keeping(world, name, prefix, strength):
    """What is claimed of both pairs alike."""
    first = f"{name}: "
    return [
        Claim(
            id=f"04.{prefix}plain_forgets",
            statement=first + "plain fine-tuning loses more than 10 points of source accuracy.",
            effect=fixed("source", at("before"), at("none")),
            at_least=10.0,
        ),
        Claim(
            id=f"04.{prefix}l2sp_keeps",
            statement=first + "L2-SP at its chosen strength keeps more source accuracy than plain fine-tuning.",
            effect=difference("source", "L2-SP", "none"),
        ),
        Claim(
            id=f"04.{prefix}ewc_keeps",
            statement=first + "EWC at its chosen strength keeps more source accuracy than plain fine-tuning.",
            effect=difference("source", "EWC", "none"),
        ),
        Claim(
            id=f"04.{prefix}replay_keeps",
            statement=first + "replay at its chosen share keeps more source accuracy than plain fine-tuning.",
            effect=difference("source", "replay", "none"),
        ),
        Claim(
            id=f"04.{prefix}ewc_price",
            statement=first + "EWC at its chosen strength is within 3 points of plain fine-tuning on the target.",
            effect=difference("target", "EWC", "none"),
            within=(-3.0, 3.0),
        ),
        Claim(
            id=f"04.{prefix}l2sp_price",
            statement=first + "L2-SP at its chosen strength is within 3 points of plain fine-tuning on the target.",
            effect=difference("target", "L2-SP", "none"),
            within=(-3.0, 3.0),
        ),
        Claim(
            id=f"04.{prefix}ewc_beats_l2sp_source",
            statement=first + "each at its chosen strength, EWC keeps more source accuracy than L2-SP.",
            effect=difference("source", "EWC", "L2-SP"),
        ),
        Claim(
            id=f"04.{prefix}ewc_l2sp_target",
            statement=first + "each at its chosen strength, EWC and L2-SP are within 2 points on the target.",
            effect=difference("target", "EWC", "L2-SP"),
            within=(-2.0, 2.0),
        ),
        Claim(
            id=f"04.{prefix}ewc_beats_l2sp",
            statement=first + "each at its chosen strength, EWC has the better mean of source and target accuracy.",
            effect=difference("both", "EWC", "L2-SP"),
        ),
        Claim(
            id=f"04.{prefix}same_strength_source",
            statement=first + f"at the same λ of {strength:g}, EWC keeps more source accuracy than L2-SP.",
            effect=fixed("source", at("EWC", strength), at("L2-SP", strength)),
        ),
        Claim(
            id=f"04.{prefix}same_strength_target",
            statement=first + f"at the same λ of {strength:g}, EWC and L2-SP are within 2 points on the target.",
            effect=fixed("target", at("EWC", strength), at("L2-SP", strength)),
            within=(-2.0, 2.0),
        ),
        Claim(
            id=f"04.{prefix}replay_beats_ewc",
            statement=first + "replay has the better mean of source and target accuracy than EWC, both as chosen.",
            effect=difference("both", "replay", "EWC"),
        ),
        Claim(
            id=f"04.{prefix}batch_mean_too_weak",
            statement=first + f"at the same λ of {strength:g}, EWC keeps more of the source than with the batch mean.",
            effect=fixed("source", at("EWC", strength), at("batch mean", strength)),
        ),
        Claim(
            id=f"04.{prefix}batch_mean_rescaled",
            statement=first + f"batch mean at 100 times the λ of {strength:g} is within 3 points of EWC on the source.",
            effect=fixed("source", at("batch mean", 100 * strength), at("EWC", strength)),
            within=(-3.0, 3.0),
        ),
        Claim(
            id=f"04.{prefix}batch_mean_chosen",
            statement=first + "each at its chosen λ, EWC and EWC with the batch mean are within 2 points in the mean of"
            " source and target accuracy.",
            effect=difference("both", "batch mean", "EWC"),
            within=(-2.0, 2.0),
        ),
    ]


def conditions(world):
    return [
        at("before"),
        at("none"),
        *(at(method, strength) for method in ANCHORS for strength in lesson.STRENGTHS[world]),
        *(at("replay", share) for share in lesson.SHARES),
    ]


def masked(a, b):
    """Per-seed difference of the masked-LM loss, encoder as trained."""
    return lambda frame: experiments.paired_difference(
        frame, "masked_lm", {"encoder": "as trained"} | a, {"encoder": "as trained"} | b
    )


def sentiment(method, lr=0.0, strength=0.0):
    return {"method": method, "lr": lr, "strength": strength}


def per_sample_loop(model, x, y):
    """The plain way: one backward pass a sample."""
    parameters = dict(model.named_parameters())
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for i in range(len(x)):
        gradients = torch.autograd.grad(F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            total[name] += gradient**2 / len(x)
    return total


def by_backpack(model, x, y):
    """BackPACK (Dangel, Kunstner, Hennig 2020) adds the squares of per-sample gradients in one backward pass."""
    from backpack import backpack, extend
    from backpack.extensions import SumGradSquared

    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    extended, loss = extend(model), extend(nn.CrossEntropyLoss(reduction="sum"))
    for start in range(0, len(x), 32):
        model.zero_grad()
        with backpack(SumGradSquared()):
            loss(extended(x[start : start + 32]), y[start : start + 32]).backward()
        for name, p in model.named_parameters():
            total[name] += p.sum_grad_squared / len(x)
    return total


def networks():
    """Two small classifiers of 32 × 32 images, each with about 100,000 parameters."""
    convolutions = [nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten()]
    return {
        "convolutional": nn.Sequential(*convolutions, nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10)),
        "linear layers": nn.Sequential(nn.Flatten(), nn.Linear(1024, 96), nn.ReLU(), nn.Linear(96, 10)),
    }


def fisher_speed(seed, network):
    """Seconds (best of three) and largest disagreement with the loop, relative to the largest entry."""
    lesson.seed_everything(seed)
    model = networks()[network].eval()
    x, y = torch.randn(512, 1, 32, 32), torch.randint(10, (512,))
    ways = {"loop": per_sample_loop, "torch.func": lesson.diagonal_fisher, "BackPACK": by_backpack}
    rows, reference = [], None
    for way, function in ways.items():
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            found = function(model, x, y)
            spent.append(time.perf_counter() - began)
        reference = reference or found
        largest = max(float(f.max()) for f in reference.values())
        apart = max(float((found[name] - reference[name]).abs().max()) for name in reference) / largest
        rows.append({"way": way, "seconds": min(spent), "disagreement": apart})
    return rows


def ratio(network, a, b):
    """How many times as long `a` takes as `b`, per seed."""

    def effect(frame):
        seconds = frame[frame.network == network].pivot(index="seed", columns="way", values="seconds")
        return seconds[a] / seconds[b]

    return effect


def worst(way):
    return lambda frame: frame[frame.way == way].groupby("seed").disagreement.max()


MEASUREMENTS = [
    Measurement(
        id="04.letters_kept",
        protocol="ResNet (GroupNorm) pretrained on 37 printed letters learns handwritten digits with a head of their"
        " own from 200 labels (drawn by seed); the old head is frozen. Source: letters in three fonts that no"
        " training saw (500 held out, 1,000 test); target: last 300 digits of the pool held out, 797 test. 100"
        " steps of 32, learning rate 3e-3; Fisher of the body on 500 letters of the training fonts."
        + COMMON
        + " The two claims same_strength_* were added after the first seeds had been seen.",
        run=lambda seed, **condition: lesson.run_keeping(seed, "letters", **condition),
        conditions=conditions("letters"),
        seeds=SEEDS,
        metrics=METRICS,
        version="1",
        claims=keeping("letters", "Letters, then digits", "", 0.1),
    ),
    Measurement(
        id="04.films_kept",
        protocol="BERT of the course learns the sentiment of 3,000 film reviews (600 steps of 16 at 5e-4), then of"
        " 3,000 gadget reviews, same head, in texts where many words have the opposite meaning in the other domain."
        " Reviews of at most 20 tokens; 250 held out and 500 test reviews of each domain. 150 steps of 16, learning"
        " rate 1e-3; Fisher of all parameters on 300 film reviews. Joint: the pretrained network on both sets at"
        " once, as many steps as the two trainings together, at 5e-4. Second setting: a first one, with 1,000 labels,"
        " 200 and 80 steps, had learned the films only half and forgot less; no method was ahead in it. This one was"
        " chosen from trials on seed 100." + COMMON,
        run=lambda seed, **condition: lesson.run_keeping(seed, "films", **condition),
        conditions=[*conditions("films"), at("joint")],
        seeds=SEEDS,
        metrics=METRICS,
        version="2",
        claims=[
            *keeping("films", "Films, then gadgets", "text_", 100.0),
            Claim(
                id="04.text_joint_best",
                statement="Films, then gadgets: joint training has the better mean accuracy than replay as chosen.",
                effect=difference("both", "joint", "replay"),
            ),
        ],
    ),
    Measurement(
        id="04.masked_lm",
        protocol="BERT of the course learns sentiment from 200 film reviews (drawn by seed, at most 20 tokens): 80"
        " steps of 16, AdamW without weight decay, clipping at 1.0, linear decay after 10 % warmup. Then the"
        " encoder goes back under the masked-LM head of the pretraining: loss (nats a token) on 400 reviews."
        " EWC: Fisher of the masked-LM task, one masked word in each of 300 unlabeled reviews, average 1."
        " LoRA: rank 8, query and value, merged (as trained) and taken off. The accuracy in the row 'adapter"
        " off' is that with the adapter on. The claims masked_ewc_learns and masked_ewc_beats_low_rate were"
        " added after the runs.",
        run=lesson.run_sentiment,
        conditions=[
            sentiment("before"),
            *(sentiment("none", lr) for lr in (2e-5, 1e-4, 3e-4, 1e-3)),
            *(sentiment(method, 1e-3, strength) for method in ("L2-SP", "EWC") for strength in (0.1, 1.0)),
            sentiment("LoRA", 2e-3),
        ],
        seeds=SEEDS,
        metrics=["test", "masked_lm"],
        version="1",
        claims=[
            Claim(
                id="04.low_rate_forgets_nothing",
                statement="At 2e-5 the masked-LM loss stays within 0.05 nats of the untouched encoder's.",
                effect=masked(sentiment("none", 2e-5), sentiment("before")),
                within=(-0.05, 0.05),
                unit="nats",
            ),
            Claim(
                id="04.low_rate_learns_nothing",
                statement="At 2e-5 sentiment is learned less well than at 3e-4, by more than 5 points.",
                effect=fixed("test", sentiment("none", 3e-4), sentiment("none", 2e-5)),
                at_least=5.0,
            ),
            Claim(
                id="04.hot_rate_forgets",
                statement="At 1e-3 the masked-LM loss is more than 1 nat above the untouched encoder's.",
                effect=masked(sentiment("none", 1e-3), sentiment("before")),
                at_least=1.0,
                unit="nats",
            ),
            Claim(
                id="04.masked_ewc_keeps",
                statement="At 1e-3, EWC with λ = 1 ends with a lower masked-LM loss than plain fine-tuning.",
                effect=masked(sentiment("none", 1e-3), sentiment("EWC", 1e-3, 1.0)),
                unit="nats",
            ),
            Claim(
                id="04.masked_ewc_beats_l2sp",
                statement="At 1e-3 and λ = 1, EWC ends with a lower masked-LM loss than L2-SP.",
                effect=masked(sentiment("L2-SP", 1e-3, 1.0), sentiment("EWC", 1e-3, 1.0)),
                unit="nats",
            ),
            Claim(
                id="04.masked_ewc_price",
                statement="At 1e-3, EWC with λ = 1 is within 3 points of plain fine-tuning on sentiment.",
                effect=fixed("test", sentiment("EWC", 1e-3, 1.0), sentiment("none", 1e-3)),
                within=(-3.0, 3.0),
            ),
            Claim(
                id="04.masked_ewc_learns",
                statement="At 1e-3 and λ = 1, EWC learns sentiment better than L2-SP.",
                effect=fixed("test", sentiment("EWC", 1e-3, 1.0), sentiment("L2-SP", 1e-3, 1.0)),
            ),
            Claim(
                id="04.masked_ewc_beats_low_rate",
                statement="EWC with λ = 1 at 1e-3 learns sentiment better than plain fine-tuning at 1e-4, which"
                " ends with about the same masked-LM loss.",
                effect=fixed("test", sentiment("EWC", 1e-3, 1.0), sentiment("none", 1e-4)),
            ),
            Claim(
                id="04.lora_forgets_while_active",
                statement="With LoRA active the masked-LM loss is more than 0.3 nats above the untouched encoder's.",
                effect=masked(sentiment("LoRA", 2e-3), sentiment("before")),
                at_least=0.3,
                unit="nats",
            ),
            Claim(
                id="04.lora_comes_off",
                statement="With LoRA taken off again the masked-LM loss is what it was, to 0.001 nats.",
                effect=lambda frame: experiments.paired_difference(
                    frame,
                    "masked_lm",
                    {"method": "LoRA", "encoder": "adapter off"},
                    {"method": "before", "encoder": "as trained"},
                ),
                within=(-0.001, 0.001),
                unit="nats",
            ),
        ],
    ),
    Measurement(
        id="04.fisher_speed",
        protocol="Diagonal Fisher of two small networks (about 100,000 parameters each; two convolutions and two linear"
        " layers, or two linear layers) on 512 random images of 32 by 32, one thread: a loop over samples, the lesson's"
        " torch.func solution, and BackPACK's SumGradSquared, the latter two in batches of 32. Best of three timings;"
        " disagreement with the loop relative to the largest entry.",
        run=fisher_speed,
        conditions=[{"network": "convolutional"}, {"network": "linear layers"}],
        seeds=SEEDS,
        metrics=["seconds", "disagreement"],
        version="1",
        claims=[
            *(
                Claim(
                    id=f"04.{slug}_agrees",
                    statement=f"{way} and the loop over samples agree to 1e-5 of the largest entry, in both networks.",
                    effect=worst(way),
                    within=(-1e-5, 1e-5),
                    unit="of the largest entry",
                )
                for slug, way in (("func", "torch.func"), ("backpack", "BackPACK"))
            ),
            *(
                Claim(
                    id=f"04.{slug}_{'conv' if network == 'convolutional' else 'linear'}",
                    statement=f"{network.capitalize()}: {slower} takes more than 1.5 times as long as {faster}.",
                    effect=ratio(network, slower, faster),
                    at_least=1.5,
                    unit="×",
                )
                for network in ("convolutional", "linear layers")
                for slug, slower, faster in (
                    ("func_beats_loop", "loop", "torch.func"),
                    ("backpack_beats_func", "torch.func", "BackPACK"),
                )
            ),
        ],
    ),
]
