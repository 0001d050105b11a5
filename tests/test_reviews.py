"""The review world: labels, splits, articles, and that the stored sets are the ones the grammar writes."""

import re
from collections import Counter
from itertools import islice
from random import Random

import pyarrow.parquet as pq
import pytest

from course_utils.datasets import vocabulary
from course_utils.datasets.reviews import (
    SPLITS,
    build_reviews,
    generate_unlabeled,
    lexicon,
    load_handwritten_reviews,
    load_reviews,
    opinion_keys,
    write_reviews,
)
from course_utils.errors import CourseError
from course_utils.settings import data_dir

SETS = [(domain, False) for domain in vocabulary.DOMAINS] + [("films", True), ("gadgets", True)]

TURNS = set(re.findall(r"\w+", "not no never nothing nobody neither hardly far anything but yet although though even"))
TURNS |= {"despite", "expected", "found", "or", "told"}


def words(text):
    return re.findall(r"[a-z-]+", text.lower())


@pytest.fixture(scope="module")
def corpus():
    return generate_unlabeled(15_000, seed=1)


@pytest.mark.parametrize(("domain", "flips"), SETS)
def test_splits_have_their_sizes_balanced_labels_and_no_text_twice(domain, flips):
    seen = set()
    for split, size in SPLITS.items():
        data = load_reviews(domain, split, flips=flips)
        assert data.column_names == ["text", "label"]
        assert data.features["label"].names == ["negative", "positive"]
        assert len(data) == size and sum(data["label"]) == size // 2
        texts = set(data["text"])
        assert len(texts) == size and not texts & seen
        seen |= texts


@pytest.mark.parametrize(("domain", "flips"), SETS)
def test_opinion_words_of_the_novel_test_are_never_labeled_elsewhere(domain, flips):
    seen, novel = opinion_keys("seen"), opinion_keys("novel")
    assert not seen & novel
    for split in SPLITS:
        forbidden = seen if split == "test_novel" else novel
        found = {w for text in load_reviews(domain, split, flips=flips)["text"] for w in words(text)} & forbidden
        assert not found, found


def test_about_a_third_of_the_opinion_words_is_novel():
    share = len(opinion_keys("novel")) / len(opinion_keys("all"))
    assert 0.3 < share < 0.4


def test_an_opinion_word_has_one_polarity():
    keys = Counter(
        w for both in [*vocabulary.OPINIONS.values(), vocabulary.FLIPS] for text in both for w in text.split()
    )
    assert [w for w, n in keys.items() if n > 1] == []


def test_unlabeled_text_holds_the_whole_vocabulary(corpus):
    counts = Counter(w for text in corpus for w in words(text))
    assert len(counts) >= 1500
    assert min(counts[key] for key in opinion_keys("novel")) >= 5
    hotels = sum(any(re.search(rf"\b{w}\b", text) for w in ("hotel", "lobby", "receptionist")) for text in corpus)
    assert 0 < hotels / len(corpus) < 0.05


def test_unlabeled_text_depends_on_the_seed_only():
    assert generate_unlabeled(50, 3) == generate_unlabeled(50, 3) != generate_unlabeled(50, 4)


def test_sentences_are_well_formed(corpus):
    for text in corpus:
        assert 6 <= len(text.split()) <= 25, text
        assert text[0].isupper() and text[-1] in ".!" and not re.search(r"[{}_*]|  | ,|\s\.", text), text
        assert not re.search(r"\b[Aa] [aio]\w", text.replace("a one", "")), text
        assert not re.search(r"\b[Aa]n [bcdfgjklmnpqrstvwxyz]", text), text


def test_few_openings_are_repeated(corpus):
    openings = Counter(" ".join(text.split()[:3]) for text in corpus)
    assert openings.most_common(1)[0][1] < 0.02 * len(corpus)


def test_polarity_of_plain_reviews_agrees_with_their_words():
    positive, negative = (
        {
            word
            for (kind, s), entries in lexicon("all").items()
            for word in entries
            if s == sign and kind not in ("flip", "verdict", "verb")
        }
        for sign in (1, -1)
    )
    checked = 0
    for text, label in islice(write_reviews("restaurants", "all", Random(5)), 3000):
        found = set(words(text))
        if not found & TURNS and found & (positive | negative):
            checked += 1
            assert not found & (negative if label else positive), (text, label)
    assert checked > 1000


@pytest.mark.parametrize(
    ("pattern", "inner"),
    [
        (r"was neither (\w+) nor (\w+)\.$", -1),
        (r"was anything but (\w+)\.$", -1),
        (r"^Although .*, this \w+ was (\w+) and (\w+)\.$", 1),
        (r"had called it \w+, but I found it (\w+)\.$", 1),
    ],
)
def test_negation_turns_and_the_main_clause_decides(pattern, inner):
    polarity = {
        w: s for (kind, s), entries in lexicon("all").items() for w in entries if kind not in ("flip", "verdict")
    }
    hits = 0
    for text, label in islice(write_reviews("hotels", "all", Random(6)), 20_000):
        for word in re.search(pattern, text).groups() if re.search(pattern, text) else ():
            hits += 1
            assert inner * polarity[word] == (1 if label else -1), text
    assert hits > 5


def test_flipping_words_have_opposite_labels_in_films_and_gadgets():
    labels = {
        domain: {
            label
            for text, label in islice(write_reviews(domain, "all", Random(7), 0.9), 5000)
            if {"predictable", "uniform", "safe"} & set(words(text)) and not TURNS & set(words(text))
        }
        for domain in ("films", "gadgets")
    }
    assert labels == {"films": {0}, "gadgets": {1}}


def test_most_reviews_of_a_flips_set_hold_a_flipping_word():
    flips = {w for text in vocabulary.FLIPS for w in text.split()}
    share = {
        flag: sum(bool(flips & set(words(t))) for t in load_reviews("films", "test", flips=flag)["text"]) / 1000
        for flag in (False, True)
    }
    assert share[False] < 0.25 < 0.6 < share[True]


def test_stored_sets_are_what_the_grammar_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "DOMAINS", ("hotels",))
    build_reviews(tmp_path)
    for name in ("hotels", "gadgets-flips"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(
            pq.read_table(data_dir() / "reviews" / f"{name}.parquet")
        )


def test_handwritten_reviews_are_balanced_and_not_from_the_grammar():
    data = load_handwritten_reviews()
    assert len(data) >= 300 and len(set(data["text"])) == len(data)
    assert set(Counter(zip(data["domain"], data["label"], strict=True)).values()) == {39}
    generated = {t for domain in vocabulary.DOMAINS for s in SPLITS for t in load_reviews(domain, s)["text"]}
    assert not generated & set(data["text"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("books",), "books"), (("films", "dev"), "dev")],
)
def test_an_unknown_domain_or_split_is_named(arguments, word):
    with pytest.raises(CourseError, match=word):
        load_reviews(*arguments)
    with pytest.raises(CourseError, match="hotels"):
        load_reviews("hotels", flips=True)
