"""What a fine-tuned backbone still knows of its source."""

import math

import pytest
import torch

from course_utils.backbones import load_text, load_vision
from course_utils.errors import CourseError
from course_utils.retention import letter_accuracy, masked_lm_loss


@pytest.mark.parametrize("name", ["resnet", "resnet_gn", "vit"])
def test_letters_are_known_to_the_untouched_backbone_and_to_no_random_one(name):
    torch.manual_seed(0)
    assert letter_accuracy(load_vision(name, num_classes=10), name, n=300) > 0.88
    assert letter_accuracy(load_vision(name, num_classes=10, pretrained=False), name, n=300) < 0.12  # chance 1/37


def test_statistics_of_batchnorm_count_as_knowledge():
    model = load_vision("resnet")
    before = letter_accuracy(model, n=300)
    model.bn1.running_mean += 10
    assert letter_accuracy(model, n=300) < before - 0.3


def test_masked_lm_loss_is_that_of_the_whole_pretrained_model():
    whole, tokenizer = load_text(task="mlm")
    encoder, _ = load_text()
    losses = [masked_lm_loss(whole, n=100), masked_lm_loss(encoder, n=100), masked_lm_loss(encoder, n=100)]
    assert losses[0] == losses[1] == losses[2] < 1.5
    random, _ = load_text(task="classification", pretrained=False)
    # The head was made for other vectors: no better than a uniform guess.
    assert masked_lm_loss(random, n=100) > math.log(len(tokenizer)) - 1


def test_nothing_in_the_model_changes():
    model = load_vision("resnet", num_classes=3).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    letter_accuracy(model, n=50)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_another_model_is_refused_by_name():
    with pytest.raises(CourseError, match="TransformersVision is no copy"):
        letter_accuracy(load_vision("vit"), "resnet")
    with pytest.raises(CourseError, match="GlyphResNet is no copy"):
        masked_lm_loss(load_vision("resnet"))
