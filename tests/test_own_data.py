"""A student's own data: what works, and the one sentence each kind of bad file gets."""

import numpy
import pytest
from datasets import Dataset
from PIL import Image

from course_utils import settings
from course_utils.datasets.own import load_csv, load_hub, load_image_folder, load_npz, take
from course_utils.errors import CourseError


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def images():
    return numpy.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=numpy.uint8)


# CSV


def test_csv_with_bom_unicode_and_quoted_newlines(tmp_path):
    file = write(tmp_path / "a.csv", 'text,label\n"Grüße,\nWelt 🙂",ja\n你好,nein\nplain,ja\n', "utf-8-sig")
    data = load_csv(file)
    assert data["text"][:] == ["Grüße,\nWelt 🙂", "你好", "plain"]
    assert data.features["label"].names == ["ja", "nein"]
    assert data["label"][:] == [0, 1, 0]


def test_csv_labels_may_be_numbers_or_words_that_look_missing(tmp_path):
    data = load_csv(write(tmp_path / "a.csv", "id,body,stars\n1,good,5\n2,bad,1\n"), "body", "stars")
    assert data.features["label"].names == ["1", "5"] and data["label"][:] == [1, 0]
    data = load_csv(write(tmp_path / "b.csv", "text,label\nNA,None\nnull,some\n"))
    assert data["text"][:] == ["NA", "null"] and data.features["label"].names == ["None", "some"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("\n\n", "no table"),
        ("text,label\n", "no rows"),
        ("review,score\nfine,1\n", "no column 'text'; it has: review, score"),
        ("text;label\nfine;1\n", "no column 'text'; it has: text;label"),
        ("text,label\na,x\n,y\nb,x\n  ,y\n", "2 empty or NaN values in column 'text', the first in row 2 "),
        ("text,label\na,x\nb,y\nc,nan\n", "1 empty or NaN values in column 'label', the first in row 3 "),
        ("text,label\na,x\nb,x\n", "only one class: 'x'"),
        ("text,label\na,x\nb,y,z,w\n", "no table"),
    ],
)
def test_csv_says_what_is_wrong(tmp_path, content, says):
    with pytest.raises(CourseError) as caught:
        load_csv(write(tmp_path / "a.csv", content))
    assert says in caught.value.what and caught.value.mend


def test_csv_missing_or_not_utf8(tmp_path):
    with pytest.raises(CourseError, match="There is no file"):
        load_csv(tmp_path / "none.csv")
    with pytest.raises(CourseError, match="not UTF-8"):
        load_csv(write(tmp_path / "a.csv", "text,label\nschön,1\nöde,0\n", "latin-1"))


# npz


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_npz_shapes_and_types(tmp_path, images, shape, channels):
    x = numpy.broadcast_to(images.reshape(6, 28, 28, *[1] * len(shape)), (6, 28, 28, *shape))
    both = []
    for name, stored in (("int", x), ("float", x / 255)):
        numpy.savez(tmp_path / name, x=stored, y=numpy.array([10, 9, 10, 9, 2, 2]))
        both.append(load_npz(tmp_path / f"{name}.npz", channels=channels))
    a, b = (data.with_format("numpy")[:]["image"] for data in both)
    assert a.shape == (6, channels, 32, 32) and a.dtype == numpy.float32 and 0 <= a.min() <= a.max() <= 1
    numpy.testing.assert_allclose(a, b, atol=1e-6)
    assert both[0].features["label"].names == ["2", "9", "10"]
    assert both[0]["label"][:] == [2, 1, 2, 1, 0, 0]


def test_npz_of_the_right_size_is_not_touched_and_labels_may_be_words(tmp_path):
    x = numpy.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype=numpy.uint8)
    numpy.savez(tmp_path / "a", x=x, y=numpy.array(["cat", "ant", "cat", "ant"]))
    data = load_npz(tmp_path / "a.npz")
    numpy.testing.assert_allclose(data.with_format("numpy")[:]["image"][:, 0] * 255, x, atol=1e-4)
    assert data.features["label"].names == ["ant", "cat"]


BAD_ARRAYS = {
    "the shape (6, 784)": lambda x: x.reshape(6, -1),
    "the shape (6, 1, 28, 28)": lambda x: x[:, None],
    "the shape (0, 28, 28)": lambda x: x[:0],
    "are int64": lambda x: x.astype(numpy.int64),
    "2 of the images": lambda x: numpy.where(numpy.isin(numpy.arange(6), (3, 5))[:, None, None], numpy.nan, x / 255),
    "range from 0 to 255": lambda x: numpy.where(x < 128, 0.0, 255.0),
    "range from -1 to 1": lambda x: numpy.where(x < 128, -1.0, 1.0),
}


@pytest.mark.parametrize("says", BAD_ARRAYS)
def test_npz_images_say_what_is_wrong(tmp_path, images, says):
    numpy.savez(tmp_path / "a", x=BAD_ARRAYS[says](images), y=numpy.arange(6) % 2)
    with pytest.raises(CourseError) as caught:
        load_npz(tmp_path / "a.npz")
    assert says in caught.value.what and caught.value.mend


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (numpy.arange(5) % 2, "6 images, but y has the shape (5,)"),
        (numpy.eye(6), "y has the shape (6, 6)"),
        (numpy.linspace(0, 1, 6), "are float64"),
        (numpy.full(6, 7), "only one class: '7'"),
    ],
)
def test_npz_labels_say_what_is_wrong(tmp_path, images, labels, says):
    numpy.savez(tmp_path / "a", x=images, y=labels)
    with pytest.raises(CourseError) as caught:
        load_npz(tmp_path / "a.npz")
    assert says in caught.value.what and caught.value.mend


def test_npz_file_itself(tmp_path, images):
    numpy.savez(tmp_path / "names", images=images, labels=numpy.arange(6))
    numpy.savez(tmp_path / "objects", x=images, y=numpy.array([None] * 6))
    cases = {
        "none.npz": "There is no file",
        "empty.npz": "is empty",
        "text.npz": "cannot be read as .npz",
        "objects.npz": "cannot be read as .npz",
        "names.npz": "holds the arrays images, labels, but not both x and y",
    }
    (tmp_path / "empty.npz").touch()
    write(tmp_path / "text.npz", "no archive")
    for name, says in cases.items():
        with pytest.raises(CourseError) as caught:
            load_npz(tmp_path / name)
        assert says in caught.value.what


# Folders of images


def test_image_folder(tmp_path, images):
    for index, (name, image) in enumerate(zip(["b", "a", "a"], images, strict=False)):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / name / f"{index}.png")
    data = load_image_folder(tmp_path, size=28)
    assert data.features["label"].names == ["a", "b"] and data["label"][:] == [0, 0, 1]
    got = data.with_format("torch")[:]["image"].numpy()
    numpy.testing.assert_allclose(got[:, 0] * 255, images[[1, 2, 0]], atol=1e-3)
    assert load_image_folder(tmp_path, channels=3).with_format("torch")[0]["image"].shape == (3, 32, 32)


def test_image_folder_says_what_is_wrong(tmp_path, images):
    def fails(says):
        with pytest.raises(CourseError) as caught:
            load_image_folder(tmp_path / "set")
        assert says in caught.value.what and caught.value.mend

    fails("There is no folder")
    (tmp_path / "set").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "set" / "loose.png")
    fails("has no class subfolders")
    (tmp_path / "set" / "a").mkdir()
    fails("a")
    Image.fromarray(images[0]).save(tmp_path / "set" / "a" / "0.png")
    fails("only one class: 'a'")
    (tmp_path / "set" / "b").mkdir()
    write(tmp_path / "set" / "b" / "0.png", "not an image")
    fails("0.png cannot be read as an image")


# The hub, samples, the cache


@pytest.mark.parametrize("offline", [True, False])
def test_hub_out_of_reach_is_one_sentence(offline, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(CourseError) as caught:
        load_hub("nobody/nothing-of-that-name", embedded="load_digits()")
    assert "nobody/nothing-of-that-name" in caught.value.what and "load_digits()" in caught.value.mend
    assert "\n" not in str(caught.value)
    assert offline or "refused" in caught.value.what
    assert capfd.readouterr().err == ""


def test_hub_takes_a_local_folder_and_says_which_split_is_missing(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "train.csv", "text,label\na,0\nb,1\n")
    assert load_hub(str(tmp_path / "set"))["text"][:] == ["a", "b"]
    with pytest.raises(CourseError, match="split 'test'"):
        load_hub(str(tmp_path / "set"), "test")
    assert capfd.readouterr().err == ""


def test_take_is_even_nested_and_seeded():
    labels = [0] * 50 + [1] * 20 + [2] * 30
    data = Dataset.from_dict({"label": labels, "row": list(range(100))})
    small, large = take(data, 10, seed=1), take(data, 31, seed=1)
    assert sorted(numpy.bincount(small["label"][:])) == [3, 3, 4]
    assert sorted(numpy.bincount(large["label"][:])) == [10, 10, 11]
    assert set(small["row"][:]) < set(large["row"][:])
    assert take(data, 10, seed=1)["row"][:] == small["row"][:] != take(data, 10, seed=2)["row"][:]
    assert large["label"][:] != sorted(large["label"][:])
    assert take(data.rename_column("label", "y"), 60, seed=0, label="y").num_rows == 60


def test_take_says_what_is_too_much():
    data = Dataset.from_dict({"label": [0] * 8 + [1] * 2})
    for n, says in ((11, "the data set has 10"), (0, "0 rows"), (6, "Class 1 has 2 rows")):
        with pytest.raises(CourseError) as caught:
            take(data, n, seed=0)
        assert says in caught.value.what
    assert caught.value.mend == "Ask for at most 4 rows."
    with pytest.raises(CourseError, match="no column 'y'; it has: label"):
        take(data, 2, seed=0, label="y")


def test_unwritable_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(write(tmp_path / "file", "") / "below"))
    with pytest.raises(CourseError, match="cannot be written"):
        settings.cache_dir()
