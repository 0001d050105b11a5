"""Wrong and right answers to 00.mlm_mask."""

# %% wrong nested_tenth
# says: Half of what is left
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    labels = torch.where(chosen, input_ids, -100)
    inputs = input_ids.clone()
    masked = (torch.rand(input_ids.shape, generator=generator) < 0.8) & chosen
    inputs[masked] = mask_id
    swapped = (torch.rand(input_ids.shape, generator=generator) < 0.1) & chosen & ~masked
    inputs[swapped] = torch.randint(vocab_size, input_ids.shape, generator=generator)[swapped]
    return inputs, labels


# %% wrong independent_draws
# says: three outcomes
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    labels = torch.where(chosen, input_ids, -100)
    inputs = input_ids.clone()
    inputs[(torch.rand(input_ids.shape, generator=generator) < 0.8) & chosen] = mask_id
    swapped = (torch.rand(input_ids.shape, generator=generator) < 0.1) & chosen
    inputs[swapped] = torch.randint(vocab_size, (int(swapped.sum()),), generator=generator)
    return inputs, labels


# %% wrong always_masked
# says: every chosen token
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    return input_ids.masked_fill(chosen, mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong never_random
# says: No token became a random one
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) < 0.8)
    return input_ids.masked_fill(masked, mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong never_kept
# says: No token was kept
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) < 0.8)
    inputs = torch.where(chosen, torch.randint(vocab_size, input_ids.shape, generator=generator), input_ids)
    return inputs.masked_fill(masked, mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong shares_swapped
# says: other way round
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = torch.where(chosen & (u < 0.8), torch.randint(vocab_size, input_ids.shape, generator=generator), input_ids)
    return inputs.masked_fill(chosen & (u >= 0.8) & (u < 0.9), mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong inverted_draw
# says: probability 0.2
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) > 0.8)
    swapped = chosen & ~masked & (torch.rand(input_ids.shape, generator=generator) < 0.5)
    inputs = input_ids.masked_fill(masked, mask_id)
    inputs = torch.where(swapped, torch.randint(vocab_size, input_ids.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong remainder_of_draw
# says: kept 80
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u > 0.9), mask_id)
    inputs = torch.where(chosen & (u > 0.8) & (u <= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong specials_chosen
# says: special tokens
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = torch.rand(input_ids.shape, generator=generator) < p
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong specials_chosen (only specials)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & special_mask.bool()
    return input_ids.masked_fill(chosen, mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong labels_everywhere
# says: every position
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.clone()


# %% wrong labels_not_ignored
# says: leaves out
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids * chosen


# %% wrong labels_after_masking
# says: after
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, inputs.masked_fill(~chosen, -100)


# %% wrong labels_not_originals (taken between the two replacements)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), input_ids)
    labels = inputs.masked_fill(~chosen, -100)
    return inputs.masked_fill(chosen & (u < 0.8), mask_id), labels


# %% wrong nothing_chosen
# says: No token was chosen
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p).long() & ~special_mask
    chosen = chosen > 1
    return input_ids.masked_fill(chosen, mask_id), input_ids.masked_fill(~chosen, -100)


# %% wrong masked_unchosen
# says: divide up
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(u < 0.8, mask_id)
    inputs = torch.where(u >= 0.9, torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong random_unlabeled
# says: guessed as well
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(inputs != mask_id, -100)


# %% wrong kept_unlabeled
# says: kept are guessed as well
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(inputs == input_ids, -100)


# %% wrong only_masks_labeled
# says: 0.8
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    masked = (torch.rand(input_ids.shape, generator=generator) < 0.8 * p) & ~special_mask.bool()
    return input_ids.masked_fill(masked, mask_id), input_ids.masked_fill(~masked, -100)


# %% wrong chooses_the_rest
# says: 1 − p
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) > p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong input_changed
# says: writes into its input
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    labels = input_ids.masked_fill(~chosen, -100)
    u = torch.rand(input_ids.shape, generator=generator)
    input_ids[chosen & (u < 0.8)] = mask_id
    swapped = chosen & (u >= 0.9)
    input_ids[swapped] = torch.randint(vocab_size, input_ids.shape, generator=generator)[swapped]
    return input_ids, labels


# %% wrong input_changed (labels is no copy)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    labels = input_ids
    inputs = input_ids.clone()
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    labels[~chosen] = -100
    inputs[chosen] = mask_id
    return inputs, labels


# %% wrong not_a_pair
# says: two tensors
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    return input_ids.masked_fill(chosen, mask_id)


# %% wrong wrong_shape (labels of the chosen only)
# says: (B, T)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    return input_ids.masked_fill(chosen, mask_id), input_ids[chosen]


# %% wrong not_ids
# says: dtype
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    labels = torch.full(input_ids.shape, -100.0)
    labels[chosen] = input_ids[chosen].float()
    return input_ids.masked_fill(chosen, mask_id), labels


# %% wrong integer_mask_inverted
# says: Convert to bool
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    draw = torch.rand(input_ids.shape, generator=generator) < p
    chosen = torch.where((~special_mask).bool(), draw, False)
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong same_mask_every_call
# says: is a seed set
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    generator = generator or torch.Generator().manual_seed(0)
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong same_mask_every_call (seeds the one it was given)
# says: do not seed it
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    if generator is not None:
        generator.manual_seed(generator.initial_seed())
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong same_mask_every_row
# says: same mask
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    columns = torch.zeros(input_ids.shape[1], dtype=torch.bool)
    columns[torch.randperm(input_ids.shape[1] - 2, generator=generator)[: round(p * (input_ids.shape[1] - 2))] + 1] = True
    chosen = columns & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong fixed_number_per_row
# says: independently
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    scores = torch.rand(input_ids.shape, generator=generator).masked_fill(special_mask.bool(), 2.0)
    rank = scores.argsort(1).argsort(1)
    wanted = p * (special_mask == 0).sum(1, keepdim=True)
    count = wanted.floor() + (torch.rand(wanted.shape, generator=generator) < wanted % 1)
    chosen = rank < count
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong one_outcome_per_row
# says: not for each text
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    rows = torch.arange(len(input_ids))[torch.randperm(len(input_ids), generator=generator)] / len(input_ids)
    u = rows[:, None].expand(input_ids.shape)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong one_outcome_per_column
# says: not for each position
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = ((torch.arange(input_ids.shape[1]) * 37) % 100 / 100).expand(input_ids.shape)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong random_out_of_range
# says: outside
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size + 100, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong random_constant
# says: hardly vary
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs[chosen & (u >= 0.9)] = torch.randint(vocab_size, (1,), generator=generator)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong random_not_spread (from the batch)
# says: batch does not contain
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    swapped = chosen & (u >= 0.9)
    anywhere = torch.randint(input_ids.numel(), (int(swapped.sum()),), generator=generator)
    inputs[swapped] = input_ids.flatten()[anywhere]
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong random_not_spread (the first ids)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(0, vocab_size // 3, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong generator_ignored
# says: does not use
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong generator_ignored (one draw forgotten)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong generator_ignored (NumPy)
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    draw = lambda: torch.from_numpy(np.random.rand(*input_ids.shape))
    chosen = (draw() < p) & ~special_mask.bool()
    u = draw()
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), (draw() * vocab_size).long(), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong global_rng_used (seeded from the generator)
# says: global generator
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    if generator is not None:
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
    chosen = (torch.rand(input_ids.shape) < p) & ~special_mask.bool()
    u = torch.rand(input_ids.shape)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% wrong p_ignored
# says: whatever
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special_mask.bool()
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% right as in transformers: two Bernoulli draws, the second of one half
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    inputs, labels = input_ids.clone(), input_ids.clone()
    rates = torch.full(labels.shape, p).masked_fill(special_mask.bool(), 0.0)
    chosen = torch.bernoulli(rates, generator=generator).bool()
    labels[~chosen] = -100
    masked = torch.bernoulli(torch.full(labels.shape, 0.8), generator=generator).bool() & chosen
    inputs[masked] = mask_id
    swapped = torch.bernoulli(torch.full(labels.shape, 0.5), generator=generator).bool() & chosen & ~masked
    inputs[swapped] = torch.randint(vocab_size, labels.shape, generator=generator)[swapped]
    return inputs, labels


# %% right one uniform number for everything
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    u = torch.rand(input_ids.shape, generator=generator, dtype=torch.float64)
    u = u.masked_fill(special_mask != 0, 2.0)
    labels = torch.where(u < p, input_ids, torch.tensor(-100))
    inputs = torch.where(u < 0.8 * p, torch.full_like(input_ids, mask_id), input_ids)
    swapped = (u >= 0.8 * p) & (u < 0.9 * p)
    inputs[swapped] = torch.randint(0, vocab_size, (int(swapped.sum()),), generator=generator)
    return inputs, labels


# %% right categories by multinomial, the chosen only
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & (special_mask == 0)
    labels = torch.full_like(input_ids, -100)
    labels[chosen] = input_ids[chosen]
    inputs = input_ids.clone()
    if chosen.any():
        kind = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), int(chosen.sum()), replacement=True, generator=generator)
        anything = torch.randint(vocab_size, kind.shape, generator=generator)
        inputs[chosen] = torch.where(kind == 0, mask_id, torch.where(kind == 1, anything, input_ids[chosen]))
    return inputs, labels


# %% right random tokens other than special ones
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    chosen = (torch.rand(input_ids.shape, generator=generator) < p) & ~special_mask.to(torch.bool)
    u = torch.rand(input_ids.shape, generator=generator)
    inputs = input_ids.masked_fill(chosen & (u < 0.8), mask_id)
    inputs = torch.where(chosen & (u >= 0.9), torch.randint(5, vocab_size, u.shape, generator=generator), inputs)
    return inputs, input_ids.masked_fill(~chosen, -100)


# %% right NumPy, seeded by the generator
def mlm_mask(input_ids, vocab_size, mask_id, special_mask, p=0.15, generator=None):
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    ids, special = input_ids.numpy(), special_mask.numpy().astype(bool)
    chosen = (rng.random(ids.shape) < p) & ~special
    kind = rng.choice(3, size=ids.shape, p=[0.8, 0.1, 0.1])
    inputs = np.where(chosen & (kind == 0), mask_id, ids)
    inputs = np.where(chosen & (kind == 1), rng.integers(vocab_size, size=ids.shape), inputs)
    return torch.from_numpy(inputs), torch.from_numpy(np.where(chosen, ids, -100))
