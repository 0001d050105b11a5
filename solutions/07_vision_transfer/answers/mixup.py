"""Wrong and right answers to 07.mixup."""

# %% wrong returns_none
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    x, y = share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]

# %% wrong not_a_pair (the authors' four values)
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x[partner], y, y[partner], share

# %% wrong shape (one-hot twice)
def mixup(x, y, alpha, generator):
    share = float(generator.beta(alpha, alpha))
    partner = torch.from_numpy(generator.permutation(len(x)))
    y = F.one_hot(y.long(), y.shape[1]).float()
    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]

# %% wrong shape (class numbers)
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    y = y.argmax(1)
#+    return share * x + (1 - share) * x[partner], y if share > 0.5 else y[partner]

# %% wrong nothing_mixed (partner is the image)
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#+    partner = torch.arange(len(x))

# %% wrong weights_do_not_sum
# says: 1 − λ
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + x[partner], share * y + y[partner]

# %% wrong labels_not_mixed
# says: the partner is not there
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x[partner], y

# %% wrong images_not_mixed
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return x, share * y + (1 - share) * y[partner]

# %% wrong other_partners
# says: use it for both
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    others = torch.from_numpy(generator.permutation(len(x)))
#+    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[others]

# %% wrong other_partners (labels of the reversed batch)
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y.flip(0)

# %% wrong other_share (swapped)
# says: weighs its label too
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x[partner], (1 - share) * y + share * y[partner]

# %% wrong other_share (drawn twice)
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    other = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    return share * x + (1 - share) * x[partner], other * y + (1 - other) * y[partner]

# %% wrong not_a_permutation
# says: each image is used twice
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#+    partner = torch.from_numpy(generator.integers(0, len(x), len(x)))

# %% wrong not_a_permutation (one partner for all)
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#+    partner = torch.full((len(x),), int(generator.integers(len(x))))

# %% wrong share_per_image
# says: one λ per call
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    share = torch.from_numpy(generator.beta(alpha, alpha, len(x))).to(x)
#+    partner = torch.from_numpy(generator.permutation(len(x)))
#+    wide = share.view(-1, *[1] * (x.ndim - 1))
#+    return wide * x + (1 - wide) * x[partner], share[:, None] * y + (1 - share[:, None]) * y[partner]

# %% wrong same_share (a half)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = 0.5

# %% wrong same_share (alpha taken for λ)
# says: Beta(alpha, alpha)
def mixup(x, y, alpha, generator):
    share = alpha / (1 + alpha)
    partner = torch.from_numpy(generator.permutation(len(x)))
    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]

# %% wrong same_share (seeded inside)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(np.random.default_rng(0).beta(alpha, alpha)) if alpha else 1.0

# %% wrong same_partners (rolled by one)
# says: random permutation
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#+    partner = torch.arange(len(x)).roll(1)

# %% wrong same_partners (reversed)
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x.flip(0), share * y + (1 - share) * y.flip(0)

# %% wrong larger_half
# says: not folded
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = max(share, 1 - share)

# %% wrong smaller_half
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = min(float(generator.beta(alpha, alpha)), 0.5) if alpha else 1.0

# %% wrong input_changed
# says: still needs the original
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    return x.mul_(share).add_((1 - share) * x[partner]), y.mul_(share).add_((1 - share) * y[partner])

# %% wrong alpha_ignored
# says: whatever alpha is
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.uniform()) if alpha else 1.0

# %% wrong one_sided (second parameter left at 1)
# says: has 0.5
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, 1.0)) if alpha else 1.0

# %% wrong other_distribution (twice alpha)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(2 * alpha, 2 * alpha)) if alpha else 1.0

# %% wrong other_distribution (normal, clipped)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(np.clip(generator.normal(0.5, alpha), 0, 1)) if alpha else 1.0

# %% wrong dtype
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    share = torch.tensor([share], dtype=torch.float64)
#+    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]

# %% wrong other_randomness
# says: comes from elsewhere
#-    partner = torch.from_numpy(generator.permutation(len(x)))
#+    partner = torch.randperm(len(x))

# %% wrong other_randomness (NumPy's global generator)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(np.random.beta(alpha, alpha)) if alpha else 1.0

# %% wrong alpha_zero (left to NumPy)
# says: no Beta(0, 0)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha))

# %% wrong alpha_zero (mixes half and half)
# says: comes back changed
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha)) if alpha else 0.5

# %% wrong negative_alpha_accepted
#-    if alpha < 0:
#-        raise ValueError(f"alpha is {alpha}")
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha)) if alpha > 0 else 1.0

# %% wrong alpha_zero (partners only)
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha)) if alpha else 0.0

# %% wrong hard_labels
# says: two classes
#-    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]
#+    mixed = share * y + (1 - share) * y[partner]
#+    return share * x + (1 - share) * x[partner], F.one_hot(mixed.argmax(1), y.shape[1]).float()

# %% wrong rarely_mixed
# says: alpha = 0.2
#-    share = float(generator.beta(alpha, alpha)) if alpha else 1.0
#+    share = float(generator.beta(alpha, alpha)) if alpha >= 1 else 1.0

# %% right with lerp
def mixup(x, y, alpha, generator):
    if alpha < 0:
        raise ValueError("alpha must not be negative")
    lam = generator.beta(alpha, alpha) if alpha > 0 else 1.0
    order = torch.as_tensor(generator.permutation(x.shape[0]))
    return torch.lerp(x[order], x, lam), torch.lerp(y[order], y, lam)

# %% right from two gammas
def mixup(x, y, alpha, generator):
    if not alpha >= 0:
        raise ValueError(alpha)
    order = np.arange(len(x))
    generator.shuffle(order)
    if alpha == 0:
        return x.clone(), y.clone()
    a, b = generator.standard_gamma(alpha), generator.standard_gamma(alpha)
    lam = a / (a + b)
    return (x * lam + x[order] * (1 - lam)).to(x.dtype), (y * lam + y[order] * (1 - lam)).to(y.dtype)

# %% right image by image
def mixup(x: torch.Tensor, y: torch.Tensor, alpha: float, generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    lam = 1.0
    if alpha != 0:
        lam = generator.beta(alpha, alpha)
    partners = generator.permutation(len(x)).tolist()
    mixed = [[lam * t[i] + (1 - lam) * t[j] for i, j in enumerate(partners)] for t in (x, y)]
    return torch.stack(mixed[0]), torch.stack(mixed[1])
