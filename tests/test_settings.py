"""Profiles, devices, paths and atomic writes."""

import random

import numpy as np
import pytest
import torch

from course_utils import settings
from course_utils.errors import CourseError


def test_default_profile_is_laptop(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert settings.profile() == "laptop"


@pytest.mark.parametrize(("name", "size"), [("ci", 1), ("laptop", 2), ("full", 3)])
def test_pick_follows_the_profile(monkeypatch, name, size):
    monkeypatch.setenv("COURSE_PROFILE", name)
    assert settings.pick(ci=1, laptop=2, full=3) == size
    assert settings.pick(ci=1, laptop=2) == min(size, 2)


def test_unknown_profile_names_the_known_ones(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "huge")
    with pytest.raises(CourseError, match=r"'huge'.*ci, laptop, full"):
        settings.profile()


def test_unknown_device(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "toaster")
    with pytest.raises(CourseError, match="toaster"):
        settings.device()


def test_seed_everything_seeds_all_three():
    def draw():
        settings.seed_everything(3)
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert draw() == draw()


def test_home_without_data(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    with pytest.raises(CourseError, match="data folder is missing"):
        settings.home()


def test_unwritable_cache(monkeypatch, tmp_path):
    # A file in the way stands for any folder that cannot be made; it stops root as well.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CourseError, match="cannot be written"):
        settings.cache_dir()


def test_replacing_keeps_the_old_file_after_an_interruption(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), settings.replacing(path) as new:
        new.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_replacing_a_folder(tmp_path):
    for content in ("first", "second"):
        with settings.replacing(tmp_path / "folder") as new:
            new.mkdir()
            (new / content).write_text(content)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["second"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_replacing_a_folder_interrupted_at_the_last_moment_keeps_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(settings.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), settings.replacing(tmp_path / "folder") as new:
        new.mkdir()
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["folder", "folder/old"]


def test_progress_writes_to_standard_output_only(capsys):
    assert list(settings.progress(range(3), "counting")) == [0, 1, 2]
    captured = capsys.readouterr()
    assert "counting" in captured.out
    assert captured.err == ""
