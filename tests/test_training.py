"""`fit` against closed forms: one big batch, library schedules, penalties, early stopping, frozen parts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.errors import CourseError
from course_utils.loaders import array_loader, text_loader
from course_utils.training import evaluate, fit, predict


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


def sgd(groups, lr):
    return torch.optim.SGD(groups, lr=lr)


def linear(seed=0, classes=3, features=4):
    torch.manual_seed(seed)
    return nn.Linear(features, classes)


def data(n=22, features=4, classes=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator), torch.randint(classes, (n,), generator=generator)


PLAIN = dict(optimizer=sgd, schedule="constant", max_grad_norm=None, weight_decay=0.0, show_progress=False)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(("batch", "accumulation"), [(22, 1), (11, 2), (5, 5), (4, 8), (3, 8), (1, 22)])
def test_accumulated_batches_equal_one_big_batch_ragged_tail_included(batch, accumulation):
    x, y = data()
    one, model = linear(), linear()
    step = torch.autograd.grad(F.cross_entropy(one(x), y), list(one.parameters()))
    want = torch.cat([(p - 0.5 * g).detach().flatten() for p, g in zip(one.parameters(), step, strict=True)])
    history = fit(model, array_loader(x, y, batch), lr=0.5, epochs=1, gradient_accumulation_steps=accumulation, **PLAIN)
    assert len(history.losses) == 1
    torch.testing.assert_close(weights(model), want)
    assert history.losses[0] == pytest.approx(F.cross_entropy(one(x), y).item(), rel=1e-5)


def test_each_window_of_an_epoch_is_one_step_on_its_own_mean():
    x, y = data(n=13)
    by_hand, model = linear(), linear()
    for _ in range(2):
        for chosen in (slice(0, 6), slice(6, 12), slice(12, 13)):
            grads = torch.autograd.grad(F.cross_entropy(by_hand(x[chosen]), y[chosen]), list(by_hand.parameters()))
            with torch.no_grad():
                for p, g in zip(by_hand.parameters(), grads, strict=True):
                    p -= 0.1 * g
    history = fit(model, array_loader(x, y, 3), lr=0.1, epochs=2, gradient_accumulation_steps=2, **PLAIN)
    assert [record["step"] for record in history.epochs] == [3, 6]
    torch.testing.assert_close(weights(model), weights(by_hand))


def test_a_loader_that_is_only_an_iterable_is_accumulated_the_same_way():
    x, y = data(n=13)

    class Batches:
        def __len__(self):
            return 5

        def __iter__(self):
            yield from zip(x.split(3), y.split(3), strict=True)

    one, other = linear(), linear()
    fit(one, array_loader(x, y, 3), lr=0.1, epochs=2, gradient_accumulation_steps=2, **PLAIN)
    fit(other, Batches(), lr=0.1, epochs=2, gradient_accumulation_steps=2, **PLAIN)
    torch.testing.assert_close(weights(one), weights(other))


def test_schedules_are_the_library_s():
    x, y = data(n=20)
    loader = array_loader(x, y, 2)
    linear_lrs = fit(linear(), loader, lr=1.0, epochs=1, **PLAIN | {"schedule": "linear"}).lrs
    assert linear_lrs == pytest.approx([1 - t / 10 for t in range(10)])
    warmed = fit(linear(), loader, lr=1.0, epochs=1, warmup_steps=0.4, **PLAIN | {"schedule": "linear"}).lrs
    assert warmed == pytest.approx([0, 0.25, 0.5, 0.75] + [1 - t / 6 for t in range(6)])
    assert warmed == fit(linear(), loader, lr=1.0, epochs=1, warmup_steps=4, **PLAIN | {"schedule": "linear"}).lrs
    cosine = fit(linear(), loader, lr=1.0, max_steps=20, **PLAIN | {"schedule": "cosine"}).lrs
    assert cosine == pytest.approx([(1 + math.cos(math.pi * t / 20)) / 2 for t in range(20)])
    assert fit(linear(), loader, lr=0.3, max_steps=7, **PLAIN).lrs == [0.3] * 7


def test_a_penalty_enters_the_gradient_once_whatever_the_accumulation():
    x, y = data(n=12)
    penalties = []
    for batch, accumulation in ((12, 1), (5, 3)):
        model, plain = linear(), linear()
        fit(plain, array_loader(x, y, 12), lr=0.1, epochs=1, **PLAIN)
        fit(
            model,
            array_loader(x, y, batch),
            lr=0.1,
            epochs=1,
            gradient_accumulation_steps=accumulation,
            penalty=lambda m: 3 * m.weight.square().sum(),
            **PLAIN,
        )
        torch.testing.assert_close(model.weight, plain.weight - 0.1 * 6 * linear().weight)
        torch.testing.assert_close(model.bias, plain.bias)
        penalties.append(model.weight)
    torch.testing.assert_close(*penalties)


def test_gradients_are_clipped_to_the_norm_of_the_whole_step():
    x, y = data(n=12)
    model, before = linear(), linear()
    fit(
        model,
        array_loader(x * 100, y, 4),
        lr=1.0,
        epochs=1,
        gradient_accumulation_steps=3,
        **PLAIN | {"max_grad_norm": 0.25},
    )
    assert (weights(model) - weights(before)).norm().item() == pytest.approx(0.25, rel=1e-4)


def test_only_matrices_decay():
    x, y = torch.zeros(4, 6), torch.zeros(4, dtype=torch.long)
    model = nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Linear(6, 1))  # one class: the loss is zero
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)
    fit(model, array_loader(x, y, 4), lr=0.1, epochs=1, **PLAIN | {"weight_decay": 0.5})
    found = {name: p.mean().item() for name, p in model.named_parameters()}
    assert found == pytest.approx({n: 0.95 if n in ("0.weight", "2.weight") else 1.0 for n in found})


class Scripted(nn.Module):
    """Its validation loss follows a script: the weight counts the epochs, and picks the logit."""

    def __init__(self, losses):
        super().__init__()
        self.epoch = nn.Parameter(torch.zeros(()))
        self.losses = torch.tensor(losses)

    def forward(self, x):
        if self.training:
            return torch.stack([self.epoch.expand(len(x)), torch.zeros(len(x))], 1)
        p = torch.exp(-self.losses[int(self.epoch.round().item()) - 1])
        return torch.stack([p.log(), (1 - p).log()]).expand(len(x), 2)


def scripted_fit(losses, patience, epochs=None):
    model = Scripted(losses)

    def one_more(epoch, model, optimizer):
        model.epoch.data.fill_(epoch + 1)

    loader = array_loader(torch.zeros(3, 1), torch.zeros(3), 3)
    history = fit(
        model,
        loader,
        lr=0.0,
        epochs=epochs or len(losses),
        val_loader=loader,
        patience=patience,
        on_epoch=one_more,
        **PLAIN,
    )
    return model, history


@pytest.mark.parametrize(
    ("losses", "patience", "ran", "best"),
    [
        ([0.9, 0.5, 0.7, 0.6, 0.4], 2, 4, 1),  # 0.6 is better than the epoch before, not than the best
        ([0.9, 0.5, 0.7, 0.6, 0.4], 3, 5, 4),
        ([0.9, 0.5, 0.7, 0.6, 0.4], None, 5, 4),
        ([0.3, 0.3, 0.3], 1, 2, 0),
        ([0.5, 0.4, 0.3], 1, 3, 2),
        ([math.nan, 0.8, 0.9, 0.9], 2, 4, 1),
    ],
)
def test_early_stopping_watches_the_best_and_its_weights_come_back(losses, patience, ran, best):
    model, history = scripted_fit(losses, patience)
    assert (len(history.epochs), history.best_epoch) == (ran, best)
    assert model.epoch.item() == best + 1
    assert history.frame()["val_loss"].tolist() == pytest.approx(losses[:ran], rel=1e-5, nan_ok=True)


def test_frozen_parameters_do_not_move_and_frozen_norms_keep_their_statistics():
    x, y = data(n=30)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
    for p in model[:2].parameters():
        p.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit(model, array_loader(x, y, 10), lr=0.1, epochs=2, show_progress=False)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"3.weight", "3.bias"}
    fit(model, array_loader(x, y, 10), lr=0.1, epochs=1, frozen_eval=False, show_progress=False)
    assert not torch.equal(model[1].running_mean, before["1.running_mean"])
    for p in model.parameters():
        p.requires_grad_(False)
    with pytest.raises(CourseError, match="no trainable parameter"):
        fit(model, array_loader(x, y, 10), show_progress=False)


def test_given_groups_keep_their_rates_and_groups_added_by_the_hook_follow_the_schedule():
    x, y = data(n=20)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    model[0].requires_grad_(False)
    seen = []

    def unfreeze(epoch, model, optimizer):
        if epoch == 1:
            model[0].requires_grad_(True)
            optimizer.add_param_group({"params": list(model[0].parameters()), "lr": 0.5})
        seen.append([group["lr"] for group in optimizer.param_groups])

    groups = [{"params": [*model[0].parameters(), *model[1].parameters()], "lr": 0.2}]
    before = weights(model[0])
    fit(
        model,
        array_loader(x, y, 5),
        param_groups=groups,
        epochs=4,
        on_epoch=unfreeze,
        **PLAIN | {"schedule": "linear"},
    )
    assert seen[0] == [0.2]
    assert seen[2] == pytest.approx([0.1, 0.25])
    assert not torch.equal(weights(model[0]), before)


def test_the_same_seed_gives_the_same_run_even_on_a_used_loader():
    x, y = data(n=30)
    loader = array_loader(x, y, 7, shuffle=True, seed=3)
    runs = []
    for seed in (0, 0, 1):
        model = nn.Sequential(linear(), nn.Dropout(0.5))
        runs.append(fit(model, loader, lr=0.1, epochs=2, seed=seed, show_progress=False).losses)
    assert runs[0] == runs[1] != runs[2]
    assert not torch.equal(*[next(iter(array_loader(x, y, 7, shuffle=True, seed=s)))[0] for s in (3, 4)])


def test_evaluate_is_the_mean_over_the_set_and_modes_come_back():
    x, y = data(n=22)
    model = nn.Sequential(nn.Dropout(0.9), linear())
    model.train()
    model[0].eval()
    found = evaluate(model, array_loader(x, y, 7))
    assert (model.training, model[0].training, model[1].training) == (True, False, True)
    logits, labels = predict(model, array_loader(x, y, 5))
    torch.testing.assert_close(logits, model[1](x).detach())
    assert torch.equal(labels, y)
    assert found["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits.argmax(-1) == y).float().mean().item())

    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError

    broken = Broken().train()
    with pytest.raises(RuntimeError):
        evaluate(broken, array_loader(x, y, 5))
    assert broken.training


def test_a_loss_that_is_not_finite_names_the_step_and_the_weights_stay():
    x, y = data(n=12)
    x[7] = math.inf
    model = linear()
    with pytest.raises(CourseError, match="step 1 .*learning rate below 0.5"):
        fit(model, array_loader(x, y, 4), lr=0.5, epochs=1, **PLAIN)
    assert torch.isfinite(weights(model)).all()


def test_an_interrupt_is_passed_on_and_the_best_weights_stay(capsys):
    x, y = data(n=12)
    model, kept = linear(), []

    def stop(epoch, model, optimizer):
        if epoch == 2:
            raise KeyboardInterrupt
        kept.append(weights(model))

    with pytest.raises(KeyboardInterrupt):
        fit(model, array_loader(x, y, 4), lr=0.1, epochs=5, on_epoch=stop, val_loader=array_loader(x, y, 12), **PLAIN)
    assert "Stopped after 6 of 15 steps" in capsys.readouterr().out
    assert not torch.equal(weights(model), kept[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "step"}, "no schedule 'step'"),
        ({"patience": 2}, "patience=2"),
        ({"epochs": 0}, "epochs is 0"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0"),
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"mixed_precision": "half"}, "mixed_precision='half'"),
    ],
)
def test_unusable_options_are_refused_with_their_value(options, message):
    with pytest.raises(CourseError, match=message):
        fit(linear(), array_loader(*data()), show_progress=False, **options)


def test_precision_may_change_between_runs():
    x, y = data(n=64)
    losses = [
        fit(linear(), array_loader(x, y, 16), lr=0.1, epochs=3, mixed_precision=p, show_progress=False).losses
        for p in ("bf16", "no", "bf16")
    ]
    assert losses[0] == losses[2] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="[PAD]", unk_token="[UNK]")


def test_text_batches_are_padded_to_their_longest_and_a_hugging_face_model_trains(tokenizer, capfd):
    from transformers import BertConfig, BertForSequenceClassification

    texts = ["good film", "bad", "bad film", "good"] * 8
    rows = {"text": texts, "label": [1, 0, 0, 1] * 8}
    batches = list(text_loader(rows, tokenizer, batch_size=2))
    assert [b["input_ids"].shape for b in batches[:2]] == [(2, 2), (2, 2)]
    assert batches[0]["input_ids"].tolist() == [[2, 4], [3, 0]]
    assert batches[0]["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batches[0]["labels"].tolist() == [1, 0]
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    )
    loader = text_loader(rows, tokenizer, batch_size=8, shuffle=True)
    fit(model, loader, lr=1e-2, epochs=10)
    assert evaluate(model, loader)["accuracy"] == 1.0
    logits, labels = predict(model, text_loader({"text": texts}, tokenizer))
    assert logits.shape == (32, 2) and labels is None
    assert capfd.readouterr().err == ""


def test_masked_language_modelling_counts_the_labels_that_count():
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    model = BertForMaskedLM(
        BertConfig(vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    )
    model.eval()
    ids = torch.randint(7, (4, 5))
    labels = torch.full((4, 5), -100)
    labels[0, :4], labels[3, 2] = torch.tensor([1, 2, 3, 4]), 6
    batches = [{"input_ids": i, "labels": t} for i, t in zip(ids.split(2), labels.split(2), strict=True)]
    found = evaluate(model, batches)
    want = F.cross_entropy(model(input_ids=ids).logits.flatten(0, 1), labels.flatten()).item()
    assert found["loss"] == pytest.approx(want, rel=1e-5)
    history = fit(model, batches, epochs=1, gradient_accumulation_steps=2, lr=0.0, show_progress=False)
    assert len(history.losses) == 1


def test_bad_data_is_named(tokenizer):
    with pytest.raises(CourseError, match=r"no column 'text'.*\['review', 'label'\]"):
        text_loader({"review": ["good"], "label": [1]}, tokenizer)
    with pytest.raises(CourseError, match="3 inputs but 2 labels"):
        array_loader(torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(CourseError, match="no labels"):
        evaluate(linear(), [(torch.zeros(2, 4),)])
