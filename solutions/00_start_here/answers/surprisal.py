"""Wrong and right answers to 00.surprisal."""

# %% wrong nats
# says: natural logarithm
def surprisal(p):
    return -math.log(p)


# %% wrong base_ten
# says: base 10
def surprisal(p):
    return -math.log10(p)


# %% wrong sign
# says: The sign
def surprisal(p):
    return math.log2(p)


# %% wrong inverse
# says: 1/p
def surprisal(p):
    return 1 / p


# %% wrong complement
# says: contrary
def surprisal(p):
    return 1 - p


# %% wrong weighted
# says: average
def surprisal(p):
    return -p * math.log2(p)


# %% wrong returns_none
# says: return
def surprisal(p):
    bits = -math.log2(p)


# %% wrong raises_ValueError (generic: logarithm of a negative number)
# says: surprisal
def surprisal(p):
    return math.log2(-p)


# %% wrong different (integers only)
def surprisal(p):
    return float(round(-math.log2(p)))


# %% wrong not_a_float
# says: float
def surprisal(p):
    return -torch.log2(torch.tensor(p, dtype=torch.float64))


# %% right change of base
def surprisal(p):
    return math.log(1 / p) / math.log(2)


# %% right two-argument logarithm
def surprisal(p):
    return -math.log(p, 2)


# %% right NumPy
def surprisal(p):
    return -np.log2(p)


# %% right torch, single precision
def surprisal(p):
    return torch.tensor(p).log2().neg().item()
