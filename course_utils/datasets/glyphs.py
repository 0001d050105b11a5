"""Images: letters drawn from computer fonts (the source world) and handwritten digits (the target).

Both come as float32 images (1, 32, 32) in [0, 1], bright strokes on black. The digits are the 1797 of scikit-learn
(UCI "Optical Recognition of Handwritten Digits", Alpaydin & Kaynak 1998), stored there as 8×8 counts of the ink in
4×4 blocks of a 32×32 bitmap. Half of the glyphs are sent through the same count, so that a network trained on
letters has seen the blur of the digits, but never a digit.
"""

import functools
from pathlib import Path

import numpy
import torch
from torch.nn import functional

from course_utils.errors import CourseError

SIZE = 32
CLASSES = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
"""The 26 capitals, and the 11 small letters whose shape is not the capital's (the merging of EMNIST "balanced")."""
# Small letters drawn for the capital's class. i and l are left out: cut to their outline they look like I or j.
ALIKE = "ckmopsuvwxyz"
HELD_OUT_FONTS = ("DejaVuSerif-BoldItalic", "STIXGeneralItalic", "cmtt10")
FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic")),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta", "cmb10", "cmmi10", "cmr10", "cmss10", "cmti10"),
)
POOL = 1000
# Far from the seeds of pretraining, so that load_glyphs never gives an image a backbone was trained on.
UNSEEN = 3_000_000_000
_CANVAS = 64


def load_digits(split: str = "pool"):
    """Handwritten digits as a `datasets.Dataset` with `image` (float32, (1, 32, 32), in [0, 1]) and `label` (0–9).

    `split` "pool" is the first 1000 samples, to train and choose with; "test" is the last 797. The samples stand in
    the order of the sheets they were written on; the test digits are from other sheets (but for 29, see
    data/digits/README.md).
    Raises CourseError on another split.
    """
    if split not in ("pool", "test"):
        raise CourseError(f"The digits have no split '{split}'.", 'Take split="pool" or split="test".')
    from sklearn import datasets

    counts, labels = datasets.load_digits(return_X_y=True)
    part = slice(POOL) if split == "pool" else slice(POOL, None)
    counts = torch.from_numpy(counts[part]).float().view(-1, 1, 8, 8)
    return as_dataset(enlarge(counts / 16), labels[part], [str(d) for d in range(10)])


def load_glyphs(n: int, seed: int, held_out_fonts: bool = False):
    """`n` random letters as a `datasets.Dataset` with `image` (float32, (1, 32, 32), in [0, 1]) and `label` (37).

    The same `n` and `seed` give the same images. `held_out_fonts` draws from the three fonts that no backbone of the
    course was pretrained on. Raises CourseError if `n` is not positive.
    """
    if n < 1:
        raise CourseError(f"load_glyphs was asked for {n} glyphs.", "Ask for at least one.")
    generator = torch.Generator().manual_seed(UNSEEN + seed)
    sizes = [min(1024, n - start) for start in range(0, n, 1024)]
    images, labels = zip(*(draw(size, generator, held_out_fonts) for size in sizes), strict=True)
    return as_dataset(torch.cat(images), torch.cat(labels).numpy(), list(CLASSES))


def as_dataset(images, labels, names: list[str]):
    """Images (N, C, H, W) and integer labels (N,) as a `datasets.Dataset`; `names` are the classes in order."""
    import datasets

    images = numpy.ascontiguousarray(images, dtype=numpy.float32)
    features = datasets.Features(
        image=datasets.Array3D(shape=images.shape[1:], dtype="float32"), label=datasets.ClassLabel(names=names)
    )
    return datasets.Dataset.from_dict(
        {"image": images, "label": numpy.asarray(labels, dtype=numpy.int64)}, features=features
    )


def count_blocks(images: torch.Tensor) -> torch.Tensor:
    """Share of ink per 4×4 block of the bitmap, as UCI made the digits: (N, 1, 32, 32) → (N, 1, 8, 8)."""
    return functional.avg_pool2d((images > 0.5).float(), 4)


def enlarge(blocks: torch.Tensor) -> torch.Tensor:
    """(N, 1, 8, 8) → (N, 1, 32, 32), bilinear."""
    return functional.interpolate(blocks, size=SIZE, mode="bilinear", align_corners=False)


def draw(n: int, generator: torch.Generator, held_out_fonts: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """`n` random glyphs: images (n, 1, 32, 32) in [0, 1] and labels (n,).

    Each gets its own affine map, a smooth random bending, a stroke width, and either noise and contrast or the
    digits' block count. All randomness comes from `generator` (on the CPU).
    """
    bank, classes = _bank(HELD_OUT_FONTS if held_out_fonts else FONTS)

    def uniform(low, high, *shape):
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    labels = torch.randint(len(CLASSES), (n,), generator=generator)
    # Pick within the class: some have more drawings than others and must not come up more often.
    of_class = [torch.nonzero(classes == c).flatten() for c in range(len(CLASSES))]
    pick = torch.rand(n, generator=generator)
    chosen = torch.stack([of_class[c][int(p * len(of_class[c]))] for c, p in zip(labels.tolist(), pick, strict=True)])

    angle, shear = uniform(-0.3, 0.3), uniform(-0.35, 0.35)
    wide, high = uniform(0.85, 1.5), uniform(0.8, 1.15)  # of the sampled window: above 1 the glyph shrinks
    cos, sin = angle.cos(), angle.sin()
    shift = uniform(-0.1, 0.1, 2)
    affine = torch.stack(
        [
            torch.stack([wide * cos, wide * (shear - sin), shift[:, 0]], 1),
            torch.stack([high * sin, high * cos, shift[:, 1]], 1),
        ],
        1,
    )
    grid = functional.affine_grid(affine, (n, 1, _CANVAS, _CANVAS), align_corners=False)
    bend = torch.randn(n, 2, 4, 4, generator=generator) * uniform(0.0, 0.09, 1, 1, 1)
    bend = functional.interpolate(bend, size=_CANVAS, mode="bicubic", align_corners=False)
    depth = functional.grid_sample(bank[chosen], grid + bend.permute(0, 2, 3, 1), "bilinear", "border", False)

    # Moving the threshold of a distance map widens or thins the stroke; a thin one is never thinned away.
    deepest = depth.amax((1, 2, 3))
    width = torch.maximum(uniform(-1.5, 3.5), 2.2 - deepest).view(-1, 1, 1, 1)
    images = functional.avg_pool2d((depth + width + 0.5).clamp(0, 1), _CANVAS // SIZE)

    counted = (torch.rand(n, generator=generator) < 0.5).view(-1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator) * uniform(0.0, 0.15, 1, 1, 1)
    noisy = (images * uniform(0.6, 1.0, 1, 1, 1) + noise).clamp(0, 1)
    return torch.where(counted, enlarge(count_blocks(images)), noisy), labels


@functools.cache
def _bank(fonts: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Every letter of every font, as distance maps (K, 1, 64, 64) in pixels (positive inside), with classes (K,).

    Each letter is cut to its outline and scaled so that its longer side is 52 pixels, as the digits were.
    """
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont
    from scipy.ndimage import distance_transform_edt

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    drawings = [(letter, CLASSES.index(letter)) for letter in CLASSES]
    drawings += [(letter, CLASSES.index(letter.upper())) for letter in ALIKE]
    maps, classes = [], []
    for name in fonts:
        font = ImageFont.truetype(folder / f"{name}.ttf", 160)
        for letter, index in drawings:
            page = Image.new("L", (320, 320))
            ImageDraw.Draw(page).text((80, 60), letter, fill=255, font=font)
            page = page.crop(page.getbbox())
            scale = 52 / max(page.size)
            page = page.resize([max(1, round(side * scale)) for side in page.size], Image.Resampling.BOX)
            canvas = Image.new("L", (_CANVAS, _CANVAS))
            canvas.paste(page, ((_CANVAS - page.width) // 2, (_CANVAS - page.height) // 2))
            ink = numpy.asarray(canvas) > 127
            maps.append(distance_transform_edt(ink) - distance_transform_edt(~ink))
            classes.append(index)
    return torch.from_numpy(numpy.stack(maps)).float().unsqueeze(1), torch.tensor(classes)
