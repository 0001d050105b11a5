"""One small `fit` on accelerate, and predictions and evaluation over a whole set."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderStateMixin
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import send_to_device
from torch import nn

from course_utils import settings
from course_utils.errors import CourseError, refuse

IGNORED = -100  # the label PyTorch's cross entropy leaves out
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass
class History:
    """What a training run did: loss (without penalty) and highest lr of every optimizer step, a record per epoch."""

    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    epochs: list[dict] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0

    def frame(self):
        """One row per epoch: epoch, step (so far), lr, train_loss and, when validated, val_loss, val_accuracy."""
        import pandas as pd

        return pd.DataFrame(self.epochs)


class _Batches(DataLoaderStateMixin):
    """Any iterable of batches, read one ahead, so that accelerate steps at the last one of an epoch as well."""

    def __init__(self, loader: Iterable, device):
        self.loader, self.device, self.gradient_state = loader, device, GradientState()

    def __iter__(self):
        self.begin()
        try:
            batches = iter(self.loader)
            ahead = next(batches, None)
            while ahead is not None:
                batch, ahead = ahead, next(batches, None)
                self.end_of_dataloader = ahead is None
                yield send_to_device(batch, self.device)
        finally:
            self.end()


def fit(
    model: nn.Module,
    train_loader: Iterable,
    *,
    lr: float = 3e-4,
    param_groups: list[dict] | None = None,
    weight_decay: float = 0.01,
    optimizer: Callable = torch.optim.AdamW,
    loss_fn: Callable | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    schedule: str = "linear",
    warmup_steps: float = 0,
    gradient_accumulation_steps: int = 1,
    max_grad_norm: float | None = 1.0,
    mixed_precision: str = "no",
    val_loader: Iterable | None = None,
    patience: int | None = None,
    penalty: Callable | None = None,
    on_epoch: Callable | None = None,
    frozen_eval: bool = True,
    seed: int = 0,
    show_progress: bool = True,
) -> History:
    """Train `model` in place, on `settings.device()`, and return what happened.

    Batches are dicts with `labels` (Hugging Face models) or pairs `(x, y)` (plain modules); the loss is
    `loss_fn(logits, labels)`, a mean over the batch, by default cross entropy (labels of -100 do not count).
    `gradient_accumulation_steps` batches make one optimizer step, the last ones of an epoch fewer; each step uses
    the mean over all its samples. `epochs` (3 where `max_steps` is not given either) and `max_steps` (optimizer
    steps): whichever ends first. `warmup_steps` below 1 is a share of all steps. Bias and norm parameters get no
    weight decay; `param_groups`, where given, are used as they are. Frozen parameters stay out of the optimizer,
    and with `frozen_eval` a part without any trainable parameter stays in eval mode (dropout off, BatchNorm
    statistics kept). `penalty(model)` (a scalar tensor) is added to the loss of each step. `on_epoch(epoch, model,
    optimizer)` runs before each epoch, counted from 0; it may add param groups.

    With a `val_loader` the weights of the epoch with the lowest validation loss are restored at the end, and
    `patience` stops after that many epochs without a new lowest. A loader with a generator starts from its seed, so
    that every run on it sees the same batches. An interrupt is passed on, so that a loop of runs stops too; the
    model then keeps its weights so far (the best ones, when validated).

    Raises CourseError for unusable options, a model without trainable parameters, and a loss that is not finite.
    """
    total, epochs = _total_steps(train_loader, epochs, max_steps, gradient_accumulation_steps)
    refuse(schedule not in SCHEDULES, f"There is no schedule '{schedule}'.", f"Use one of: {', '.join(SCHEDULES)}.")
    refuse(
        patience is not None and val_loader is None,
        f"patience={patience} needs a validation loss to watch.",
        "Pass val_loader.",
    )
    settings.seed_everything(seed)
    for loader in (train_loader, val_loader):
        if getattr(loader, "generator", None) is not None:
            loader.generator.manual_seed(loader.generator.initial_seed())
    accelerator = _accelerator(mixed_precision, gradient_accumulation_steps)
    model.to(accelerator.device)
    plain = optimizer(_groups(model, param_groups, weight_decay, lr), lr=lr)
    scheduler = _scheduler(plain, schedule, warmup_steps, total)
    stepper, stepped_scheduler = accelerator.prepare(plain, scheduler)

    history, best, best_loss, began = History(), None, math.inf, time.perf_counter()
    bar = settings.progress(None, "fit", total=total, disable=not show_progress)
    try:
        for epoch in range(epochs):
            if on_epoch:
                on_epoch(epoch, model, plain)
                _follow_new_groups(scheduler)
            _train_mode(model, frozen_eval)
            epoch_loss, epoch_count, loss_sum, seen, nominal = 0.0, 0, 0.0, 0, None
            for batch in _Batches(train_loader, accelerator.device):
                with accelerator.accumulate(model):
                    with accelerator.autocast():
                        loss, count = _loss(*_outputs(model, batch), loss_fn)
                    nominal = nominal or max(count, 1) * gradient_accumulation_steps
                    whole = loss + penalty(model) if penalty else loss
                    _finite(whole, len(history.losses), lr)
                    # accelerate divides by the number of batches: exact for batches of one size,
                    # which the factor below corrects for any others.
                    accelerator.backward(whole * count * gradient_accumulation_steps / nominal)
                    loss_sum, seen = loss_sum + loss.item() * count, seen + count
                    if accelerator.sync_gradients:
                        history.lrs.append(max(scheduler.get_last_lr()))
                        _scale_gradients(plain, nominal / max(seen, 1))
                        if max_grad_norm:
                            accelerator.clip_grad_norm_(_trainable(model), max_grad_norm)
                    stepper.step()
                    stepped_scheduler.step()
                    stepper.zero_grad()
                if accelerator.sync_gradients:
                    history.losses.append(loss_sum / max(seen, 1))
                    epoch_loss, epoch_count = epoch_loss + loss_sum, epoch_count + seen
                    loss_sum, seen, nominal = 0.0, 0, None
                    bar.update()
                    if len(history.losses) == total:
                        break
            refuse(not epoch_count, "The training loader gave no batch.", "Pass a loader that is not empty.")
            record = {"epoch": epoch, "step": len(history.losses), "lr": history.lrs[-1]}
            record["train_loss"] = epoch_loss / epoch_count
            if val_loader is not None:
                found = evaluate(model, val_loader)
                record |= {"val_loss": found["loss"], "val_accuracy": found["accuracy"]}
                if best is None or found["loss"] < best_loss:
                    best_loss = found["loss"] if math.isfinite(found["loss"]) else math.inf
                    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
                    history.best_epoch = epoch
            history.epochs.append(record)
            stale = patience is not None and epoch - history.best_epoch >= patience
            if stale or len(history.losses) == total:
                break
    except KeyboardInterrupt:
        plain.zero_grad()
        print(f"Stopped after {len(history.losses)} of {total} steps; the model keeps the weights it has.")
        raise
    finally:
        bar.close()
        history.seconds = time.perf_counter() - began
        if best is not None:
            model.load_state_dict(best)
    return history


def predict(model: nn.Module, loader: Iterable) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits (N, C) and labels (N,), on the CPU; labels are None for a loader without. The mode is restored."""
    with _eval_mode(model):
        found = [(logits.float().cpu(), labels) for logits, labels in _each_output(model, loader)]
    refuse(not found, "The loader gave no batch.", "Pass a loader that is not empty.")
    labeled = found[0][1] is not None
    return torch.cat([f[0] for f in found]), torch.cat([f[1].cpu() for f in found]) if labeled else None


def evaluate(model: nn.Module, loader: Iterable) -> dict[str, float]:
    """Mean cross entropy ("loss") and share of right answers ("accuracy", 0–1) over all labels of the loader."""
    loss = right = count = 0
    with _eval_mode(model):
        for logits, labels in _each_output(model, loader):
            refuse(labels is None, "The loader has no labels to evaluate against.", "Pass a loader with labels.")
            batch_loss, n = _loss(logits, labels)
            counted = labels != IGNORED
            right += (logits.argmax(-1) == labels)[counted].sum().item()
            loss, count = loss + batch_loss.item() * n, count + n
    refuse(not count, "The loader gave no labels.", "Pass a loader that is not empty.")
    return {"loss": loss / count, "accuracy": right / count}


def _total_steps(loader, epochs, max_steps, accumulation) -> tuple[int, int]:
    """Optimizer steps in all, and an upper bound of the epochs."""
    for name, value in {"epochs": epochs, "max_steps": max_steps, "gradient_accumulation_steps": accumulation}.items():
        refuse(value is not None and value < 1, f"{name} is {value}.", "Use 1 or more.")
    if not hasattr(loader, "__len__"):
        refuse(max_steps is None, "A loader without a length needs a number of steps.", "Pass max_steps.")
        return max_steps, epochs or max_steps
    per_epoch = math.ceil(len(loader) / accumulation)
    refuse(not per_epoch, "The training loader is empty.", "Pass a loader that is not empty.")
    epochs = epochs or (math.ceil(max_steps / per_epoch) if max_steps else 3)
    return min(epochs * per_epoch, max_steps or math.inf), epochs


def _accelerator(mixed_precision: str, accumulation: int) -> Accelerator:
    # accelerate keeps one global state per process and refuses a second run with another precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        return Accelerator(
            cpu=settings.device().type == "cpu",
            mixed_precision=mixed_precision,
            gradient_accumulation_steps=accumulation,
        )
    except ValueError as error:
        raise CourseError(
            f"mixed_precision='{mixed_precision}' does not work here ({error}).", "Use 'no' or 'bf16'."
        ) from None


def _trainable(model) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _groups(model, given: list[dict] | None, weight_decay: float, lr: float) -> list[dict]:
    refuse(
        not _trainable(model),
        "The model has no trainable parameter.",
        "Set requires_grad to True on the part that is to be trained, the new head at least.",
    )
    if given is None:
        # Biases and the weights of norm layers are the parameters with one dimension.
        split = [[p for p in _trainable(model) if (p.ndim > 1) == matrix] for matrix in (True, False)]
        given = [{"params": p, "weight_decay": wd} for p, wd in zip(split, (weight_decay, 0.0), strict=True)]
    groups = [{"lr": lr, "weight_decay": weight_decay} | group for group in given]
    groups = [group | {"params": [p for p in group["params"] if p.requires_grad]} for group in groups]
    groups = [group for group in groups if group["params"]]
    refuse(not groups, "No param group holds a trainable parameter.", "Check the groups and what is frozen.")
    return groups


def _scheduler(optimizer, schedule: str, warmup_steps: float, total: int):
    from transformers import get_scheduler

    refuse(warmup_steps < 0, f"warmup_steps is {warmup_steps}.", "Use 0 or more; below 1 is a share.")
    warmup = math.ceil(warmup_steps * total) if warmup_steps < 1 else int(warmup_steps)
    return get_scheduler(SCHEDULES[schedule], optimizer, num_warmup_steps=warmup, num_training_steps=total)


def _follow_new_groups(scheduler) -> None:
    """Let the schedule drive param groups that were added to its optimizer."""
    for group in scheduler.optimizer.param_groups[len(scheduler.base_lrs) :]:
        scheduler.base_lrs.append(group.setdefault("initial_lr", group["lr"]))
        scheduler.lr_lambdas.append(scheduler.lr_lambdas[0])
        group["lr"] = group["initial_lr"] * scheduler.lr_lambdas[0](scheduler.last_epoch)


def _train_mode(model, frozen_eval: bool) -> None:
    model.train()
    for module in model.modules() if frozen_eval else ():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()


def _outputs(model, batch) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits (B, …, C) and labels (B, …) of a batch in either form."""
    if isinstance(batch, Mapping):
        output = model(**{name: value for name, value in batch.items() if name != "labels"})
        labels = batch.get("labels")
    else:
        x, labels = batch if len(batch) == 2 else (batch[0], None)
        output = model(x)
    return getattr(output, "logits", output), labels


def _loss(logits, labels, loss_fn=None) -> tuple[torch.Tensor, int]:
    """Mean loss, and the number of labels it is a mean of."""
    refuse(labels is None, "The batch has no labels.", "Pass a loader with labels.")
    if labels.dtype.is_floating_point or loss_fn:
        return (loss_fn or F.cross_entropy)(logits.float(), labels), len(labels)
    flat, count = logits.float().reshape(-1, logits.shape[-1]), int((labels != IGNORED).sum())
    return F.cross_entropy(flat, labels.reshape(-1), reduction="sum", ignore_index=IGNORED) / max(count, 1), count


def _finite(loss, step: int, lr: float) -> None:
    refuse(
        not torch.isfinite(loss).item(),
        f"The loss of step {step} (counted from 0) is {loss.item()}.",
        f"Try a learning rate below {lr:g}, a warmup, gradient clipping (max_grad_norm=1.0) or "
        "mixed_precision='no', and look for inputs that are not finite.",
    )


def _scale_gradients(optimizer, factor: float) -> None:
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if factor != 1 and gradients:
        torch._foreach_mul_(gradients, factor)


@contextlib.contextmanager
def _eval_mode(model):
    """Eval mode and no gradients inside; each module is put back into the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _each_output(model, loader):
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    for batch in loader:
        yield _outputs(model, send_to_device(batch, device))
