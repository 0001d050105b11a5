"""Wrong and right answers to 02.lr_range_test."""


# %% wrong loss_after_step
# says: after each step
# edits: one batch after another, modes and copy in a dict
#-            losses.append(loss.item())

#-            walker.step()
#+            walker.step()
#+            with torch.no_grad():
#+                losses.append(F.cross_entropy(model(x), y).item())


# %% wrong never_moved (weights back after each rate)
# says: untouched model
# edits: one batch after another, modes and copy in a dict
#-            walker.step()
#+            walker.step()
#+            model.load_state_dict(saved)


# %% wrong never_moved (no step)
# says: do you step at all
# edits: one batch after another, modes and copy in a dict
#-            walker.step()


# %% wrong first_batch_only
# says: begins anew
# edits: one batch after another, modes and copy in a dict
#-    batches, losses = iter(loader), []
#+    losses = []

#-            try:
#-                x, y = next(batches)
#-            except StopIteration:
#-                batches = iter(loader)
#-                x, y = next(batches)
#+            x, y = next(iter(loader))


# %% wrong first_rate_only
# says: first rate
# edits: one batch after another, modes and copy in a dict
#-    walker = optimizer(model.parameters(), lr=1e-3)
#+    walker = optimizer(model.parameters(), lr=lrs[0])

#-            for group in walker.param_groups:
#-                group["lr"] = float(lr)


# %% wrong rate_one_late
# says: set the rate before
# edits: one batch after another, modes and copy in a dict
#-    walker = optimizer(model.parameters(), lr=1e-3)
#+    walker = optimizer(model.parameters(), lr=0.0)

#-            for group in walker.param_groups:
#-                group["lr"] = float(lr)

#-            walker.step()
#+            walker.step()
#+            for group in walker.param_groups:
#+                group["lr"] = float(lr)


# %% wrong default_rate
# says: default rate
# edits: one batch after another, modes and copy in a dict
#-            for group in walker.param_groups:
#-                group["lr"] = float(lr)


# %% wrong gradients_pile_up
# says: clear them
# edits: one batch after another, modes and copy in a dict
#-            walker.zero_grad()


# %% wrong sum_not_mean
# says: the mean was asked
# edits: one batch after another, modes and copy in a dict
#-            loss = F.cross_entropy(model(x), y)
#+            loss = F.cross_entropy(model(x), y, reduction="sum")


# %% wrong stops_with_loader
# says: It starts again
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    saved, was_training = copy.deepcopy(model.state_dict()), model.training
    walker, losses = optimizer(model.parameters(), lr=1.0), []
    model.train()
    for (x, y), lr in zip(loader, lrs):
        walker.param_groups[0]["lr"] = lr
        walker.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        walker.step()
        losses.append(loss.item())
    model.load_state_dict(saved)
    model.zero_grad()
    model.train(was_training)
    return losses


# %% wrong graph_kept
# says: every step's graph
# edits: one batch after another, modes and copy in a dict
#-            losses.append(loss.item())
#+            losses.append(loss)


# %% wrong weights_not_restored (never)
# says: other weights than before
# edits: one batch after another, modes and copy in a dict
#-        model.load_state_dict(saved)


# %% wrong weights_not_restored (no copy)
# says: without a copy
# edits: one batch after another, modes and copy in a dict
#-    saved = {name: value.clone() for name, value in model.state_dict().items()}
#+    saved = model.state_dict()


# %% wrong gradients_left
# says: left over
# edits: one batch after another, modes and copy in a dict
#-        model.zero_grad()


# %% wrong mode_not_restored
# says: mode
# edits: one batch after another, modes and copy in a dict
#-            m.training = training
#+            m.train()


# %% wrong mode_not_restored (the model's flag for all parts)
# says: mode
# edits: one batch after another, modes and copy in a dict
#-    modes = {m: m.training for m in model.modules()}
#+    was = model.training

#-        for m, training in modes.items():
#-            m.training = training
#+        model.train(was)


# %% wrong eval_mode
# says: train mode
# edits: one batch after another, modes and copy in a dict
#-    model.train()
#+    model.eval()


# %% wrong optimizer_renewed
# says: running means
# edits: one batch after another, modes and copy in a dict
#-            for group in walker.param_groups:
#-                group["lr"] = float(lr)
#+            walker = optimizer(model.parameters(), lr=lr)


# %% wrong optimizer_ignored
# says: used SGD
# edits: one batch after another, modes and copy in a dict
#-    walker = optimizer(model.parameters(), lr=1e-3)
#+    walker = torch.optim.SGD(model.parameters(), lr=1e-3)


# %% wrong buffers_not_restored
# says: running statistics
# edits: one batch after another, modes and copy in a dict
#-    saved = {name: value.clone() for name, value in model.state_dict().items()}
#+    saved = {name: value.detach().clone() for name, value in model.named_parameters()}

#-        model.load_state_dict(saved)
#+        model.load_state_dict(saved, strict=False)


# %% wrong gradients_pile_up (stale at the start)
# says: clear them
# edits: one batch after another, modes and copy in a dict
#-            walker.zero_grad()

#-            walker.step()
#+            walker.step()
#+            if lr < 0:
#+                walker.zero_grad()


# %% wrong stops_at_nan
# says: not finite
# edits: one batch after another, modes and copy in a dict
#-            loss = F.cross_entropy(model(x), y)
#+            loss = F.cross_entropy(model(x), y)
#+            if not math.isfinite(loss.item()):
#+                break


# %% wrong mode_not_restored (no finally)
# says: try/finally
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    modes = {m: m.training for m in model.modules()}
    saved = copy.deepcopy(model.state_dict())
    walker, losses = optimizer(model.parameters(), lr=1.0), []
    batches = (batch for _ in itertools.count() for batch in loader)
    model.train()
    for lr in lrs:
        x, y = next(batches)
        for group in walker.param_groups:
            group["lr"] = float(lr)
        walker.zero_grad()
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        loss.backward()
        walker.step()
    model.load_state_dict(saved)
    model.zero_grad()
    for m, training in modes.items():
        m.training = training
    return losses


# %% wrong not_restored_after_error
# says: try/finally
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    modes = {m: m.training for m in model.modules()}
    saved = copy.deepcopy(model.state_dict())
    walker, losses = optimizer(model.parameters(), lr=1.0), []
    batches = (batch for _ in itertools.count() for batch in loader)
    model.train()
    for lr in lrs:
        try:
            x, y = next(batches)
        except ArithmeticError:
            for m, training in modes.items():
                m.training = training
            raise
        for group in walker.param_groups:
            group["lr"] = float(lr)
        walker.zero_grad()
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        loss.backward()
        walker.step()
    model.load_state_dict(saved)
    model.zero_grad()
    for m, training in modes.items():
        m.training = training
    return losses


# %% wrong returns_none
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    modes = {m: m.training for m in model.modules()}
    saved = copy.deepcopy(model.state_dict())
    walker, losses = optimizer(model.parameters(), lr=1.0), []
    batches = (batch for _ in itertools.count() for batch in loader)
    model.train()
    for lr in lrs:
        x, y = next(batches)
        for group in walker.param_groups:
            group["lr"] = float(lr)
        walker.zero_grad()
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        loss.backward()
        walker.step()
    model.load_state_dict(saved)
    model.zero_grad()
    for m, training in modes.items():
        m.training = training


# %% right one batch after another, modes and copy in a dict
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    modes = {m: m.training for m in model.modules()}
    saved = {name: value.clone() for name, value in model.state_dict().items()}
    walker = optimizer(model.parameters(), lr=1e-3)
    batches, losses = iter(loader), []
    model.train()
    try:
        for lr in lrs:
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(loader)
                x, y = next(batches)
            for group in walker.param_groups:
                group["lr"] = float(lr)
            walker.zero_grad()
            loss = F.cross_entropy(model(x), y)
            losses.append(loss.item())
            loss.backward()
            walker.step()
    finally:
        model.load_state_dict(saved)
        model.zero_grad()
        for m, training in modes.items():
            m.training = training
    return losses


# %% right on a deep copy of the model
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    twin = copy.deepcopy(model).train()
    for p in twin.parameters():
        p.grad = None
    for p in model.parameters():
        p.grad = None
    walker, losses, cycle = optimizer(twin.parameters(), lr=0.1), [], itertools.cycle(loader)
    for lr in lrs:
        x, y = next(cycle)
        walker.param_groups[0]["lr"] = lr
        loss = -twin(x).log_softmax(-1).gather(1, y[:, None]).mean()
        walker.zero_grad()
        loss.backward()
        walker.step()
        losses.append(float(loss))
    return losses


# %% right epochs of the loader inside a while loop, trainable parameters only
def lr_range_test(model, loader, lrs, optimizer=torch.optim.SGD):
    lrs = [float(lr) for lr in lrs]
    saved = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    parameters = [p for p in model.parameters() if p.requires_grad]
    walker, losses = optimizer(parameters, lr=lrs[0]), []
    try:
        model.train()
        while len(losses) < len(lrs):
            for x, y in loader:
                if len(losses) == len(lrs):
                    break
                for group in walker.param_groups:
                    group.update(lr=lrs[len(losses)])
                for p in parameters:
                    p.grad = None
                loss = nn.CrossEntropyLoss()(model(x), y)
                loss.backward()
                losses.append(loss.detach().item())
                walker.step()
    finally:
        for p in model.parameters():
            p.grad = None
        model.load_state_dict(saved)
        for m, mode in zip(model.modules(), modes):
            m.training = mode
    return losses
