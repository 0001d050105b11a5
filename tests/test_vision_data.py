"""The glyph world and the digits: what they promise about shapes, seeds, fonts and the absence of digits."""

import numpy
import pytest
import torch
from sklearn import datasets

from course_utils.datasets import glyphs, take
from course_utils.errors import CourseError


@pytest.mark.parametrize(
    "data",
    [lambda: glyphs.load_digits(), lambda: glyphs.load_glyphs(50, seed=0), lambda: glyphs.load_glyphs(50, 0, True)],
)
def test_columns(data):
    batch = data().with_format("torch")[:40]
    assert batch["image"].shape == (40, 1, 32, 32) and batch["image"].dtype == torch.float32
    assert batch["label"].dtype == torch.int64
    assert 0 <= batch["image"].min() < 0.1 and 0.9 < batch["image"].max() <= 1


def test_a_balanced_sample_gives_tensors():
    sample = take(glyphs.load_digits(), 50, seed=0).with_format("torch")[:]
    assert sample["image"].shape == (50, 1, 32, 32) and torch.bincount(sample["label"]).tolist() == [5] * 10


def test_digits_are_those_of_scikit_learn():
    counts, labels = datasets.load_digits(return_X_y=True)
    pool, test = (glyphs.load_digits(split).with_format("torch")[:] for split in ("pool", "test"))
    assert len(pool["label"]) == 1000 and len(test["label"]) == 797
    numpy.testing.assert_array_equal(torch.cat([pool["label"], test["label"]]), labels)
    images = torch.cat([pool["image"], test["image"]])
    # Bilinear enlargement by 4 keeps the mean of every image whose border is weighed right: compare the ink.
    ink = torch.from_numpy(counts).float().mean(1) / 16
    assert torch.corrcoef(torch.stack([images.mean((1, 2, 3)), ink]))[0, 1] > 0.99
    centers = torch.nn.functional.avg_pool2d(images[:, :, 1:-1, 1:-1], 2, stride=4)
    assert torch.corrcoef(torch.stack([centers.flatten(), torch.from_numpy(counts).flatten().float()]))[0, 1] > 0.98


def test_every_sheet_begins_with_the_same_list():
    from course_utils.backbones.pretrain_vision import SHEETS

    labels = glyphs.load_digits()["label"][:]
    for start in SHEETS:
        one = labels.index(1, start)
        assert one - start <= 1  # the last sheet lacks its first 0
        assert labels[one : one + 29] == labels[1:30]


def test_unknown_split_and_no_glyphs():
    with pytest.raises(CourseError, match="no split 'train'"):
        glyphs.load_digits("train")
    with pytest.raises(CourseError, match="0 glyphs"):
        glyphs.load_glyphs(0, seed=0)


def test_glyphs_follow_their_seed_only():
    torch.manual_seed(1)
    a = glyphs.load_glyphs(30, seed=5).with_format("torch")[:]
    before = torch.get_rng_state()
    b = glyphs.load_glyphs(30, seed=5).with_format("torch")[:]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a["image"], b["image"]) and torch.equal(a["label"], b["label"])
    assert not torch.equal(a["image"], glyphs.load_glyphs(30, seed=6).with_format("torch")[:]["image"])


def test_load_glyphs_gives_no_batch_of_pretraining():
    drawn, _ = glyphs.draw(64, torch.Generator().manual_seed(5))
    loaded = glyphs.load_glyphs(64, seed=5).with_format("torch")[:]["image"]
    assert torch.cdist(drawn.flatten(1), loaded.flatten(1)).min() > 1


def test_classes_come_up_equally_often():
    counts = numpy.bincount(glyphs.load_glyphs(3700, seed=0)["label"][:], minlength=37)
    assert len(counts) == 37 and abs(counts - 100).max() < 50  # five standard deviations


def test_letters_only_and_no_font_on_both_sides():
    assert all(letter.isalpha() for letter in (*glyphs.CLASSES, *glyphs.ALIKE))
    assert not set(glyphs.FONTS) & set(glyphs.HELD_OUT_FONTS)
    seen, held_out = glyphs._bank(glyphs.FONTS)[0], glyphs._bank(glyphs.HELD_OUT_FONTS)[0]
    assert len(seen) == 19 * 49 and len(held_out) == 3 * 49
    assert torch.cdist(seen.flatten(1), held_out.flatten(1)).min() > 0


def test_every_drawing_is_there_and_fills_its_square():
    for fonts in (glyphs.FONTS, glyphs.HELD_OUT_FONTS):
        bank, _ = glyphs._bank(fonts)
        ink = bank > 0
        height, width = ink.any(3).sum(2), ink.any(2).sum(2)
        assert (torch.maximum(height, width) >= 50).all()
        assert len(torch.unique(bank, dim=0)) > 0.98 * len(bank)


def test_no_glyph_is_empty_or_full():
    images = glyphs.load_glyphs(2000, seed=0).with_format("torch")[:]["image"]
    bright = (images > 0.3).float().mean((1, 2, 3))
    assert bright.min() > 0.01 and bright.max() < 0.95


def test_block_count():
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, :4, :4] = 0.6
    image[0, 0, 4:6, 8:12] = 1.0
    counts = glyphs.count_blocks(image)[0, 0] * 16
    assert counts.shape == (8, 8) and counts[0, 0] == 16 and counts[1, 2] == 8 and counts.sum() == 24
    assert glyphs.enlarge(torch.full((1, 1, 8, 8), 0.25)).unique().tolist() == [0.25]
