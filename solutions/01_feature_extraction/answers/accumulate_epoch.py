"""Wrong and right answers to 01.accumulate_epoch."""

# %% wrong tail_dropped
# says: never applied
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    steps, samples = 0, 0
    for i, batch in enumerate(batches):
        loss_sum(batch).backward()
        samples += len(batch)
        if (i + 1) % accumulation == 0:
            for p in params:
                if p.grad is not None:
                    p.grad /= samples
            step()
            for p in params:
                p.grad = None
            steps, samples = steps + 1, 0
    return steps


# %% wrong tail_divided_by_full_window (mean by accumulation)
# says: The last gradient is too small
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    batches = list(batches)
    steps = 0
    for i, batch in enumerate(batches):
        (loss_sum(batch) / len(batch) / accumulation).backward()
        if (i + 1) % accumulation == 0 or i + 1 == len(batches):
            step()
            steps += 1
            for p in params:
                p.grad = None
    return steps


# %% wrong tail_dropped (published recipe)
# says: never applied
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    steps = 0
    for i, batch in enumerate(batches):
        loss = loss_sum(batch) / len(batch) / accumulation
        loss.backward()
        if (i + 1) % accumulation == 0:
            step()
            for p in params:
                p.grad = None
            steps += 1
    return steps


# %% wrong sum_not_mean
# says: summed loss
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    batches, steps = list(batches), 0
    for i, batch in enumerate(batches, start=1):
        loss_sum(batch).backward()
        if i % accumulation == 0 or i == len(batches):
            step()
            steps += 1
            for p in params:
                p.grad = None
    return steps


# %% wrong sum_not_mean_tail_dropped
# says: Two things
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    steps = 0
    for i, batch in enumerate(batches, start=1):
        loss_sum(batch).backward()
        if i % accumulation == 0:
            step()
            steps += 1
            for p in params:
                p.grad = None
    return steps


# %% wrong divided_by_accumulation
# says: Count samples
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    pending, steps = 0, 0
    for batch in batches:
        (loss_sum(batch) / accumulation).backward()
        pending += 1
        if pending == accumulation:
            step()
            pending, steps = 0, steps + 1
            for p in params:
                p.grad = None
    if pending:
        step()
        steps += 1
        for p in params:
            p.grad = None
    return steps


# %% wrong divided_by_accumulation_tail_dropped
# says: Two things
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    steps = 0
    for i, batch in enumerate(batches):
        (loss_sum(batch) / accumulation).backward()
        if (i + 1) % accumulation == 0:
            step()
            steps += 1
            for p in params:
                p.grad = None
    return steps


# %% wrong divided_by_pending
# says: Count samples
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / len(window)).backward()
        step()
        steps += 1
    for p in params:
        p.grad = None
    return steps


# %% wrong sum_of_means
# says: divides once
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        for p in params:
            p.grad = None
        for batch in batches[i : i + accumulation]:
            (loss_sum(batch) / len(batch)).backward()
        step()
        steps += 1
    for p in params:
        p.grad = None
    return steps


# %% wrong not_cleared
# says: clear after each step
#-    params = list(params)
#+    for p in params:
#+        p.grad = None

#-    def clear():
#-        for p in params:
#-            p.grad = None

#-        clear()
#-
#-    clear()


# %% wrong mean_not_cleared
# says: clear after each step
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        n = sum(len(batch) for batch in window)
        for batch in window:
            (loss_sum(batch) / n).backward()
        step()
        steps += 1
    return steps


# %% wrong sum_not_cleared
# says: nor cleared
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        if i % accumulation == 0 or i == len(batches):
            step()
            steps += 1
    return steps


# %% wrong samples_not_reset
# says: start counting anew
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    params = list(params)
    for p in params:
        p.grad = None
    batches, steps, samples = list(batches), 0, 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        samples += len(batch)
        if i % accumulation == 0 or i == len(batches):
            for p in params:
                if p.grad is not None:
                    p.grad.div_(samples)
            step()
            steps += 1
            for p in params:
                p.grad = None
    return steps


# %% wrong step_every_batch
# says: nothing was accumulated
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    steps = 0
    for batch in batches:
        for p in params:
            p.grad = None
        (loss_sum(batch) / len(batch)).backward()
        step()
        steps += 1
    for p in params:
        p.grad = None
    return steps


# %% wrong never_stepped
# says: never called
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    steps, samples = 0, 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        samples += len(batch)
        if i % accumulation == 0:
            for p in params:
                p.grad = p.grad / samples
            step
            steps, samples = steps + 1, 0
    return steps


# %% wrong cleared_before_step
# says: cleared it before
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        if i % accumulation == 0 or i == len(batches):
            for p in params:
                p.grad = None
            step()
            steps += 1
    return steps


# %% wrong steps_floor
# says: the shorter window
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches = list(batches)
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / sum(map(len, window))).backward()
        step()
    for p in params:
        p.grad = None
    return len(batches) // accumulation


# %% wrong returns_batches
# says: number of micro-batches
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches = list(batches)
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / sum(map(len, window))).backward()
        step()
    for p in params:
        p.grad = None
    return len(batches)


# %% wrong returns_none
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches = list(batches)
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / sum(map(len, window))).backward()
        step()
    for p in params:
        p.grad = None


# %% wrong mean_of_means
# says: counts for more
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / len(batch) / len(window)).backward()
        step()
        steps += 1
    for p in params:
        p.grad = None
    return steps


# %% wrong equal_sizes_assumed
# says: Add up len(batch)
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    pending, steps = 0, 0
    for p in params:
        p.grad = None

    def finish():
        for p in params:
            if p.grad is not None:
                p.grad /= pending * len(batch)
        step()
        for p in params:
            p.grad = None

    for batch in batches:
        loss_sum(batch).backward()
        pending += 1
        if pending == accumulation:
            finish()
            pending, steps = 0, steps + 1
    if pending:
        finish()
        steps += 1
    return steps


# %% wrong stale_start
# says: before the epoch began
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    pending, steps, samples = 0, 0, 0

    def finish():
        for p in params:
            if p.grad is not None:
                p.grad /= samples
        step()
        for p in params:
            p.grad = None

    for batch in batches:
        loss_sum(batch).backward()
        pending += 1
        samples += len(batch)
        if pending == accumulation:
            finish()
            pending, steps, samples = 0, steps + 1, 0
    if pending:
        finish()
        steps += 1
    return steps


# %% wrong stale_start_of_mean
# says: before the epoch began
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        n = sum(len(batch) for batch in window)
        for batch in window:
            (loss_sum(batch) / n).backward()
        step()
        for p in params:
            p.grad = None
        steps += 1
    return steps


# %% wrong left_over
# says: left over
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for i in range(0, len(batches), accumulation):
        window = batches[i : i + accumulation]
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / sum(map(len, window))).backward()
        step()
        steps += 1
    return steps


# %% wrong graphs_hoarded
# says: saved no memory
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    params = list(params)
    for p in params:
        p.grad = None
    losses, samples, steps = [], 0, 0

    def finish():
        (sum(losses) / samples).backward()
        step()
        for p in params:
            p.grad = None

    for batch in batches:
        losses.append(loss_sum(batch))
        samples += len(batch)
        if len(losses) == accumulation:
            finish()
            losses, samples, steps = [], 0, steps + 1
    if losses:
        finish()
        steps += 1
    return steps


# %% wrong empty_window
# says: one step too many
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    def clear():
        for p in params:
            p.grad = None

    def finish(samples):
        for p in params:
            if p.grad is not None:
                p.grad /= samples
        step()
        clear()

    clear()
    steps, samples = 0, 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        samples += len(batch)
        if i % accumulation == 0:
            finish(samples)
            steps, samples = steps + 1, 0
    finish(samples)
    return steps + 1


# %% wrong raises_TypeError (generic: len of an iterator)
# says: accumulate_epoch
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    steps, samples = 0, 0
    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        samples += len(batch)
        if i % accumulation == 0 or i == len(batches):
            for p in params:
                if p.grad is not None:
                    p.grad /= samples
            step()
            steps, samples = steps + 1, 0
            for p in params:
                p.grad = None
    return steps


# %% wrong raises_TypeError (generic: parameter without a gradient)
# says: /= n
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    batches, steps = list(batches), 0
    for p in params:
        p.grad = None
    for i in range(0, len(batches), accumulation):
        n = 0
        for batch in batches[i : i + accumulation]:
            loss_sum(batch).backward()
            n += len(batch)
        for p in params:
            p.grad /= n
        step()
        steps += 1
        for p in params:
            p.grad = None
    return steps


# %% wrong raises_AttributeError (generic: zero_ without a gradient)
# says: zero_
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad.zero_()
    steps = 0
    for batch in batches:
        loss_sum(batch).backward()
    return steps


# %% wrong raises_UnboundLocalError (generic: no batches)
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    for p in params:
        p.grad = None
    samples = 0

    def finish():
        for p in params:
            if p.grad is not None:
                p.grad /= samples
        step()
        for p in params:
            p.grad = None

    for i, batch in enumerate(batches, 1):
        loss_sum(batch).backward()
        samples += len(batch)
        if i % accumulation == 0:
            finish()
            samples = 0
    if samples:
        finish()
    return math.ceil(i / accumulation)


# %% right windows through islice
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    from itertools import islice

    batches, steps = iter(batches), 0
    while window := list(islice(batches, accumulation)):
        n = sum(len(batch) for batch in window)
        for p in params:
            p.grad = None
        for batch in window:
            (loss_sum(batch) / n).backward()
        step()
        steps += 1
    for p in params:
        p.grad = None
    return steps


# %% right own buffers through autograd.grad
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    params = list(params)
    steps, count, samples = 0, 0, 0
    sums = [torch.zeros_like(p) for p in params]

    def flush():
        for p, total in zip(params, sums):
            p.grad = total / samples
        step()
        for p, total in zip(params, sums):
            total.zero_()
            p.grad = None

    for p in params:
        p.grad = None
    for batch in batches:
        grads = torch.autograd.grad(loss_sum(batch), params, allow_unused=True)
        for total, g in zip(sums, grads):
            if g is not None:
                total += g
        count, samples = count + 1, samples + len(batch)
        if count == accumulation:
            flush()
            steps, count, samples = steps + 1, 0, 0
    if count:
        flush()
        steps += 1
    return steps


# %% right running mean, zero_grad of an optimizer
def accumulate_epoch(params, batches, loss_sum, accumulation, step):
    cleaner = torch.optim.SGD(params, lr=0.0)
    cleaner.zero_grad()
    batches = list(batches)
    steps, samples = 0, 0
    for i, batch in enumerate(batches, 1):
        before, samples = samples, samples + len(batch)
        for p in params:
            if p.grad is not None:
                p.grad.mul_(before / samples)
        (loss_sum(batch) / samples).backward()
        if i % accumulation == 0 or i == len(batches):
            step()
            cleaner.zero_grad(set_to_none=False)
            steps, samples = steps + 1, 0
    return steps
