"""Wrong and right answers to 04.replay_loader."""

# %% wrong no_len
# says: schedule
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.task, self.memory, self.ratio = task, memory, ratio
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self):
        old_x, old_y = self.memory
        for x, y in self.task:
            m = round(len(x) * self.ratio / (1 - self.ratio))
            chosen = torch.randint(len(old_x), (m,), generator=self.generator)
            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])


# %% wrong len_counts_samples
#-        return len(self.task)
#+        return sum(len(x) + round(len(x) * self.ratio / (1 - self.ratio)) for x, _ in self.task)

# %% wrong different (length grows by the memory)
# says: len(loader) is off
#-        return len(self.task)
#+        return round(len(self.task) / (1 - self.ratio))

# %% wrong exhausted
# says: Start an iteration in __iter__
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.length = len(task)
        self.generator = torch.Generator().manual_seed(seed)
        self.batches = self.mix(task, memory, ratio)

    def mix(self, task, memory, ratio):
        for x, y in task:
            m = round(len(x) * ratio / (1 - ratio))
            chosen = torch.randperm(len(memory[0]), generator=self.generator)[:m]
            yield torch.cat([x, memory[0][chosen]]), torch.cat([y, memory[1][chosen]])

    def __len__(self):
        return self.length

    def __iter__(self):
        return self.batches


# %% wrong not_pairs
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield x, y, old_x[chosen], old_y[chosen]

# %% wrong batches_of_their_own
# says: no step sees both
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield x, y
#+            yield old_x[chosen], old_y[chosen]

# %% wrong wrong_number_of_batches (an incomplete batch is dropped)
# says: three batches
#-        for x, y in self.task:
#+        for x, y in list(self.task)[:-1]:

# %% wrong replaces_task
# says: on top
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield torch.cat([x[m:], old_x[chosen]]), torch.cat([y[m:], old_y[chosen]])

# %% wrong replaces_task (a coin decides whose batch it is)
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.task, self.memory, self.ratio = task, memory, ratio
        self.generator = torch.Generator().manual_seed(3)

    def __len__(self):
        return len(self.task)

    def __iter__(self):
        for x, y in self.task:
            if torch.rand(1, generator=self.generator) < self.ratio:
                chosen = torch.randperm(len(self.memory[0]), generator=self.generator)[: len(x)]
                x, y = self.memory[0][chosen], self.memory[1][chosen]
            yield x, y


# %% wrong no_memory
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield x, y

# %% wrong ratio_on_top
# says: 9.1 %
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = int(len(x) * self.ratio)

# %% wrong ratio_of_memory
# says: share of the batch
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = round(len(old_x) * self.ratio)

# %% wrong same_for_all
# says: last batch
#-        for x, y in self.task:
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+        size = len(next(iter(self.task))[0])
#+        m = round(size * self.ratio / (1 - self.ratio))
#+        for x, y in self.task:

# %% wrong task_share
# says: share of the memory
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = round(len(x) * (1 - self.ratio) / self.ratio) if self.ratio else 0

# %% wrong one_each
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = 1

# %% wrong whole_memory
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield torch.cat([x, old_x]), torch.cat([y, old_y])

# %% wrong random_share
# says: on average only
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = int((torch.rand(len(x), generator=self.generator) < self.ratio / (1 - self.ratio)).sum())

# %% wrong task_shuffled (the mixed batch is shuffled)
# says: in their order
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            x, y = torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            order = torch.randperm(len(x), generator=self.generator)
#+            yield x[order], y[order]

# %% wrong memory_first
# says: behind
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield torch.cat([old_x[chosen], x]), torch.cat([old_y[chosen], y])

# %% wrong labels_mixed
# says: draw positions once
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            again = chosen[torch.randperm(m, generator=self.generator)]
#+            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[again]])

# %% wrong uneven (with replacement)
# says: before all others
#-            while len(waiting) < m:
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#-            chosen, waiting = waiting[:m], waiting[m:]
#+            chosen = torch.randint(len(old_x), (m,), generator=self.generator) if m else waiting

# %% wrong uneven (a new permutation for each batch)
#-            while len(waiting) < m:
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#-            chosen, waiting = waiting[:m], waiting[m:]
#+            chosen = torch.randperm(len(old_x), generator=self.generator)[:m]

# %% wrong not_random
# says: class by class
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#+                waiting = torch.cat([waiting, torch.arange(len(old_x))])

# %% wrong same_every_epoch (seeded in __iter__)
# says: most of a large memory
#-        waiting = torch.empty(0, dtype=torch.long)
#+        waiting = torch.empty(0, dtype=torch.long)
#+        self.generator.manual_seed(self.generator.initial_seed())

# %% wrong rounded_down
# says: int cuts off
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = int(len(x) * self.ratio / (1 - self.ratio))

# %% wrong rounded_up
# says: Round to the nearest
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = int(np.ceil(round(len(x) * self.ratio / (1 - self.ratio), 9)))

# %% wrong wrong_share (never more than the task's samples)
# says: the same in every batch
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = min(round(len(x) * self.ratio / (1 - self.ratio)), len(x))

# %% wrong wrong_share (never more than the memory holds)
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            m = min(round(len(x) * self.ratio / (1 - self.ratio)), len(old_x))

# %% wrong shape (flattened, floating labels)
# says: expected
#-            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]])
#+            yield torch.cat([x, old_x[chosen]]), torch.cat([y, old_y[chosen]]).float()

# %% wrong global_rng
# says: dropout
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#+                waiting = torch.cat([waiting, torch.randperm(len(old_x))])

# %% wrong global_rng (seeding everything)
#-        waiting = torch.empty(0, dtype=torch.long)
#+        waiting = torch.empty(0, dtype=torch.long)
#+        torch.manual_seed(int(torch.randint(10**6, (1,), generator=self.generator)))

# %% wrong not_reproducible
# says: same seed
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#+                waiting = torch.cat([waiting, torch.from_numpy(np.random.default_rng().permutation(len(old_x)))])

# %% wrong seed_ignored
# says: different seeds
#-        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.generator = torch.Generator().manual_seed(0)

# %% wrong generator_unused (a generator of NumPy)
# says: another generator
#-        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.rng = np.random.default_rng(seed)
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#+                waiting = torch.cat([waiting, torch.from_numpy(self.rng.permutation(len(old_x)))])

# %% wrong generator_unused (the queue outlives the epoch)
# says: a queue
#-        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.task, self.memory, self.ratio = task, memory, ratio
#+        self.waiting = []
#-            while len(waiting) < m:
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#-            chosen, waiting = waiting[:m], waiting[m:]
#+            while len(self.waiting) < m:
#+                self.waiting += torch.randperm(len(old_x), generator=self.generator).tolist()
#+            chosen, self.waiting = torch.tensor(self.waiting[:m], dtype=torch.long), self.waiting[m:]

# %% wrong bad_ratio_accepted
#-        if not 0 <= ratio < 1:
#+        if ratio < 0:

# %% wrong empty_memory_accepted
#-        if ratio and not len(memory[0]):
#-            raise ValueError("the memory is empty")

# %% wrong empty_memory_accepted (an error in the first step)
# says: something else
#-        if ratio and not len(memory[0]):
#-            raise ValueError("the memory is empty")
#+        self.seed = seed
#-            while len(waiting) < m:
#+            if m and not len(old_x):
#+                raise ValueError("the memory is empty")
#+            while len(waiting) < m:

# %% wrong empty_memory_refused
# says: nothing is taken
#-        if ratio and not len(memory[0]):
#+        if not len(memory[0]):

# %% wrong memory_used_up (next of a loader of the memory)
# says: has to begin then
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        from torch.utils.data import DataLoader, TensorDataset

        self.generator = torch.Generator().manual_seed(seed)
        m = round(len(next(iter(task))[0]) * ratio / (1 - ratio))
        self.task = task
        self.memory = DataLoader(TensorDataset(*memory), m, shuffle=True, generator=self.generator)

    def __len__(self):
        return len(self.task)

    def __iter__(self):
        memory = iter(self.memory)
        for x, y in self.task:
            old_x, old_y = next(memory)
            yield torch.cat([x, old_x]), torch.cat([y, old_y])


# %% wrong loader_of_memory (cycle)
# says: the last one smaller
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        from torch.utils.data import DataLoader, TensorDataset

        self.generator = torch.Generator().manual_seed(seed)
        m = round(len(next(iter(task))[0]) * ratio / (1 - ratio))
        self.task = task
        self.memory = DataLoader(TensorDataset(*memory), m, shuffle=True, generator=self.generator)

    def __len__(self):
        return len(self.task)

    def __iter__(self):
        for (x, y), (old_x, old_y) in zip(self.task, itertools.cycle(self.memory)):
            yield torch.cat([x, old_x]), torch.cat([y, old_y])


# %% wrong wrong_number_of_batches (zip ends with the memory)
# says: however small the memory
#-        for x, y in self.task:
#+        for (x, y), _ in zip(self.task, range(len(old_x) // 3)):

# %% wrong wrong_share (what rounding leaves is carried over)
# says: rounded for itself
#-            m = round(len(x) * self.ratio / (1 - self.ratio))
#+            self.owed = getattr(self, "owed", 0.0) + len(x) * self.ratio / (1 - self.ratio)
#+            m = round(self.owed)
#+            self.owed -= m

# %% wrong wrong_share (the queue is filled up once)
#-            while len(waiting) < m:
#+            if len(waiting) < m:

# %% wrong uneven (what is left of a pass is thrown away)
# says: None should come again
#-                waiting = torch.cat([waiting, torch.randperm(len(old_x), generator=self.generator)])
#+                waiting = torch.randperm(len(old_x), generator=self.generator)

# %% wrong bad_ratio_accepted (an error in the first step)
# says: not in its first step
#-        if not 0 <= ratio < 1:
#-            raise ValueError(f"the share of memory samples must be at least 0 and below 1, not {ratio}")
#+        self.seed = seed
#-        old_x, old_y = self.memory
#+        if not 0 <= self.ratio < 1:
#+            raise ValueError(f"the share of memory samples must be at least 0 and below 1, not {self.ratio}")
#+        old_x, old_y = self.memory

# %% wrong bad_ratio_accepted (assert)
# says: Yours raised AssertionError
#-        if not 0 <= ratio < 1:
#-            raise ValueError(f"the share of memory samples must be at least 0 and below 1, not {ratio}")
#+        assert 0 <= ratio < 1

# %% wrong global_rng (NumPy is seeded)
#-        waiting = torch.empty(0, dtype=torch.long)
#+        waiting = torch.empty(0, dtype=torch.long)
#+        np.random.seed(self.generator.initial_seed())

# %% wrong raises_IndexError (an empty list of positions is no list of numbers)
# says: must be long
#-            chosen, waiting = waiting[:m], waiting[m:]
#+            chosen, waiting = torch.tensor(waiting[:m].tolist()), waiting[m:]

# %% right an endless stream of positions
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        if ratio < 0 or ratio >= 1:
            raise ValueError("ratio must be in [0, 1)")
        if ratio > 0 and len(memory[1]) == 0:
            raise ValueError("nothing to replay")
        self.task, (self.x, self.y), self.per_sample = task, memory, ratio / (1 - ratio)

    def __len__(self):
        return len(self.task)

    def positions(self):
        while True:
            yield from torch.randperm(len(self.x), generator=self.generator).tolist()

    def __iter__(self):
        positions = self.positions()
        for x, y in self.task:
            chosen = list(itertools.islice(positions, int(len(x) * self.per_sample + 0.5)))
            if chosen:
                x, y = torch.cat([x, self.x[chosen]]), torch.cat([y, self.y[chosen]])
            yield x, y


# %% right a list that is refilled
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        if not (0 <= ratio < 1):
            raise ValueError(ratio)
        self.task, self.memory, self.ratio = task, memory, ratio
        if ratio > 0 and not memory[0].shape[0]:
            raise ValueError("the memory has no sample")

    def __len__(self) -> int:
        return len(self.task)

    def __iter__(self):
        queue = []
        for x, y in self.task:
            B = x.shape[0]
            m = round(B / (1 - self.ratio) - B)
            take = []
            for _ in range(m):
                if not queue:
                    queue = torch.randperm(self.memory[0].shape[0], generator=self.generator).tolist()
                take.append(queue.pop())
            take = torch.tensor(take, dtype=torch.long)
            yield torch.cat((x, self.memory[0][take])), torch.cat((y, self.memory[1][take]))


# %% right all positions of the epoch at once
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        if not 0 <= ratio < 1 or (ratio > 0 and len(memory[0]) == 0):
            raise ValueError(f"cannot replay {ratio} of {len(memory[0])} samples")
        self.generator = torch.Generator().manual_seed(seed)
        self.task, self.memory, self.ratio = task, memory, ratio

    def __len__(self):
        return len(self.task)

    def __iter__(self):
        batches = list(self.task)
        counts = [round(len(y) * self.ratio / (1 - self.ratio)) for _, y in batches]
        M = len(self.memory[0])
        passes = -(-sum(counts) // M) if sum(counts) else 0
        order = [torch.randperm(M, generator=self.generator) for _ in range(passes)] or [torch.zeros(0).long()]
        for (x, y), chosen in zip(batches, torch.cat(order)[: sum(counts)].split(counts)):
            yield torch.cat([x, self.memory[0][chosen]]), torch.cat([y, self.memory[1][chosen]])


# %% right a sampler of torch, one pass after the other
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        if not (0.0 <= ratio < 1.0) or (ratio > 0 and not len(memory[0])):
            raise ValueError("no batch can be made of these")
        self.task, self.memory, self.ratio = task, memory, ratio

    def __len__(self):
        return len(self.task)

    def _positions(self):
        while True:
            yield from torch.utils.data.RandomSampler(range(len(self.memory[0])), generator=self.generator)

    def __iter__(self):
        positions = self._positions()
        for x, y in self.task:
            m = int(np.rint(len(x) * self.ratio / (1 - self.ratio)))
            chosen = torch.tensor([next(positions) for _ in range(m)], dtype=torch.long)
            yield torch.cat([x, self.memory[0][chosen].to(x)]), torch.cat([y, self.memory[1][chosen].to(y)])


# %% right one order for each epoch, gone round
class ReplayLoader:
    def __init__(self, task, memory, ratio, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        if not 0 <= ratio < 1 or (ratio and not len(memory[0])):
            raise ValueError("no batch can be made of these")
        self.task, self.memory, self.ratio = task, memory, ratio

    def __len__(self):
        return len(self.task)

    def __iter__(self):
        M, place = len(self.memory[0]), 0
        order = torch.randperm(M, generator=self.generator)
        for x, y in self.task:
            m = round(len(x) * self.ratio / (1 - self.ratio))
            chosen = order[torch.arange(place, place + m) % max(M, 1)]
            place += m
            yield torch.cat([x, self.memory[0][chosen]]), torch.cat([y, self.memory[1][chosen]])
