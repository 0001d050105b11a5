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
