"""Wrong and right answers to 03.gradual_unfreezer."""

# %% wrong nothing_frozen
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule.get(epoch, 0)
        for group in self.stack[len(self.stack) - k :]:
            group.requires_grad_(True)
        return epoch in self.schedule


# %% wrong bottom_first
# says: the top goes first
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [p.requires_grad for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i < k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong head_frozen (the model is frozen, the groups come back)
# says: trains in every epoch
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        self.model.requires_grad_(False)
        for group in self.stack[len(self.stack) - k :]:
            group.requires_grad_(True)
        return True


# %% wrong minus_zero
# says: stack[-0:]
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        for group in self.stack:
            group.requires_grad_(False)
        for group in self.stack[-k:]:
            group.requires_grad_(True)
        return True


# %% wrong counts_entries
# says: The entry says how many
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = sum(e <= epoch for e in self.schedule)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong counts_later_entries
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack
        self.k = -1

    def step(self, epoch):
        if epoch in self.schedule:
            self.k += 1
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - self.k)
        return epoch in self.schedule


# %% wrong adds_up
# says: not how many more
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = sum(n for e, n in self.schedule.items() if e <= epoch)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong one_epoch_late
# says: an epoch late
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = 0
        for e, n in self.schedule.items():
            if e < epoch:
                k = n
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong next_entry
# says: comes next
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[min(e for e in self.schedule if e >= epoch)]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong entry_epochs_only
# says: holds until the next one
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule.get(epoch, 0)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong nothing_frozen (last entry from the start)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        for k in self.schedule.values():
            for i, group in enumerate(self.stack):
                group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong nothing_frozen (k is never used)
# says: Everything trains
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        for group in self.stack:
            group.requires_grad = False
        return True


# %% wrong single_group
# says: all of them
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        for group in self.stack:
            group.requires_grad_(False)
        if k:
            self.stack[-k].requires_grad_(True)
        return True


# %% wrong returns_none
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)


# %% wrong says_always
# says: whether a flag changed
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return True


# %% wrong says_never (the same objects on both sides)
# says: compared with itself
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [id(p) for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [id(p) for p in self.model.parameters()]


# %% wrong says_opposite
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [p.requires_grad for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before == [p.requires_grad for p in self.model.parameters()]


# %% wrong first_step_unnoticed (frozen at construction)
# says: which is a change
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack
        for group in stack:
            group.requires_grad_(False)

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [p.requires_grad for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong never_refrozen (each entry only adds)
# says: Going back
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack, self.started = model, schedule, stack, False

    def step(self, epoch):
        before = [p.requires_grad for p in self.model.parameters()]
        if not self.started:
            for group in self.stack:
                group.requires_grad_(False)
            self.started = True
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        for group in self.stack[len(self.stack) - k :]:
            group.requires_grad_(True)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong counts_calls
# says: changed something
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.stack, self.called = model, stack, 0
        self.counts = []
        for e in range(6):
            self.counts.append(schedule[max(s for s in schedule if s <= e)])
        self.counts.append(0)

    def step(self, epoch):
        before = [p.requires_grad for p in self.model.parameters()]
        k = self.counts[self.called % 7]
        self.called += 1
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong entry_missed (acts only in the epochs of entries)
# says: never stepped
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        if epoch not in self.schedule:
            return False
        k = self.schedule[epoch]
        before = [p.requires_grad for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong order_of_entries
# says: in any order
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = 0
        for start, value in self.schedule.items():
            if start <= epoch:
                k = value
        before = [p.requires_grad for p in self.model.parameters()]
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong embeddings_never
# says: would never train
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [p.requires_grad for p in self.model.parameters()]
        for i, group in enumerate(self.stack):
            embeddings = hasattr(group, "word_embeddings")
            group.requires_grad_(i >= len(self.stack) - k and not embeddings)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong raises_TypeError (numbers only)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong positions_ignored (length of the list)
# says: 0 is the bottom group
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        k = k if isinstance(k, int) else len(k)
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i >= len(self.stack) - k)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong positions_ignored (counted from the top)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        positions = range(k) if isinstance(k, int) else k
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(reversed(self.stack)):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong before_first_entry (first entry from the start)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch] or [min(self.schedule)]
        k = self.schedule[max(begun)]
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong raises_ValueError (max of nothing)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        k = self.schedule[max(e for e in self.schedule if e <= epoch)]
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong trusts_memory
# says: not at your memory
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack, self.last = model, schedule, stack, None

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        positions = list(range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k)
        if positions == self.last:
            return False
        self.last = positions
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong trusts_memory (sets the flags but compares positions)
# says: returned False
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack, self.last = model, schedule, stack, None

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        positions = set(range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k)
        changed, self.last = positions != self.last, positions
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return changed


# %% wrong head_frozen (groups switched, head taken for granted)
# says: came with everything frozen
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        changed = False
        for i, group in enumerate(self.stack):
            for p in group.parameters():
                changed |= p.requires_grad != (i in positions)
                p.requires_grad = i in positions
        return changed


# %% wrong input_changed (entries used up)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack
        self.full = dict(schedule)

    def step(self, epoch):
        self.schedule.pop(epoch, None)
        begun = [e for e in self.full if e <= epoch]
        k = self.full[max(begun)] if begun else 0
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        before = [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return before != [p.requires_grad for p in self.model.parameters()]


# %% wrong says_entry
# says: entry of its own
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        again = epoch == getattr(self, "last", None)
        self.last = epoch
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        return epoch in self.schedule and not again


# %% wrong first_step_says_change
# says: already in the right state
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack, self.flags = model, schedule, stack, None

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        positions = range(len(self.stack) - k, len(self.stack)) if isinstance(k, int) else k
        before = self.flags and [p.requires_grad for p in self.model.parameters()]
        self.model.requires_grad_(True)
        for i, group in enumerate(self.stack):
            group.requires_grad_(i in positions)
        self.flags = [p.requires_grad for p in self.model.parameters()]
        return before != self.flags


# %% wrong wrong_names (layers only, positions without the bottom)
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.schedule, self.stack = model, schedule, stack

    def step(self, epoch):
        begun = [e for e in self.schedule if e <= epoch]
        k = self.schedule[max(begun)] if begun else 0
        before = [p.requires_grad for p in self.model.parameters()]
        for name, p in self.model.named_parameters():
            place = [i for i, group in enumerate(self.stack) if any(p is q for q in group.parameters())]
            p.requires_grad = not place or "LayerNorm" in name or place[0] >= len(self.stack) - k
        return before != [p.requires_grad for p in self.model.parameters()]


# %% right calls unfreeze-like code with modes
class GradualUnfreezer:
    def __init__(self, model: nn.Module, schedule: dict, stack: list[nn.Module]):
        self.model, self.stack = model, stack
        self.entries = sorted(schedule.items())

    def step(self, epoch: int) -> bool:
        wanted = 0
        for start, value in self.entries:
            if start <= epoch:
                wanted = value
        n = len(self.stack)
        on = set(wanted) if isinstance(wanted, (list, tuple, set, range)) else {n - 1 - i for i in range(wanted)}
        frozen = {id(p) for i in range(n) if i not in on for p in self.stack[i].parameters()}
        changed = False
        for p in self.model.parameters():
            if p.requires_grad != (id(p) not in frozen):
                p.requires_grad = not p.requires_grad
                changed = True
        for i, group in enumerate(self.stack):
            group.train(i in on)
        return changed


# %% right bisect
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        import bisect

        self.starts = sorted(schedule)
        self.values = [0] + [schedule[s] for s in self.starts]
        self.find = lambda epoch: self.values[bisect.bisect_right(self.starts, epoch)]
        self.model, self.stack = model, stack

    def step(self, epoch):
        k = self.find(epoch)
        names = {n for n, p in self.model.named_parameters() if p.requires_grad}
        for p in self.model.parameters():
            p.requires_grad_(True)
        keep = k if isinstance(k, list) else list(range(len(self.stack)))[len(self.stack) - k :]
        for i in set(range(len(self.stack))) - set(keep):
            self.stack[i].requires_grad_(False)
        return names != {n for n, p in self.model.named_parameters() if p.requires_grad}


# %% right table made in advance, returns a number of changes
class GradualUnfreezer:
    def __init__(self, model, schedule, stack):
        self.model, self.stack, self.schedule = model, list(stack), {**schedule}
        inside = {id(p) for g in stack for p in g.parameters()}
        self.outside = [p for p in model.parameters() if id(p) not in inside]

    def step(self, epoch):
        k = next((self.schedule[e] for e in range(epoch, -1, -1) if e in self.schedule), 0)
        changes = 0
        for position, group in enumerate(self.stack):
            flag = position in k if hasattr(k, "__contains__") else position + k >= len(self.stack)
            for p in group.parameters():
                changes += p.requires_grad is not flag
                p.requires_grad = flag
        for p in self.outside:
            changes += not p.requires_grad
            p.requires_grad = True
        return bool(changes)
