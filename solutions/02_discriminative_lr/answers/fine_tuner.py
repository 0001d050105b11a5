"""Wrong and right answers to 02.fine_tuner."""


# %% wrong tail_dropped
# says: never applied
# edits: sums and counts
#-                if i % window == 0 or i == batches:
#+                if i % window == 0:


# %% wrong tail_dropped (total by floor, too)
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * max(1, batches // window)

#-                if i % window == 0 or i == batches:
#+                if i % window == 0:


# %% wrong tail_divided_by_full_window
# says: means by the accumulation
# edits: sums and counts
#-                loss = F.cross_entropy(logits, y, reduction="sum")
#-                loss.backward()
#+                loss = F.cross_entropy(logits, y)
#+                (loss / window).backward()

#-                    for p in trainable:
#-                        if p.grad is not None:
#-                            p.grad /= samples


# %% wrong mean_of_means
# says: Count samples
# edits: sums and counts
#-                loss = F.cross_entropy(logits, y, reduction="sum")
#-                loss.backward()
#+                loss = F.cross_entropy(logits, y)
#+                in_window = min(window, batches - (i - 1) // window * window)
#+                (loss / in_window).backward()

#-                    for p in trainable:
#-                        if p.grad is not None:
#-                            p.grad /= samples


# %% wrong sum_of_means
# says: added the micro
# edits: sums and counts
#-                loss = F.cross_entropy(logits, y, reduction="sum")
#+                loss = F.cross_entropy(logits, y)

#-                    for p in trainable:
#-                        if p.grad is not None:
#-                            p.grad /= samples


# %% wrong sum_not_mean
# says: the mean over the window
# edits: sums and counts
#-                    for p in trainable:
#-                        if p.grad is not None:
#-                            p.grad /= samples


# %% wrong step_every_batch_short
# says: nothing was accumulated
# edits: sums and counts
#-                if i % window == 0 or i == batches:
#+                if True:


# %% wrong step_every_batch (total counts the batches)
# says: nothing was accumulated
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * batches

#-                if i % window == 0 or i == batches:
#+                if True:


# %% wrong schedule_ahead (per micro-batch)
# says: once per
#-    mixed_precision: str = "no"  # or "bf16"
#+    mixed_precision: str = "no"

#-        optimizer = config.optimizer(config.param_groups or [{"params": trainable}], lr=config.lr, weight_decay=config.weight_decay)
#+        groups = config.param_groups or [{"params": trainable}]
#+        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)

#-        scheduler = config.schedule(optimizer, config.warmup_steps, config.epochs * math.ceil(batches / window))
#-        history, best = [], None
#-        model.zero_grad()
#-        for _ in range(config.epochs):
#+        total = config.epochs * math.ceil(batches / window)
#+        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        history, best, best_loss = [], None, math.inf
#+        optimizer.zero_grad()
#+        for epoch in range(config.epochs):

#-                total_loss, seen, samples = total_loss + loss.item(), seen + len(y), samples + len(y)
#+                if i % window:
#+                    scheduler.step()
#+                total_loss += loss.item()
#+                seen += len(y)
#+                samples += len(y)

#-                    scheduler.step()
#-                    model.zero_grad()
#+                    optimizer.zero_grad()

#-            history.append({"train_loss": total_loss / seen, **self.evaluate(), "lr": rates})
#-            if best is None or history[-1]["val_loss"] < best["val_loss"]:
#-                best = history[-1] | {"weights": copy.deepcopy(model.state_dict())}
#-        model.load_state_dict(best["weights"])
#+            found = self.evaluate()
#+            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            if found["val_loss"] < best_loss:
#+                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+        model.load_state_dict(best)


# %% wrong total_counts_batches
# says: counts optimizer steps
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * batches


# %% wrong tail_dropped (total by floor)
# says: ceil
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * (batches // window)


# %% wrong constant_rate
# says: is the schedule stepped
# edits: sums and counts
#-                    scheduler.step()


# %% wrong schedule_ahead (before the optimizer)
# says: after it
#-    mixed_precision: str = "no"  # or "bf16"
#+    mixed_precision: str = "no"

#-        optimizer = config.optimizer(config.param_groups or [{"params": trainable}], lr=config.lr, weight_decay=config.weight_decay)
#+        groups = config.param_groups or [{"params": trainable}]
#+        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)

#-        scheduler = config.schedule(optimizer, config.warmup_steps, config.epochs * math.ceil(batches / window))
#-        history, best = [], None
#-        model.zero_grad()
#-        for _ in range(config.epochs):
#+        total = config.epochs * math.ceil(batches / window)
#+        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        history, best, best_loss = [], None, math.inf
#+        optimizer.zero_grad()
#+        for epoch in range(config.epochs):

#-                total_loss, seen, samples = total_loss + loss.item(), seen + len(y), samples + len(y)
#+                total_loss += loss.item()
#+                seen += len(y)
#+                samples += len(y)

#-                    rates = [group["lr"] for group in optimizer.param_groups]
#+                    rates = [group["lr"] for group in optimizer.param_groups]
#+                    scheduler.step()

#-                    scheduler.step()
#-                    model.zero_grad()
#+                    optimizer.zero_grad()

#-            history.append({"train_loss": total_loss / seen, **self.evaluate(), "lr": rates})
#-            if best is None or history[-1]["val_loss"] < best["val_loss"]:
#-                best = history[-1] | {"weights": copy.deepcopy(model.state_dict())}
#-        model.load_state_dict(best["weights"])
#+            found = self.evaluate()
#+            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            if found["val_loss"] < best_loss:
#+                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+        model.load_state_dict(best)


# %% wrong config_rate
# says: keep it
# edits: sums and counts
#-        groups = config.param_groups or [{"params": trainable}]
#+        groups = [{"params": trainable}]


# %% wrong rates_flattened
# says: Both groups trained at the same rate
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * math.ceil(batches / window)
#+        for group in groups:
#+            group["lr"] = groups[-1].get("lr", config.lr)
#+        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)

#-                    scheduler.step()
#+                    scheduler.step()
#+                    for group in optimizer.param_groups:
#+                        group["lr"] = scheduler.get_last_lr()[-1]


# %% wrong rate_flattened
# says: own rate
# edits: sums and counts
#-        total = config.epochs * math.ceil(batches / window)
#+        total = config.epochs * math.ceil(batches / window)
#+        for group in groups:
#+            group["lr"] = groups[0].get("lr", config.lr)
#+        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)


# %% wrong train_loss_sum
# says: mean over the samples
# edits: sums and counts
#-            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            history.append({"train_loss": total_loss, **found, "lr": rates})


# %% wrong mean_of_batches
# says: Count
# edits: sums and counts
#-                right += (logits.argmax(-1) == y).sum().item()
#+                right += (logits.argmax(-1) == y).float().mean().item()

#-        return {"val_loss": loss / count, "val_accuracy": right / count}
#+        return {"val_loss": loss / count, "val_accuracy": right / len(self.val_loader)}


# %% wrong loss_mean_of_batches
# says: Weight by the samples
# edits: sums and counts
#-                loss += F.cross_entropy(logits, y, reduction="sum").item()
#+                loss += F.cross_entropy(logits, y).item()

#-        return {"val_loss": loss / count, "val_accuracy": right / count}
#+        return {"val_loss": loss / len(self.val_loader), "val_accuracy": right / count}


# %% wrong loss_sum
# says: is a sum
# edits: sums and counts
#-        return {"val_loss": loss / count, "val_accuracy": right / count}
#+        return {"val_loss": loss, "val_accuracy": right / count}


# %% wrong right_not_share
# says: divide by the number
# edits: sums and counts
#-        return {"val_loss": loss / count, "val_accuracy": right / count}
#+        return {"val_loss": loss / count, "val_accuracy": right}


# %% wrong percent
# says: share between
# edits: sums and counts
#-        return {"val_loss": loss / count, "val_accuracy": right / count}
#+        return {"val_loss": loss / count, "val_accuracy": 100 * right / count}


# %% wrong rates_after_step
# says: after the schedule's step
# edits: sums and counts
#-                    rates = [group["lr"] for group in optimizer.param_groups]

#-            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            history.append({"train_loss": total_loss / seen, **found, "lr": [group["lr"] for group in optimizer.param_groups]})


# %% wrong rates_before_schedule
# says: at the start
# edits: sums and counts
#-                    rates = [group["lr"] for group in optimizer.param_groups]

#-            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            history.append({"train_loss": total_loss / seen, **found, "lr": scheduler.base_lrs})


# %% wrong best_not_restored (aliased)
# says: live tensors
# edits: sums and counts
#-                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+                best_loss, best = found["val_loss"], model.state_dict()


# %% wrong best_not_restored (shallow copy)
# says: live tensors
# edits: sums and counts
#-                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+                best_loss, best = found["val_loss"], dict(model.state_dict())


# %% wrong best_not_restored (never loaded)
# says: later weights
# edits: sums and counts
#-        model.load_state_dict(best)


# %% wrong best_not_restored (highest loss)
# says: later weights
# edits: sums and counts
#-        history, best, best_loss = [], None, math.inf
#+        history, best, best_loss = [], None, -math.inf

#-            if found["val_loss"] < best_loss:
#+            if found["val_loss"] > best_loss:


# %% wrong best_by_accuracy
# says: validation *loss*
# edits: sums and counts
#-            if found["val_loss"] < best_loss:
#-                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+            if -found["val_accuracy"] < best_loss:
#+                best_loss, best = -found["val_accuracy"], copy.deepcopy(model.state_dict())


# %% wrong history_keys
# says: needs train_loss
# edits: sums and counts
#-            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            history.append({"train_loss": total_loss / seen, **found})


# %% wrong not_clipped
# says: nothing was clipped
# edits: sums and counts
#-                    if config.max_grad_norm is not None:
#+                    if False:


# %% wrong different (clips every micro-batch)
# edits: sums and counts
#-                loss.backward()
#+                loss.backward()
#+                if config.max_grad_norm is not None:
#+                    nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)

#-                    if config.max_grad_norm is not None:
#-                        nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)


# %% wrong different (clips before dividing)
@dataclass
class Config:
    param_groups: list[dict] | None = None
    lr: float = 1e-3
    weight_decay: float = 0.01
    optimizer: Callable = torch.optim.AdamW
    schedule: Callable = get_linear_schedule_with_warmup
    warmup_steps: int = 0
    epochs: int = 3
    gradient_accumulation_steps: int = 1
    max_grad_norm: float | None = 1.0
    mixed_precision: str = "no"


class FineTuner:
    def __init__(self, model, train_loader, val_loader, config):
        self.model, self.train_loader, self.val_loader, self.config = model, train_loader, val_loader, config

    def forward(self, x, y):
        device = next(self.model.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16"):
            logits = self.model(x.to(device))
        return logits.float(), y.to(device)

    def evaluate(self):
        self.model.eval()
        loss = right = count = 0
        with torch.no_grad():
            for x, y in self.val_loader:
                logits, y = self.forward(x, y)
                loss += F.cross_entropy(logits, y, reduction="sum").item()
                right += (logits.argmax(-1) == y).sum().item()
                count += len(y)
        return {"val_loss": loss / count, "val_accuracy": right / count}

    def fit(self):
        config, model = self.config, self.model
        trainable = [p for p in model.parameters() if p.requires_grad]
        groups = config.param_groups or [{"params": trainable}]
        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)
        window, batches = config.gradient_accumulation_steps, len(self.train_loader)
        total = config.epochs * math.ceil(batches / window)
        scheduler = config.schedule(optimizer, config.warmup_steps, total)
        history, best, best_loss = [], None, math.inf
        optimizer.zero_grad()
        for epoch in range(config.epochs):
            model.train()
            samples = seen = total_loss = 0
            for i, (x, y) in enumerate(self.train_loader, start=1):
                logits, y = self.forward(x, y)
                loss = F.cross_entropy(logits, y, reduction="sum")
                loss.backward()
                total_loss += loss.item()
                seen += len(y)
                samples += len(y)
                if i % window == 0 or i == batches:
                    if config.max_grad_norm is not None:
                        nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)
                    for p in trainable:
                        if p.grad is not None:
                            p.grad /= samples
                    rates = [group["lr"] for group in optimizer.param_groups]
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                    samples = 0
            found = self.evaluate()
            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
            if found["val_loss"] < best_loss:
                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
        model.load_state_dict(best)
        return history


# %% wrong different (clips each parameter alone)
# edits: sums and counts
#-                        nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)
#+                        [nn.utils.clip_grad_norm_([p], config.max_grad_norm) for p in trainable]


# %% wrong different (clips values, not the norm)
# edits: sums and counts
#-                        nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)
#+                        nn.utils.clip_grad_value_(trainable, config.max_grad_norm)


# %% wrong stale_gradients
# says: before fit()
# edits: sums and counts
#-        optimizer.zero_grad()


# %% wrong schedule_lengths (no warmup)
# says: warmup
# edits: sums and counts
#-        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        scheduler = config.schedule(optimizer, 0, total)


# %% wrong schedule_lengths (new schedule each epoch)
# says: made once
# edits: sums and counts
#-        scheduler = config.schedule(optimizer, config.warmup_steps, total)

#-            model.train()
#+            model.train()
#+            scheduler = config.schedule(optimizer, config.warmup_steps, total // config.epochs)


# %% wrong schedule_steps (window runs on into the next epoch)
# edits: sums and counts
#-        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        done = 0

#-            samples = seen = total_loss = 0
#+            seen = total_loss = 0
#+            samples = samples if epoch else 0

#-                if i % window == 0 or i == batches:
#+                done += 1
#+                if done % window == 0 or done == batches * config.epochs:


# %% wrong wrong_modes (eval mode stays on)
# says: train mode for every training batch
# edits: sums and counts
#-            model.train()
#+            model.train(epoch == 0)


# %% wrong wrong_modes (validation in train mode)
# says: eval mode
# edits: sums and counts
#-        self.model.eval()


# %% wrong autocast (never)
# says: without autocast
# edits: sums and counts
#-        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16"):
#+        with torch.autocast(device.type, torch.bfloat16, enabled=False):


# %% wrong autocast (always)
# says: ran under autocast
# edits: sums and counts
#-        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16"):
#+        with torch.autocast(device.type, torch.bfloat16, enabled=True):


# %% wrong graph_in_evaluation
# says: no_grad
# edits: sums and counts
#-        with torch.no_grad():
#+        with torch.enable_grad():


# %% wrong weights_cast
# says: stay float32
# edits: sums and counts
#-            logits = self.model(x.to(device))
#+            logits = self.model(x.to(device, next(self.model.parameters()).dtype))

#-        config, model = self.config, self.model
#+        config, model = self.config, self.model
#+        if config.mixed_precision == "bf16":
#+            model.bfloat16()


# %% wrong state_not_restored (parameters only)
# says: buffers
# edits: sums and counts
#-                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#-        model.load_state_dict(best)
#+                best_loss, best = found["val_loss"], copy.deepcopy(dict(model.named_parameters()))
#+        model.load_state_dict(best, strict=False)


# %% wrong history_tensors
# says: floats, not tensors
# edits: sums and counts
#-                loss += F.cross_entropy(logits, y, reduction="sum").item()
#+                loss += F.cross_entropy(logits, y, reduction="sum")


# %% wrong frozen_moved (flags overwritten)
# says: frozen parameter moved
# edits: sums and counts
#-        config, model = self.config, self.model
#+        config, model = self.config, self.model
#+        model.requires_grad_(True)


# %% wrong returns_none
# edits: sums and counts
#-        return history


# %% wrong train_loss_mean_of_batches
# says: batches' means
# edits: sums and counts
#-                total_loss += loss.item()
#-                seen += len(y)
#+                total_loss += loss.item() / len(y)
#+                seen += 1


# %% wrong different (train_loss of the last window only)
# edits: sums and counts
#-                    samples = 0
#+                    samples = 0
#+                    total_loss, seen = (total_loss, seen) if i == batches else (0, 0)


# %% wrong state_not_restored (loss from bfloat16 logits)
# says: float32 logits
# edits: sums and counts
#-        return logits.float(), y.to(device)
#+        return logits, y.to(device)


# %% wrong history_length (stops after the first worse epoch)
# says: not one per epoch
# edits: sums and counts
#-                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
#+            elif len(history) > 1:
#+                break


# %% right sums and counts
@dataclass
class Config:
    param_groups: list[dict] | None = None
    lr: float = 1e-3
    weight_decay: float = 0.01
    optimizer: Callable = torch.optim.AdamW
    schedule: Callable = get_linear_schedule_with_warmup
    warmup_steps: int = 0
    epochs: int = 3
    gradient_accumulation_steps: int = 1
    max_grad_norm: float | None = 1.0
    mixed_precision: str = "no"


class FineTuner:
    def __init__(self, model, train_loader, val_loader, config):
        self.model, self.train_loader, self.val_loader, self.config = model, train_loader, val_loader, config

    def forward(self, x, y):
        device = next(self.model.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16"):
            logits = self.model(x.to(device))
        return logits.float(), y.to(device)

    def evaluate(self):
        self.model.eval()
        loss = right = count = 0
        with torch.no_grad():
            for x, y in self.val_loader:
                logits, y = self.forward(x, y)
                loss += F.cross_entropy(logits, y, reduction="sum").item()
                right += (logits.argmax(-1) == y).sum().item()
                count += len(y)
        return {"val_loss": loss / count, "val_accuracy": right / count}

    def fit(self):
        config, model = self.config, self.model
        trainable = [p for p in model.parameters() if p.requires_grad]
        groups = config.param_groups or [{"params": trainable}]
        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)
        window, batches = config.gradient_accumulation_steps, len(self.train_loader)
        total = config.epochs * math.ceil(batches / window)
        scheduler = config.schedule(optimizer, config.warmup_steps, total)
        history, best, best_loss = [], None, math.inf
        optimizer.zero_grad()
        for epoch in range(config.epochs):
            model.train()
            samples = seen = total_loss = 0
            for i, (x, y) in enumerate(self.train_loader, start=1):
                logits, y = self.forward(x, y)
                loss = F.cross_entropy(logits, y, reduction="sum")
                loss.backward()
                total_loss += loss.item()
                seen += len(y)
                samples += len(y)
                if i % window == 0 or i == batches:
                    for p in trainable:
                        if p.grad is not None:
                            p.grad /= samples
                    if config.max_grad_norm is not None:
                        nn.utils.clip_grad_norm_(trainable, config.max_grad_norm)
                    rates = [group["lr"] for group in optimizer.param_groups]
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                    samples = 0
            found = self.evaluate()
            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
            if found["val_loss"] < best_loss:
                best_loss, best = found["val_loss"], copy.deepcopy(model.state_dict())
        model.load_state_dict(best)
        return history


# %% right weighted means, windows by islice
@dataclass
class Config:
    param_groups: list[dict] | None = None
    lr: float = 1e-3
    weight_decay: float = 0.01
    optimizer: Callable = torch.optim.AdamW
    schedule: Callable = get_linear_schedule_with_warmup
    warmup_steps: int = 0
    epochs: int = 3
    gradient_accumulation_steps: int = 1
    max_grad_norm: float | None = 1.0
    mixed_precision: str = "no"


class FineTuner:
    def __init__(self, model, train_loader, val_loader, config):
        self.model, self.train_loader, self.val_loader, self.config = model, train_loader, val_loader, config

    def logits(self, x):
        x = x.to(next(self.model.parameters()).device)
        if self.config.mixed_precision == "bf16":
            with torch.autocast(x.device.type, dtype=torch.bfloat16):
                return self.model(x).to(torch.float32)
        return self.model(x)

    def fit(self):
        c = self.config
        groups = c.param_groups
        if groups is None:
            groups = [{"params": [p for p in self.model.parameters() if p.requires_grad]}]
        optimizer = c.optimizer(groups, lr=c.lr, weight_decay=c.weight_decay)
        per_epoch = -(-len(self.train_loader) // c.gradient_accumulation_steps)
        scheduler = c.schedule(optimizer, c.warmup_steps, per_epoch * c.epochs)
        device = next(self.model.parameters()).device
        history, kept = [], {}
        for epoch in range(c.epochs):
            self.model.train()
            batches, losses = iter(self.train_loader), []
            for _ in range(per_epoch):
                window = list(itertools.islice(batches, c.gradient_accumulation_steps))
                n = sum(len(y) for _, y in window)
                self.model.zero_grad()
                for x, y in window:
                    loss = F.cross_entropy(self.logits(x), y.to(device))
                    (loss * len(y) / n).backward()
                    losses.append((loss.item(), len(y)))
                if c.max_grad_norm is not None:
                    torch.nn.utils.clip_grad_norm_(self.model.parameters(), c.max_grad_norm)
                rates = scheduler.get_last_lr()
                optimizer.step()
                scheduler.step()
            self.model.eval()
            with torch.inference_mode():
                found = [(self.logits(x), y.to(device)) for x, y in self.val_loader]
            logits, labels = torch.cat([f[0] for f in found]), torch.cat([f[1] for f in found])
            history.append({
                "epoch": epoch,
                "train_loss": sum(l * k for l, k in losses) / sum(k for _, k in losses),
                "val_loss": F.cross_entropy(logits, labels).item(),
                "val_accuracy": (logits.argmax(1) == labels).double().mean().item(),
                "lr": list(rates),
            })
            if min(history, key=lambda e: e["val_loss"]) is history[-1]:
                kept = {k: t.detach().clone() for k, t in self.model.state_dict().items()}
        self.model.zero_grad()
        self.model.load_state_dict(kept)
        return history


# %% right gradients of a window by autograd.grad on the sum
@dataclass
class Config:
    param_groups: list[dict] | None = None
    lr: float = 1e-3
    weight_decay: float = 0.01
    optimizer: Callable = torch.optim.AdamW
    schedule: Callable = get_linear_schedule_with_warmup
    warmup_steps: int = 0
    epochs: int = 3
    gradient_accumulation_steps: int = 1
    max_grad_norm: float | None = 1.0
    mixed_precision: str = "no"


class FineTuner:
    def __init__(self, model, train_loader, val_loader, config):
        self.model, self.train_loader, self.val_loader, self.config = model, train_loader, val_loader, config
        self.device = next(model.parameters()).device

    def forward(self, x, y):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.mixed_precision != "no"):
            return self.model(x.to(self.device)).float(), y.to(self.device)

    @torch.no_grad()
    def evaluate(self):
        before = self.model.training
        self.model.eval()
        total = torch.zeros(3, dtype=torch.float64)
        for x, y in self.val_loader:
            logits, y = self.forward(x, y)
            loss = F.cross_entropy(logits, y, reduction="none")
            total += torch.tensor([loss.sum().item(), (logits.argmax(1) == y).sum().item(), len(y)], dtype=torch.float64)
        self.model.train(before)
        return {"val_loss": (total[0] / total[2]).item(), "val_accuracy": (total[1] / total[2]).item()}

    def fit(self):
        c, model = self.config, self.model
        weights = [p for p in model.parameters() if p.requires_grad]
        optimizer = c.optimizer(c.param_groups or weights, lr=c.lr, weight_decay=c.weight_decay)
        edges = list(range(c.gradient_accumulation_steps, len(self.train_loader), c.gradient_accumulation_steps)) + [len(self.train_loader)]
        scheduler = c.schedule(optimizer, c.warmup_steps, c.epochs * len(edges))
        history, best = [], (math.inf, None)
        for _ in range(c.epochs):
            model.train()
            sums, count, all_loss, all_count = [torch.zeros_like(p) for p in weights], 0, 0.0, 0
            for i, (x, y) in enumerate(self.train_loader):
                logits, y = self.forward(x, y)
                loss = F.cross_entropy(logits, y, reduction="sum")
                for s, g in zip(sums, torch.autograd.grad(loss, weights, allow_unused=True)):
                    if g is not None:
                        s += g
                count, all_loss, all_count = count + len(y), all_loss + float(loss), all_count + len(y)
                if i + 1 in edges:
                    for p, s in zip(weights, sums):
                        p.grad = s / count
                    if c.max_grad_norm:
                        nn.utils.clip_grad_norm_(weights, c.max_grad_norm)
                    used = [g["lr"] for g in optimizer.param_groups]
                    optimizer.step()
                    scheduler.step()
                    sums, count = [torch.zeros_like(p) for p in weights], 0
            history.append(dict(train_loss=all_loss / all_count, lr=used, **self.evaluate()))
            if history[-1]["val_loss"] < best[0]:
                best = history[-1]["val_loss"], copy.deepcopy(model.state_dict())
        model.load_state_dict(best[1])
        return history


# %% right checkpoint in memory by torch.save
#-@dataclass
#+import io
#+
#+
#+@dataclass

#-    mixed_precision: str = "no"  # or "bf16"
#+    mixed_precision: str = "no"

#-        optimizer = config.optimizer(config.param_groups or [{"params": trainable}], lr=config.lr, weight_decay=config.weight_decay)
#+        groups = config.param_groups or [{"params": trainable}]
#+        optimizer = config.optimizer(groups, lr=config.lr, weight_decay=config.weight_decay)

#-        scheduler = config.schedule(optimizer, config.warmup_steps, config.epochs * math.ceil(batches / window))
#-        history, best = [], None
#-        model.zero_grad()
#-        for _ in range(config.epochs):
#+        total = config.epochs * math.ceil(batches / window)
#+        scheduler = config.schedule(optimizer, config.warmup_steps, total)
#+        history, best, best_loss = [], None, math.inf
#+        optimizer.zero_grad()
#+        for epoch in range(config.epochs):

#-                total_loss, seen, samples = total_loss + loss.item(), seen + len(y), samples + len(y)
#+                total_loss += loss.item()
#+                seen += len(y)
#+                samples += len(y)

#-                    model.zero_grad()
#+                    optimizer.zero_grad()

#-            history.append({"train_loss": total_loss / seen, **self.evaluate(), "lr": rates})
#-            if best is None or history[-1]["val_loss"] < best["val_loss"]:
#-                best = history[-1] | {"weights": copy.deepcopy(model.state_dict())}
#-        model.load_state_dict(best["weights"])
#+            found = self.evaluate()
#+            history.append({"train_loss": total_loss / seen, **found, "lr": rates})
#+            if found["val_loss"] < best_loss:
#+                best_loss, best = found["val_loss"], io.BytesIO()
#+                torch.save(model.state_dict(), best)
#+        best.seek(0)
#+        model.load_state_dict(torch.load(best))
