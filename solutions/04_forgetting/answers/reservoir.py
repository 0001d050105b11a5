"""Wrong and right answers to 04.reservoir."""

# %% wrong keeps_first
# says: never replace
def reservoir(stream, k, rng):
    return list(itertools.islice(stream, k))


# %% wrong keeps_last
# says: a window
def reservoir(stream, k, rng):
    kept = []
    for item in stream:
        kept.append(item)
        if len(kept) > k:
            kept.pop(0)
    return kept


# %% wrong off_by_one
# says: third item always goes in
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := rng.integers(i)) < k:

# %% wrong off_by_one (probability k/i, counted from 0)
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        elif rng.random() < k / i:
#+            kept[rng.integers(k)] = item

# %% wrong newest_favored (a coin)
# says: Newer items are favored
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        elif rng.random() < 0.5:
#+            kept[rng.integers(k)] = item

# %% wrong newest_favored (always in)
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        else:
#+            kept[rng.integers(k)] = item

# %% wrong same_place
# says: always survives
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        elif rng.random() < k / (i + 1):
#+            kept[0] = item

# %% wrong not_uniform (the chance falls too fast)
# says: same chance
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := rng.integers(i * i)) < k:

# %% wrong not_uniform (one in i instead of k in i)
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        elif rng.integers(i + 1) == 0:
#+            kept[rng.integers(k)] = item

# %% wrong newest_favored (oldest out, newcomer in with the right chance is still a queue)
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        elif rng.random() < (k + 1) / (i + 1):
#+            kept.pop(0)
#+            kept.append(item)

# %% wrong returns_none
#-    return kept
#+    print(kept)

# %% wrong not_a_list
# says: ndarray
#-    return kept
#+    return np.array(kept)

# %% wrong wrong_length (one too many)
#-        if i < k:
#+        if i <= k:

# %% wrong wrong_length (independent coins)
# says: From seven items
def reservoir(stream, k, rng):
    items = list(stream)
    return [item for item in items if rng.random() < k / len(items)]


# %% wrong not_items (positions)
# says: Keep the items
#-            kept.append(item)
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+            kept.append(i)
#+        elif (j := rng.integers(i + 1)) < k:
#+            kept[j] = i

# %% wrong short_stream (fills up)
# says: keep all three once
def reservoir(stream, k, rng):
    items = list(stream)
    return [items[i % len(items)] for i in rng.permutation(max(k, len(items)))[:k]]


# %% wrong short_stream (choice without replacement from fewer)
# says: ValueError
def reservoir(stream, k, rng):
    items = list(stream)
    return [items[i] for i in rng.choice(len(items), k, replace=False)]


# %% wrong duplicates
# says: with replacement
def reservoir(stream, k, rng):
    items = list(stream)
    if len(items) <= k:
        return items
    return [items[i] for i in rng.integers(len(items), size=k)]


# %% wrong global_rng
# says: draw from `rng`
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := np.random.randint(i + 1)) < k:

# %% wrong stores_everything (a permutation of it all)
# says: may not fit into memory
def reservoir(stream, k, rng):
    items = list(stream)
    return [items[i] for i in rng.permutation(len(items))[:k]]


# %% wrong stores_everything (random keys, sorted at the end)
def reservoir(stream, k, rng):
    keyed = [(rng.random(), i, item) for i, item in enumerate(stream)]
    return [item for _, _, item in sorted(keyed)[:k]]


# %% wrong asks_length
# says: Nobody knows it
def reservoir(stream, k, rng):
    n = len(stream)
    keep = set(rng.permutation(n)[:k].tolist())
    return [item for i, item in enumerate(stream) if i in keep]


# %% wrong two_passes
# says: only once
def reservoir(stream, k, rng):
    n = sum(1 for _ in stream)
    keep = set(rng.permutation(n)[:k].tolist())
    return [item for i, item in enumerate(stream) if i in keep]


# %% wrong no_room (a place in an empty list)
# says: Yours raised IndexError
def reservoir(stream, k, rng):
    kept = []
    for i, item in enumerate(stream, start=1):
        if len(kept) < k:
            kept.append(item)
        elif rng.random() <= k / i or not kept:
            kept[int(rng.random() * len(kept))] = item
    return kept


# %% wrong no_room (one item stays)
# says: empty list
def reservoir(stream, k, rng):
    kept = []
    for i, item in enumerate(stream):
        if len(kept) < max(k, 1):
            kept.append(item)
        elif (j := int(rng.integers(i + 1))) < k:
            kept[j] = item
    return kept


# %% wrong empty_stream
def reservoir(stream, k, rng):
    kept = []
    for i, item in enumerate(stream):
        if i < k:
            kept.append(item)
        elif (j := rng.integers(i + 1)) < k:
            kept[j] = item
    return kept or [None] * min(k, 1)


# %% wrong sets_not_uniform (a window at a random place)
# says: not each set
def reservoir(stream, k, rng):
    items = list(stream)
    if len(items) <= k:
        return items
    start = rng.integers(len(items))
    return [items[(start + i) % len(items)] for i in range(k)]


# %% wrong not_uniform (a place of its own for each remainder)
def reservoir(stream, k, rng):
    kept = []
    for i, item in enumerate(stream):
        if i < k:
            kept.append(item)
        elif k and rng.integers(i // k + 1) == 0:
            kept[i % k] = item
    return kept

# %% wrong takes_positions (as for a list)
# says: item by item
def reservoir(stream, k, rng):
    kept = stream[:k]
    for i in range(k, len(stream)):
        if (j := rng.integers(i + 1)) < k:
            kept[j] = stream[i]
    return kept


# %% wrong two_passes (the first k, then all)
# says: come again
def reservoir(stream, k, rng):
    kept = list(itertools.islice(stream, k))
    for i, item in enumerate(stream, start=k):
        if (j := rng.integers(i + 1)) < k:
            kept[j] = item
    return kept


# %% wrong next_of_iterable
# says: make one
def reservoir(stream, k, rng):
    kept = [next(stream) for _ in range(k)]
    for i, item in enumerate(stream, start=k):
        if (j := rng.integers(i + 1)) < k:
            kept[j] = item
    return kept


# %% wrong short_stream (next beyond the end)
# says: StopIteration
def reservoir(stream, k, rng):
    stream = iter(stream)
    kept = [next(stream) for _ in range(k)]
    for i, item in enumerate(stream, start=k):
        if (j := rng.integers(i + 1)) < k:
            kept[j] = item
    return kept


# %% wrong global_rng (random's randint)
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := __import__("random").randint(0, i)) < k:

# %% wrong rng_ignored
# says: the generator you are given
#-    kept = []
#+    kept, rng = [], np.random.default_rng(0)

# %% wrong newest_favored (the newcomer always in, then any one out)
def reservoir(stream, k, rng):
    kept = []
    for item in stream:
        kept.append(item)
        if len(kept) > k:
            kept.pop(rng.integers(k + 1))
    return kept


# %% wrong not_uniform (one too many places)
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := rng.integers(i + 2)) < k:

# %% wrong raises_AttributeError (the methods of RandomState)
# says: randint
#-        elif (j := rng.integers(i + 1)) < k:
#+        elif (j := rng.randint(0, i + 1)) < k:

# %% wrong raises_IndexError (counted from 1, compared as from 0)
#-    for i, item in enumerate(stream):
#+    for i, item in enumerate(stream, start=1):

# %% wrong no_room (a place before the coin)
# says: Yours raised ValueError
#-        elif (j := rng.integers(i + 1)) < k:
#-            kept[j] = item
#+        else:
#+            j = rng.integers(k)
#+            if rng.random() < k / (i + 1):
#+                kept[j] = item

# %% right a coin, then a place
def reservoir(stream, k, rng):
    kept = []
    for seen, item in enumerate(stream, start=1):
        if len(kept) < k:
            kept.append(item)
        elif rng.random() < k / seen:
            kept[int(rng.integers(k))] = item
    return kept


# %% right the k smallest random keys
def reservoir(stream, k, rng):
    import heapq

    heap = []
    for i, item in enumerate(stream):
        entry = (-rng.random(), i, item)
        if len(heap) < k:
            heapq.heappush(heap, entry)
        elif heap and entry > heap[0]:
            heapq.heapreplace(heap, entry)
    return [item for _, _, item in heap]


# %% right skips (algorithm L)
def reservoir(stream, k, rng):
    items = iter(stream)
    kept = list(itertools.islice(items, k))
    if not k:
        return kept
    w = rng.random() ** (1 / k)
    while True:
        skip = int(np.log(rng.random()) / np.log1p(-w))
        item = next(itertools.islice(items, skip, None), items)
        if item is items:
            return kept
        kept[rng.integers(k)] = item
        w *= rng.random() ** (1 / k)


# %% right generator of numbers drawn one by one
def reservoir(stream: Iterable, k: int, rng: np.random.Generator) -> list:
    memory: list = []
    count = 0
    for item in stream:
        count += 1
        if count <= k:
            memory.append(item)
            continue
        place = int(rng.random() * count)
        if place < k:
            memory[place] = item
    return memory


# %% right one out, the newcomer in, shuffled at the end
def reservoir(stream, k, rng):
    kept = []
    for n, item in enumerate(stream, start=1):
        if rng.uniform() * n < k:
            if len(kept) == k:
                kept.pop(rng.integers(k))
            kept.append(item)
    rng.shuffle(kept)
    return kept
