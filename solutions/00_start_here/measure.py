"""What lesson 00 states, as measured: conditions × seeds of the functions that the lesson itself shows."""

from course_utils import experiments
from course_utils.authoring.lessons import taught
from course_utils.records import Claim, Measurement

lesson = taught(__file__)
SEEDS = range(5)


def read(text, reader):
    return {"text": text, "reader": reader}


def gap(a, b):
    """Per-seed difference in bits per token between two (text, reader) conditions."""
    return lambda frame: experiments.paired_difference(frame, "bits", read(*a), read(*b))


def gap_beyond_counts(frame):
    """By how much more hotels exceed films for the pretrained network than for word counts."""
    network, counts = (gap(("hotels", reader), ("films", reader))(frame) for reader in ("pretrained", "word counts"))
    return network - counts


def against_coin(turn):
    """Points above one half of the sentences, per seed."""

    def effect(frame):
        rows = frame[(frame.turn == turn) & (frame.weights == "pretrained")].set_index("seed")
        return 100 * (rows["right"] - 0.5)

    return effect


def weakened(frame):
    """By how many points "not" lowers the probability of the side that the context suggests."""
    rows = frame[frame.weights == "pretrained"].set_index(["turn", "seed"])["right_side"]
    return 100 * (rows["plain"] - (1 - rows["not"]))


MEASUREMENTS = [
    Measurement(
        id="00.reading",
        protocol="Three readers on six kinds of test text, up to 60 texts a seed and none of them in two seeds. "
        "Networks: pseudo-perplexity, one position masked at a time, random weights drawn by seed. Word counts: "
        "add-one smoothed frequencies in 5,000 other reviews of the pretraining's grammar.",
        run=lesson.read_texts,
        conditions=[read(text, reader) for text in lesson.TEXTS for reader in lesson.READERS],
        seeds=SEEDS,
        metrics=["perplexity", "bits"],
        version="1",
        claims=[
            Claim(
                id="00.knows_context",
                statement="On film reviews, the pretrained network saves over 3 bits per token against word counts.",
                effect=gap(("films", "word counts"), ("films", "pretrained")),
                at_least=3.0,
                unit="bits",
            ),
            Claim(
                id="00.random_knows_nothing",
                statement="On film reviews, a network with random weights does worse than word counts.",
                effect=gap(("films", "random"), ("films", "word counts")),
                unit="bits",
            ),
            Claim(
                id="00.order_matters",
                statement="On shuffled film reviews, the pretrained network does worse than word counts.",
                effect=gap(("films, shuffled", "pretrained"), ("films, shuffled", "word counts")),
                unit="bits",
            ),
            Claim(
                id="00.domain_gap",
                statement="Hotel reviews, 3 % of its text, are harder for the pretrained network than film reviews.",
                effect=gap(("hotels", "pretrained"), ("films", "pretrained")),
                unit="bits",
            ),
            Claim(
                id="00.gap_beyond_counts",
                statement="Hotels exceed films by more for the pretrained network than they do for word counts.",
                effect=gap_beyond_counts,
                unit="bits",
            ),
            Claim(
                id="00.handwritten_gap",
                statement="Handwritten sentences are harder for the pretrained network than film reviews.",
                effect=gap(("handwritten", "pretrained"), ("films", "pretrained")),
                unit="bits",
            ),
            Claim(
                id="00.known_words_gap",
                statement="Handwritten sentences of known words only are harder for it than film reviews.",
                effect=gap(("handwritten, known words", "pretrained"), ("films", "pretrained")),
                unit="bits",
            ),
        ],
    ),
    Measurement(
        id="00.opinion",
        protocol="100 sentences a seed with a gap for an opinion word, half of them in praise; right if the summed "
        "probability of all opinion words of the fitting polarity is the larger one. After 'not' and 'but' "
        "the opposite of the context fits.",
        run=lesson.fill_opinion,
        conditions=[
            {"turn": turn, "weights": weights} for turn in lesson.FRAMES for weights in ("pretrained", "random")
        ],
        seeds=SEEDS,
        metrics=["right", "right_side"],
        version="1",
        claims=[
            Claim(
                id="00.fill_mask_sentiment",
                statement="In plain sentences, the network fills in the fitting polarity more often than not.",
                effect=against_coin("plain"),
            ),
            Claim(
                id="00.not_turns",
                statement="After 'not', the network fills in the fitting polarity more often than not.",
                effect=against_coin("not"),
            ),
            Claim(
                id="00.but_turns",
                statement="After 'but', the network fills in the fitting polarity more often than not.",
                effect=against_coin("but"),
            ),
            Claim(
                id="00.not_weakens",
                statement="'Not' lowers the probability of the side that the context suggests.",
                effect=weakened,
            ),
        ],
    ),
]
