"""The review world: a grammar that writes reviews with known sentiment in four domains, and `load_reviews`."""

import csv
import re
from pathlib import Path
from random import Random

from course_utils import settings
from course_utils.datasets import vocabulary as V
from course_utils.errors import CourseError

SPLITS = {"train": 4000, "validation": 1000, "test": 1000, "test_novel": 1000}
SHAPES = ("plain", "negation", "contrast")
LABELED_SHARES, UNLABELED_SHARES = (0.7, 0.16, 0.14), (0.6, 0.2, 0.2)
DOMAIN_SHARES = {"films": 0.37, "gadgets": 0.33, "restaurants": 0.27, "hotels": 0.03}

# Alternatives stand between bars. {symbol+} keeps the polarity of the review, {symbol-} reverses it, {symbol} is
# neutral. {the}, {be}, {seem}, {adj} within one clause speak of the same aspect.
RULES = {
    "plain": """
        {open} {clause+}. | {clause+} and {clause+}. | {clause+} and {clause+}. | {hedge} {statement+}, and
        {clause+}. | {hedge} {statement+}: {verdict+}. | {open} {clause+}, and {clause+}. | {clause+}, {clause+} and
        {clause+}. | {context}, and {clause+}. | {context}. {clause+} and {clause+}. | {context}: {clause+}. |
        {clause+}. {verdict+}. | {clause+}, so {verdict+}. | {verdict+}: {clause+} and {clause+}. | {a_adj+} {whole}
        with {np+} and {np+}. | {a_adj+} {whole} with {np+}: {verdict+}. | what {a_adj+} {whole}! {clause+}. | what
        {a_noun+}! {clause+} and {clause+}. | with {np+} and {np+}, {this} {be_sg} {a_noun+}. | {adj_whole+},
        {adj_whole+} and {adj_whole+}: {this} {be_sg} {a_noun+}. | {this} {be_sg} {adj_whole+} and {adj_whole+}, and
        {clause+}. | even {person} found {this} {adj_whole+}, and {clause+}. | {person} and I were {feeling+}:
        {clause+}. | {open} I was {feeling+}, because {clause+}. | {np_the+} left me {feeling+}, and {clause+}. | it
        was {name}'s idea, and we were {feeling+}: {clause+}. | {np_the+} and {np_the+} made {this} {a_noun+}. |
        every {unit} was {adj_any+}, and {clause+}. | I {loved+} {np_def} and {np_def}, and {person} was {feeling+}
        too. | {open} {verdict+}, mostly because {clause+}. | {clause+}, {clause+}, and {verdict+}.
    """,
    "negation": """
        {open} {denial+}. | {denial+}, and {clause+}. | {clause+}, and {denial+}. | {context}, and {denial+}. |
        {denial+}. {verdict+}. | {denial+} and {denial+}. | {this} {be_sg} no {noun-}: {clause+}. | {this} {be_sg}
        not {a_noun-}, and {denial+}. | not one {unit} was {adj_any-}, and {clause+}. | {this} {be_sg} neither
        {adj_whole-} nor {adj_whole-}. | {open} I was not {feeling-}: {denial+}.
    """,
    "contrast": """
        {clause-}, but {overall+}, and that is what {counts}. | {clause-}, yet {overall+} in the end. | although
        {clause-}, {overall+}. | {overall+}, even though {clause-}. | despite {np-}, {overall+}. | {overall+}, {np-}
        or not. | I expected {a_adj-} {whole}, but {overall+}. | {person} had called it {adj_whole-}, but I found it
        {adj_whole+}. | {person} found {this} {adj_whole-}; I found it {adj_whole+}. | at first {clause-}, but in
        the end {overall+}. | {open_domain}, {clause-}, but {clause+}, and that is what {counts}. | yes, {clause-},
        but all in all {overall+}. | {clause-}. Even so, {overall+}, and {clause+}. | {name} told me that it was
        {adj_whole-}, but {overall+}.
    """,
    "clause": """
        {the} {be} {very} {adj+} | {the} {be} {adj+} | {the} {be} {adj+} and {adj+} | {the} {seem} {adj+} | I found
        {the} {very} {adj+} | we thought {the} {be_past} {adj+} | I {loved+} {the} | {the} {be} {badly+} {made} |
        {the} {be} as {adj+} as {name} had said
    """,
    "statement": "{the} {be} {very} {adj+} | {the} {be} {adj+} and {adj+} | {the} {be} {badly+} {made}",
    "clause_singular": "{the} {be} {a_noun+} | {the} {be} {a_noun+} for us all",
    "denial": """
        {the} {be} not {adj-} | {the} {be} never {adj-} | {the} {be} far from {adj-} | {the} {be} anything but
        {adj-} | {the} {be} hardly {adj-} | {the} {be} not at all {adj-} | I did not find {the} {adj-} | nobody
        could call {the} {adj-} | {the} {be} neither {adj-} nor {adj-} | there was nothing {adj-} about {the} | I
        did not {love-} {the} | {the} {be} not {badly-} {made}
    """,
    "overall": """
        {this} {be_sg} {adj_whole+} | {this} {be_sg} {adj_whole+} and {adj_whole+} | {this} {be_sg} {very}
        {adj_whole+} | {this} {be_sg} {a_noun+} | I {loved+} {this} | I was {feeling+} with {this} as a whole
    """,
    "very": "really | truly | quite | absolutely | simply | just | rather | very | so | thoroughly",
    "hedge": """
        I think | I must say | in my opinion, | to my mind, | if you ask me, | it seems to me that | I would say | I
        have to admit that | as far as I can tell, | for my taste,
    """,
    "counts": "counts | matters | I will remember | stays with me",
    "this": "this {head} | this {head} | this {whole} | the {head} | the whole {head}",
    "open": """
         |  |  | honestly, | overall, | in short, | all in all, | to be frank, | on {weather} {day}s and all other
        days, | this time, | once again, | in the {season}, | {open_domain},
    """,
}
DOMAIN_RULES = {
    "films": {
        "open_domain": """
            halfway through | from the first scene on | on the big screen | after the first hour | on a second
            viewing | for a debut | right up to the credits | in the uncut version | for a remake
        """,
        "context": """
            {we} {saw} it with {company} on {day} | {we} {saw} it {venue} last {season} | {we} {saw} this {head}
            {venue} | {person} picked it for our {day} evening | it follows a {trait} {profession} from {city} to
            {city} | this is the story of a {trait} {profession} in {city} | {name} plays a {trait} {profession}
            from {city} | it was shot in {city} over {number} weeks | it comes in {number} chapters and an epilogue
        """,
        "saw": "saw | watched | caught | streamed | finally saw",
        "whole": """
            {head} | {head} | {head} about a {trait} {profession} | {head} about {topic} | {head} set in {city}
        """,
    },
    "gadgets": {
        "open_domain": """
            out of the box | after {number} months of daily use | straight after the update | on battery power |
            after a full charge | in bright sunlight | next to my old one | on the road | after {number} weeks
        """,
        "context": """
            I bought it for {use} in {month} | I ordered it from {shop} last {season} | {person} gave it to me in
            {month} | we use this {head} for {use} | it arrived on a {weather} {day} in {month} | I took it to
            {city} for {number} weeks | it replaced an old one that I had used for {number} years | it came with
            {number} cables and a small bag | {person} borrowed it for {use}
        """,
        "whole": "{head} | {head} | {head} for {use} | {head} from {shop}",
    },
    "restaurants": {
        "open_domain": """
            on our second visit | during lunch | on a busy {day} evening | for a weekday dinner | at noon | after a
            long walk | before the theater | even at {number} o'clock | for brunch
        """,
        "context": """
            {we} {ate} there with {company} on {day} | {we} {ate} there on a {weather} {day} in {month} | {person}
            booked a table for {number} | it sits near the {landmark}, and {we} {ate} there in {month} | {we} came
            for {person}'s birthday | it opened near the {landmark} last {season} | {we} ordered the {food} and
            shared a {food} | {name}, who cooks {cuisine} food at home, took us there
        """,
        "ate": "ate | dined | had lunch | had dinner | met | stopped",
        "whole": """
            {head} | {head} | {cuisine} {head} | {head} near the {landmark} | {cuisine} {head} by the {landmark}
        """,
    },
    "hotels": {
        "open_domain": """
            on arrival | during our {number} nights there | after a late flight | in the high season | at check-out
            | for a short break | on a business trip | with small children
        """,
        "context": """
            {we} {stayed} there with {company} in {month} | {we} {stayed} there for {number} nights last {season} |
            {person} booked it for our trip to {city} | it stands {number} minutes from the {landmark} | our room
            looked out on the {landmark} | {we} came from {city} by train on a {weather} {day} | it lies between the
            {landmark} and the {landmark}
        """,
        "stayed": "stayed | slept | spent the holidays | rested",
        "whole": "{head} | {head} | {head} near the {landmark} | {head} in {city} | {head} by the {landmark}",
    },
}
WORD_SLOTS = {"noun": "noun", "feeling": "feeling", "badly": "manner", "adj_any": "general"}
AN = re.compile(r"\b([Aa]) (?=[aio]|e(?!u)|u(?!ni[fqtvo]|s[ei]|til)|hour|honest)", re.IGNORECASE)


def lexicon(pool: str = "all") -> dict[tuple[str, int], list[str]]:
    """Opinion words by (kind, polarity ±1) from `pool`: "seen", "novel" or "all". Flips: polarity in films."""
    sides = {"seen": (0,), "novel": (1,), "all": (0, 1)}[pool]
    lists = {**V.OPINIONS, "verdict": V.VERDICTS, "flip": V.FLIPS}
    return {
        (kind, sign): [word for side in sides for word in V.split_words(both[sign < 0])[side]]
        for kind, both in lists.items()
        for sign in (1, -1)
    }


def opinion_keys(pool: str) -> set[str]:
    """The single word forms that carry opinion in `pool` (verbs in both forms, verdicts by their marked word)."""
    keys = set()
    for (kind, _), entries in lexicon(pool).items():
        for entry in entries:
            keys.update([re.search(r"\*(.+)\*", entry)[1]] if kind == "verdict" else entry.split("/"))
    return keys


class Writer:
    """Writes reviews of one domain with the opinion words of one pool."""

    def __init__(self, domain: str, pool: str, rng: Random, flip_share: float = 0.1, shares=LABELED_SHARES):
        self.domain, self.rng, self.flip_share, self.shares = domain, rng, flip_share, shares
        self.words = lexicon(pool)
        self.rules = {
            name: [" ".join(template.split()) for template in text.split("|")]
            for name, text in (RULES | DOMAIN_RULES[domain]).items()
        }
        lists = {**V.CONTEXT, "unit": V.UNITS[domain]}
        lists |= {
            "again": V.AGAIN[domain],
            "period": V.PERIODS[domain],
            "food": "soup,salad,pizza,curry,cheesecake,burger",
        }
        self.lists = {name: text.split(",") for name, text in lists.items()}
        self.aspects = [
            (noun, number, kind)
            for kind, groups in V.ASPECTS[domain].items()
            for number, nouns in zip("smp", groups.split(";"), strict=False)
            for noun in filter(None, nouns.split(","))
        ]
        self.heads = V.WHOLES[domain].split(",")
        self.flip_aspects = V.FLIP_ASPECTS.get(domain, "").split(",")

    def review(self, label: int) -> str:
        """One review of 6–25 words whose sentiment is `label` (0 negative, 1 positive)."""
        while True:
            self.used, self.tense = set(), self.pick(("past", "past", "present"))
            self.head = self.pick(self.heads)
            shape = self.rng.random()
            shape = SHAPES[(shape > self.shares[0]) + (shape > self.shares[0] + self.shares[1])]
            text = self.polish(self.expand("{" + shape + "+}", 1 if label else -1, None))
            if 6 <= len(text.split()) <= 25:
                return text

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def fresh(self, items):
        """One of `items` not yet used in this review, if any is left."""
        item = self.pick([i for i in items if i not in self.used] or items)
        self.used.add(item)
        return item

    def expand(self, text: str, sign: int, aspect) -> str:
        def slot(match):
            turned = -sign if match[2] == "-" else sign
            return self.symbol(match[1], turned, aspect)

        return re.sub(r"\{(\w+)([+-]?)\}", slot, text)

    def symbol(self, name: str, sign: int, aspect) -> str:
        if name in ("clause", "statement", "denial"):
            aspect = self.new_aspect()
            templates = self.rules[name]
            if name == "clause" and aspect[1] != "p" and aspect[2] not in ("people", "acting"):
                templates = templates + self.rules["clause_singular"]
            return self.expand(self.fresh(templates), sign, aspect)
        if name in self.rules:
            return self.expand(self.pick(self.rules[name]), sign, aspect)
        if name in self.lists:
            return self.expand(self.fresh(self.lists[name]), sign, None)
        if name in WORD_SLOTS:
            return self.fresh(self.words[WORD_SLOTS[name], sign])
        return getattr(self, "_" + name)(sign, aspect)

    def new_aspect(self):
        flips = [a for a in self.aspects if a[0] in self.flip_aspects and a not in self.used]
        aspect = self.pick(flips) if flips and self.rng.random() < self.flip_share else self.fresh(self.aspects)
        self.used.add(aspect)
        return aspect

    def adjective(self, kind: str, sign: int, flips: bool) -> str:
        if flips and self.rng.random() < self.flip_share:
            return self.fresh(self.words["flip", sign if self.domain == "films" else -sign])
        kind = "general" if self.rng.random() < (0.15 if kind in ("people", "price") else 0.4) else kind
        return self.fresh(self.words[kind, sign])

    def _adj(self, sign, aspect):
        return self.adjective(aspect[2], sign, aspect[0] in self.flip_aspects)

    def _adj_whole(self, sign, aspect):
        return self.adjective(V.WHOLE_KINDS[self.domain], sign, self.flip_aspects != [""])

    def _head(self, sign, aspect):
        return self.head

    def _a_adj(self, sign, aspect):
        return "a " + self._adj_whole(sign, aspect)

    def _a_noun(self, sign, aspect):
        return "a " + self.fresh(self.words["noun", sign])

    def _loved(self, sign, aspect):
        return self.fresh(self.words["verb", sign]).split("/")[0]

    def _love(self, sign, aspect):
        return self.fresh(self.words["verb", sign]).split("/")[1]

    def _verdict(self, sign, aspect):
        return self.expand(self.fresh(self.words["verdict", sign]).replace("*", ""), sign, None)

    def _the(self, sign, aspect):
        return "the " + aspect[0]

    def _np_def(self, sign, aspect):
        return "the " + self.new_aspect()[0]

    def _np(self, sign, aspect):
        aspect = self.new_aspect()
        return ("a " if aspect[1] == "s" else "") + self._adj(sign, aspect) + " " + aspect[0]

    def _np_the(self, sign, aspect):
        aspect = self.new_aspect()
        return f"the {self._adj(sign, aspect)} {aspect[0]}"

    def _be(self, sign, aspect):
        if self.tense == "past":
            return "were" if aspect[1] == "p" else "was"
        return "are" if aspect[1] == "p" else "is"

    def _be_sg(self, sign, aspect):
        return "was" if self.tense == "past" else "is"

    def _be_past(self, sign, aspect):
        return "were" if aspect[1] == "p" else "was"

    def _made(self, sign, aspect):
        return self.pick(V.PARTICIPLES[aspect[2]].split())

    def _seem(self, sign, aspect):
        verb = self.pick(("seem", "look", "feel") if aspect[2] != "people" else ("seem", "appear", "look"))
        if self.tense == "past":
            return {"feel": "felt"}.get(verb, verb + "ed")
        return verb if aspect[1] == "p" else verb + "s"

    def _we(self, sign, aspect):
        return self.pick(("we", "I"))

    def polish(self, text: str) -> str:
        """Articles, spacing and capitals."""
        text = AN.sub(r"\1n ", " ".join(text.split()))
        return re.sub(r"(^|[.!] )([a-z])", lambda m: m[1] + m[2].upper(), text)


def write_reviews(domain: str, pool: str, rng: Random, flip_share: float = 0.1, shares=LABELED_SHARES):
    """Endless (text, label) of one domain, labels in alternation."""
    writer = Writer(domain, pool, rng, flip_share, shares)
    while True:
        for label in (0, 1):
            yield writer.review(label), label


def generate_unlabeled(n: int = 60_000, seed: int = 0) -> list[str]:
    """`n` reviews of all four domains with all opinion words, without their labels: the text for pretraining.

    The domains' shares are `DOMAIN_SHARES` (hotels: 3 %), those of negation and contrast `UNLABELED_SHARES`.
    """
    rng = Random(seed)
    streams = {domain: write_reviews(domain, "all", rng, 0.2, UNLABELED_SHARES) for domain in V.DOMAINS}
    domains, shares = list(DOMAIN_SHARES), list(DOMAIN_SHARES.values())
    return [next(streams[domain])[0] for domain in rng.choices(domains, shares, k=n)]


def labeled(domain: str, flips: bool = False, seed: int = 2024) -> list[tuple[str, int, str]]:
    """All labeled (text, label, split) of a domain, no text twice. `flips`: most reviews hold a flipping word."""
    taken, rows = set(), []
    for split, size in SPLITS.items():
        rng = Random(f"{seed} {domain} {split} {flips}")
        pool = "novel" if split == "test_novel" else "seen"
        stream = write_reviews(domain, pool, rng, flip_share=0.9 if flips else 0.1)
        fresh = ((text, label) for text, label in stream if not (text in taken or taken.add(text)))
        chosen = [next(r for r in fresh if r[1] == i % 2) for i in range(size)]
        rng.shuffle(chosen)
        rows += [(text, label, split) for text, label in chosen]
    return rows


def build_reviews(out: Path | None = None) -> None:
    """Write the labeled sets to `out` (default: the course's data folder), one Parquet file per domain."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = Path(out or settings.data_dir() / "reviews")
    out.mkdir(parents=True, exist_ok=True)
    for name in [*V.DOMAINS, "films-flips", "gadgets-flips"]:
        domain, _, flips = name.partition("-")
        columns = zip(*labeled(domain, bool(flips)), strict=True)
        table = pa.table(dict(zip(("text", "label", "split"), columns, strict=True)))
        with settings.replacing(out / f"{name}.parquet") as path:
            pq.write_table(table, path, compression="zstd", compression_level=19)


def load_reviews(domain: str = "films", split: str = "train", *, flips: bool = False):
    """One labeled set as a `datasets.Dataset` with columns `text` and `label` (0 negative, 1 positive).

    Splits: `train` (4000), `validation` and `test` (1000 each) use the opinion words of the labeled world;
    `test_novel` (1000) uses only opinion words that no labeled training text contains.
    `flips` (films and gadgets only): nine in ten of the places that can hold a word whose polarity depends on the
    domain do hold one.

    Raises CourseError for an unknown domain or split.
    """
    import pyarrow.parquet as pq
    from datasets import ClassLabel, Dataset, Features, Value

    if domain not in V.DOMAINS:
        raise CourseError(f"There are no reviews of '{domain}'.", f"Choose one of: {', '.join(V.DOMAINS)}.")
    if split not in SPLITS:
        raise CourseError(f"The reviews have no split '{split}'.", f"Choose one of: {', '.join(SPLITS)}.")
    if flips and domain not in ("films", "gadgets"):
        raise CourseError(
            f"No word of the {domain} reviews changes its polarity.", "Take flips=True with films or gadgets."
        )
    path = settings.data_dir() / "reviews" / f"{domain}{'-flips' if flips else ''}.parquet"
    table = pq.read_table(path, filters=[("split", "==", split)], columns=["text", "label"])
    features = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    return Dataset.from_dict(table.to_pydict(), features=features)


def load_handwritten_reviews():
    """A test set outside the grammar, written one by one: a Dataset with `text`, `label` and `domain`."""
    from datasets import ClassLabel, Dataset, Features, Value

    with open(settings.data_dir() / "reviews" / "handwritten.csv", encoding="utf-8", newline="") as file:
        rows = [row | {"label": int(row["label"])} for row in csv.DictReader(file)]
    features = Features(
        {"text": Value("string"), "label": ClassLabel(names=["negative", "positive"]), "domain": Value("string")}
    )
    return Dataset.from_list(rows, features=features)
