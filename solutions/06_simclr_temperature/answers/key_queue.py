"""Wrong and right answers to 06.key_queue."""

# %% wrong filled_at_start (random, as in MoCo's code)
# says: begins empty
class KeyQueue:
    def __init__(self, size, dim):
        self.store, self.place = F.normalize(torch.randn(size, dim), dim=1), 0

    def push(self, keys):
        for key in keys.detach():
            self.store[self.place] = key
            self.place = (self.place + 1) % len(self.store)

    def keys(self):
        return self.store.clone()


# %% wrong filled_at_start (zeros)
#-        self.store, self.pushed = torch.empty(size, dim), 0
#+        self.store, self.pushed = torch.zeros(size, dim), 0
#-        return self.store[: self.pushed].clone()
#+        return self.store.clone()

# %% wrong not_a_tensor (a list of rows)
# says: should return a tensor
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.rows = size, []

    def push(self, keys):
        self.rows = (self.rows + list(keys.detach().clone()))[-self.size :]

    def keys(self):
        return self.rows


# %% wrong wrong_shape (empty tensor without dim)
# says: (0, 2)
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.tensor([])

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach()])[-self.size :]

    def keys(self):
        return self.store.clone()


# %% wrong wrong_shape (dim × size, as in MoCo's code)
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(dim, 0)

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach().T], dim=1)[:, -self.size :]

    def keys(self):
        return self.store.clone()


# %% wrong returns_none
#-        return self.store[: self.pushed].clone()
#+        self.store[: self.pushed].clone()

# %% wrong not_bounded
# says: the oldest have to go
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach()])

    def keys(self):
        return self.store


# %% wrong end_cut_off (the first size rows)
# says: refused the rest
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach()])[: self.size]

    def keys(self):
        return self.store


# %% wrong starts_over (clears when full)
# says: only as many leave
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        if len(self.store) + len(keys) > self.size:
            self.store = self.store[:0]
        self.store = torch.cat([self.store, keys.detach()])

    def keys(self):
        return self.store


# %% wrong no_wrap (three from the end only)
# says: wrap around
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach()[:2]])[-3:] if len(self.store) == 3 else keys.detach()

    def keys(self):
        return self.store


# %% wrong newest_replaced (a stack)
# says: last in, first out
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        keep = self.size - len(keys)
        self.store = torch.cat([self.store[:keep], keys.detach()])

    def keys(self):
        return self.store


# %% wrong one_only (mean of the batch is not it either)
# says: first of the three
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys[:1].detach()])[-self.size :]

    def keys(self):
        return self.store


# %% wrong last_only
# says: Only the last
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys[-1:].detach()])[-self.size :]

    def keys(self):
        return self.store


# %% wrong padded (the whole store once something is in it)
# says: never pushed
#-        self.store, self.pushed = torch.empty(size, dim), 0
#+        self.store, self.pushed = torch.zeros(size, dim), 0
#-        return self.store[: self.pushed].clone()
#+        return self.store.clone() if self.pushed else self.store[:0]

# %% wrong written_at_zero (the place is clamped instead of wrapped)
# says: stored twice
class KeyQueue:
    def __init__(self, size, dim):
        self.store, self.place, self.count = torch.zeros(size, dim), 0, 0

    def push(self, keys):
        if len(keys) == 3 and self.place:
            self.store[:] = torch.stack([keys[0], keys[1], keys[2], keys[2]]).detach()
        else:
            self.store[: len(keys)] = keys.detach()
            self.place = len(keys)
        self.count += len(keys)

    def keys(self):
        return self.store[: self.count]


# %% wrong place_lost (begins at 0 after each wrap)
# says: where the next push begins
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store, self.place, self.count = size, torch.empty(size, dim), 0, 0

    def push(self, keys):
        end = self.place + len(keys)
        where = torch.arange(self.place, end) % self.size
        self.store[where] = keys.detach()
        self.place = 0 if end == self.size else min(end, self.size) % self.size
        self.count += len(keys)

    def keys(self):
        return self.store[: self.count].clone()


# %% wrong no_wrap (MoCo's code: the size must be a multiple of the batch)
# says: wrap around
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store, self.place, self.count = size, torch.empty(size, dim), 0, 0

    def push(self, keys):
        self.store[self.place : self.place + len(keys)] = keys.detach()
        self.place = (self.place + len(keys)) % self.size
        self.count += len(keys)

    def keys(self):
        return self.store[: self.count].clone()


# %% wrong push_too_large (two slices)
# says: Pushing 9 keys
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store, self.place, self.count = size, torch.empty(size, dim), 0, 0

    def push(self, keys):
        room = self.size - self.place
        self.store[self.place : self.place + len(keys[:room])] = keys[:room].detach()
        rest = keys[room:].detach()
        self.store[: len(rest)] = rest
        self.place = (self.place + len(keys)) % self.size
        self.count += len(keys)

    def keys(self):
        return self.store[: self.count].clone()


# %% wrong push_fails (empty push divided by)
# says: Pushing 0 keys
#-        size = len(self.store)
#+        size = len(self.store)
#+        keys[0], keys[-1]

# %% wrong different (keeps the first of a push that is too large)
# says: is off
#-        self.store[places[-size:]] = keys.detach()[-size:]
#+        self.store[places[:size]] = keys.detach()[:size]

# %% wrong not_detached
# says: Detach what is stored
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys])[-self.size :]

    def keys(self):
        return self.store


# %% wrong not_copied (rows of the pushed tensor in a deque)
# says: Store a copy
class KeyQueue:
    def __init__(self, size, dim):
        from collections import deque

        self.rows, self.dim = deque(maxlen=size), dim

    def push(self, keys):
        self.rows.extend(keys.detach())

    def keys(self):
        return torch.stack(list(self.rows)) if self.rows else torch.empty(0, self.dim)


# %% wrong result_changes (a view of the store)
# says: return a copy
#-        return self.store[: self.pushed].clone()
#+        return self.store[: self.pushed]

# %% wrong shared (on the class)
# says: on self
class KeyQueue:
    rows = []

    def __init__(self, size, dim):
        self.size, self.dim = size, dim
        if len(self.rows) and self.rows[0].numel() != dim:
            self.rows.clear()

    def push(self, keys):
        self.rows.extend(keys.detach().clone())
        del self.rows[: max(0, len(self.rows) - self.size)]

    def keys(self):
        return torch.stack(self.rows) if self.rows else torch.empty(0, self.dim)


# %% wrong different (normalizes what it stores)
#-        self.store[places[-size:]] = keys.detach()[-size:]
#+        self.store[places[-size:]] = F.normalize(keys.detach()[-size:], dim=1)

# %% wrong keys_hidden (the store takes the method's name)
# says: Give the store another name
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.keys = size, torch.empty(0, dim)

    def push(self, keys):
        self.keys = torch.cat([self.keys, keys.detach()])[-self.size :]

    def keys(self):
        return self.keys


# %% wrong empty_fails (stack of nothing)
# says: An empty queue gives
class KeyQueue:
    def __init__(self, size, dim):
        from collections import deque

        self.rows = deque(maxlen=size)

    def push(self, keys):
        self.rows.extend(keys.detach().clone())

    def keys(self):
        return torch.stack(list(self.rows))


# %% wrong raises_AssertionError (MoCo's code with its assert)
# says: assert self.size % len(keys) == 0
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store, self.place, self.count = size, torch.empty(size, dim), 0, 0

    def push(self, keys):
        assert self.size % len(keys) == 0  # for simplicity
        self.store[self.place : self.place + len(keys)] = keys.detach()
        self.place = (self.place + len(keys)) % self.size
        self.count += len(keys)

    def keys(self):
        return self.store[: self.count].clone()


# %% wrong not_copied (the first push only)
# says: Store a copy
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.dim, self.rows = size, dim, None

    def push(self, keys):
        keys = keys.detach()
        self.rows = (keys if self.rows is None else torch.cat([self.rows, keys]))[-self.size :]

    def keys(self):
        return torch.empty(0, self.dim) if self.rows is None else self.rows.clone()


# %% right cut to the last rows
class KeyQueue:
    def __init__(self, size, dim):
        self.size, self.store = size, torch.empty(0, dim)

    def push(self, keys):
        self.store = torch.cat([self.store, keys.detach()])[-self.size :]

    def keys(self):
        return self.store


# %% right deque of copies
class KeyQueue:
    def __init__(self, size, dim):
        from collections import deque

        self.rows, self.dim = deque(maxlen=size), dim

    def push(self, keys):
        self.rows.extend(keys.detach().clone())

    def keys(self):
        return torch.stack(list(self.rows)) if self.rows else torch.empty(0, self.dim)


# %% right one row at a time
class KeyQueue:
    def __init__(self, size, dim):
        self.store, self.place, self.full = torch.zeros(size, dim), 0, False

    @torch.no_grad()
    def push(self, keys):
        for key in keys:
            self.store[self.place] = key
            self.place += 1
            if self.place == len(self.store):
                self.place, self.full = 0, True

    def keys(self):
        return (self.store if self.full else self.store[: self.place]).detach().clone()


# %% right rolled store, newest first
class KeyQueue:
    def __init__(self, size, dim):
        self.store, self.count = torch.zeros(size, dim), 0

    def push(self, keys):
        keys = keys.detach().flip(0)[: len(self.store)]
        self.store = self.store.roll(len(keys), 0)
        self.store[: len(keys)] = keys
        self.count = min(self.count + len(keys), len(self.store))

    def keys(self):
        return self.store[: self.count].clone()
