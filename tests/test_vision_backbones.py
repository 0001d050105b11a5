"""The vision backbones: what loads, what it gives, and that pretraining resumes exactly and passes its gate."""

import copy
import json
import pickle
import shutil

import numpy
import pytest
import torch
from torch import nn

from course_utils import settings
from course_utils.backbones import pretrain_vision as recipe
from course_utils.backbones.vision import EMBEDDED, GlyphResNet, load_vision
from course_utils.datasets import glyphs
from course_utils.errors import CourseError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("COURSE_VISION_MODEL", raising=False)


def normalized(images, spec):
    return (images - spec.mean[0]) / spec.std[0]


@pytest.fixture(scope="module")
def letters():
    return glyphs.load_glyphs(300, seed=123, held_out_fonts=True).with_format("torch")[:]


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded(name, letters, capfd):
    width = 96 if name == "vit" else 128
    features, logits, source = (load_vision(name, num_classes=n) for n in (None, 10, "source"))
    for model in (features, logits, source):
        assert not model.training
        assert model.input_spec.mean == recipe.MEAN and model.input_spec.std == recipe.STD
        assert (model.input_spec.size, model.input_spec.channels) == (32, 1)
    images = normalized(letters["image"], source.input_spec)
    with torch.inference_mode():
        assert features(images).shape == (300, width)
        assert logits(images).shape == (300, 10)
        accuracy = (source(images).argmax(1) == letters["label"]).float().mean()
    assert accuracy > 0.8
    captured = capfd.readouterr()
    assert captured.err == captured.out == ""


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_checkpoints_pass_their_gate(name):
    found = recipe.gate(load_vision(name, num_classes="source"))
    assert recipe.RECIPES[name].margin < found["low"] < found["gain"]
    assert found["gain"] == pytest.approx(found["probe"] - found["pixels"])


@pytest.mark.parametrize("name", EMBEDDED)
def test_random_weights_do_not_pass(name):
    torch.manual_seed(0)
    assert recipe.gate(load_vision(name, num_classes="source", pretrained=False))["low"] <= recipe.RECIPES[name].margin


@pytest.mark.parametrize("name", EMBEDDED)
def test_new_heads_and_random_weights_follow_the_global_seed(name):
    def state(**options):
        torch.manual_seed(3)
        return load_vision(name, num_classes=37, **options).state_dict()

    pretrained, again, source = state(), state(), load_vision(name, num_classes="source").state_dict()
    assert all(torch.equal(pretrained[key], again[key]) for key in pretrained)
    different = [key for key in source if not torch.equal(pretrained[key], source[key])]
    assert {key.rsplit(".", 1)[0] for key in different} == {"model.classifier" if name == "vit" else "fc"}
    random = state(pretrained=False)
    weights = [key for key, value in source.items() if value.ndim > 1]
    assert not any(torch.equal(random[key], source[key]) for key in weights)


def test_resnet_is_torchvisions():
    model = load_vision("resnet", num_classes=10)
    names = " ".join(name for name, _ in model.named_children())
    assert names == "conv1 bn1 relu maxpool layer1 layer2 layer3 layer4 avgpool fc"
    assert sum(p.numel() for p in load_vision("resnet").parameters()) == 307_248
    norms = [[m for m in load_vision(n).modules() if isinstance(m, nn.BatchNorm2d)] for n in ("resnet", "resnet_gn")]
    assert len(norms[0]) == 12 and len(norms[1]) == 0
    for name in EMBEDDED:
        model = load_vision(name, num_classes=10)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert twin.input_spec == model.input_spec
    with pytest.raises(CourseError, match="no norm 'layer'"):
        GlyphResNet(norm="layer")


def test_groupnorm_does_not_look_at_the_rest_of_the_batch(letters):
    images = letters["image"]
    alone, within = (load_vision("resnet_gn").train()(part).detach() for part in (images[:1], images[:20]))
    torch.testing.assert_close(alone[0], within[0])


def test_default_variable_and_local_folders(tmp_path, monkeypatch, letters):
    assert isinstance(load_vision(), GlyphResNet)
    for name in EMBEDDED:
        shutil.copytree(settings.data_dir() / "backbones" / name, tmp_path / name)
        monkeypatch.setenv("COURSE_VISION_MODEL", str(tmp_path / name))
        images = letters["image"][:8]
        with torch.inference_mode():
            torch.testing.assert_close(load_vision()(images), load_vision(name)(images))


def test_another_transformers_architecture(tmp_path, letters, capfd):
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(num_channels=3, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=5)
    ResNetForImageClassification(config).save_pretrained(tmp_path)
    processor = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"shortest_edge": 64}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    capfd.readouterr()
    features, logits = load_vision(str(tmp_path)), load_vision(str(tmp_path), num_classes=7)
    assert features.input_spec.mean == (0.5, 0.5, 0.5) and features.input_spec.size == 64
    assert features(letters["image"][:4]).shape == (4, 16)
    assert logits(letters["image"][:4]).shape == (4, 7)
    assert capfd.readouterr().err == ""


def test_unknown_names_and_broken_folders(tmp_path):
    with pytest.raises(CourseError) as caught:
        load_vision("resnt")
    assert "resnt" in caught.value.what and all(name in caught.value.mend for name in EMBEDDED)
    with pytest.raises(CourseError, match="no readable config.json"):
        load_vision(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CourseError, match="cannot be loaded"):
        load_vision(str(tmp_path))
    shutil.copy(settings.data_dir() / "backbones" / "resnet" / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(CourseError, match="cannot be loaded"):
        load_vision(str(tmp_path))


# Pretraining


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_resumes_bit_for_bit(name, tmp_path, monkeypatch, capfd):
    draw = glyphs.draw
    monkeypatch.setattr(glyphs, "draw", lambda n, generator: draw(8, generator))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "whole"))
    whole, _ = recipe.train(name, seed=1, steps=6, save_every=2)

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "parts"))
    with monkeypatch.context() as patch:
        calls = []

        def killed_in_step_4(n, generator):
            calls.append(n)
            if len(calls) == 5:
                raise Killed
            return draw(8, generator)

        patch.setattr(glyphs, "draw", killed_in_step_4)
        with pytest.raises(Killed):
            recipe.train(name, seed=1, steps=6, save_every=2)
    torch.rand(5)
    before = torch.get_rng_state()
    resumed, file = recipe.train(name, seed=1, steps=6, save_every=2)
    assert torch.equal(before, torch.get_rng_state())
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    other, _ = recipe.train(name, seed=2, steps=1)
    assert not torch.equal(next(other.parameters()), next(whole.parameters()))
    captured = capfd.readouterr()
    assert "pretraining" in captured.out and captured.err == ""


@pytest.fixture(scope="module")
def distillation():
    torch.manual_seed(0)
    return recipe.Distillation(recipe.build("vit").train(), seed=0)


def test_distillation_leaves_the_teacher_as_it_is(distillation, letters):
    before = copy.deepcopy(distillation.teacher.state_dict())
    distillation(letters["image"][:8]).backward()
    for key, value in load_vision("resnet").state_dict().items():
        assert torch.equal(value, before[key]) and torch.equal(value, distillation.teacher.state_dict()[key]), key
    assert all(parameter.grad is None for parameter in distillation.teacher.parameters())


def test_the_kept_head_does_not_shape_the_features(distillation, letters):
    learner = copy.deepcopy(distillation)
    for head in (learner.to_features, learner.to_logits):
        nn.init.zeros_(head[-1].weight)
    learner.zero_grad()
    learner(letters["image"][:8]).backward()
    assert learner.student.model.classifier.weight.grad.abs().max() > 0
    assert all(p.grad is None or not p.grad.any() for p in learner.student.model.vit.parameters())


def test_join_takes_each_pixel_from_one_of_two_images():
    images = torch.arange(1.0, 65).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)

    def joined(share):
        return recipe.join(images, share, torch.Generator().manual_seed(0))

    assert torch.equal(joined(0.0), images)
    values = [image.unique().tolist() for image in joined(1.0)]
    assert all(len(value) <= 2 for value in values)
    assert sum(len(value) == 2 for value in values) > 50
    untouched = (joined(0.5) == images).flatten(1).all(1).float().mean()
    assert 0.3 < untouched < 0.8


def test_the_gate_refuses_and_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "resnet"
    out.mkdir()
    (out / "README.md").write_text("the old one")
    with pytest.raises(CourseError, match="did not pass"):
        recipe.pretrain_vision("resnet", out, seed=0, steps=1)
    assert [path.name for path in out.iterdir()] == ["README.md"]
    with pytest.raises(CourseError, match="no vision recipe 'vgg'"):
        recipe.pretrain_vision("vgg", out)


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_passes_is_written_and_loads(name, tmp_path, monkeypatch, letters, capfd):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    model, state = load_vision(name, num_classes="source"), tmp_path / "state.pt"
    monkeypatch.setattr(recipe, "train", lambda *_: (state.touch(), (model, state))[1])
    out = tmp_path / name
    out.mkdir()
    (out / "README.md").write_text("the card")
    assert recipe.pretrain_vision(name, out)["gain"] > 0
    assert capfd.readouterr().err == ""
    assert not state.exists() and (out / "README.md").read_text() == "the card"
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in out.iterdir())
    images = letters["image"][:4]
    with torch.inference_mode():
        numpy.testing.assert_array_equal(load_vision(str(out), num_classes="source")(images), model(images))


def test_penultimate_is_what_load_vision_gives():
    images = glyphs.load_digits().with_format("torch")[:8]["image"]
    for name in EMBEDDED:
        model = load_vision(name)
        with torch.inference_mode():
            features = nn.functional.normalize(model(normalized(images, model.input_spec)))
        got = recipe.penultimate(load_vision(name, num_classes="source"), images)
        numpy.testing.assert_allclose(got, features, atol=1e-5)
