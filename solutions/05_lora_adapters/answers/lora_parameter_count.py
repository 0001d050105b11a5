"""Wrong and right answers to 05.lora_parameter_count."""

# %% wrong a_only
def lora_parameter_count(shapes, r):
    return sum(r * d_in for d_out, d_in in shapes)


# %% wrong b_only
def lora_parameter_count(shapes, r):
    return sum(r * d_out for d_out, d_in in shapes)


# %% wrong product
# says: their sizes add up
def lora_parameter_count(shapes, r):
    return sum(r * d_in * d_out for d_out, d_in in shapes)


# %% wrong full
def lora_parameter_count(shapes, r):
    return sum(d_in * d_out for d_out, d_in in shapes)


# %% wrong no_rank
def lora_parameter_count(shapes, r):
    return sum(d_in + d_out for d_out, d_in in shapes)


# %% wrong first_only
def lora_parameter_count(shapes, r):
    for d_out, d_in in shapes:
        return r * (d_in + d_out)
    return 0


# %% wrong last_only
def lora_parameter_count(shapes, r):
    total = 0
    for d_out, d_in in shapes:
        total = r * (d_in + d_out)
    return total


# %% wrong rank_squared
def lora_parameter_count(shapes, r):
    return r * sum(r * (d_in + d_out) for d_out, d_in in shapes)


# %% wrong with_base
def lora_parameter_count(shapes, r):
    return sum(d_in * d_out + r * (d_in + d_out) for d_out, d_in in shapes)


# %% wrong with_bias
def lora_parameter_count(shapes, r):
    return sum(r * (d_in + d_out) + d_out for d_out, d_in in shapes)


# %% wrong returns_none
def lora_parameter_count(shapes, r):
    total = sum(r * (d_in + d_out) for d_out, d_in in shapes)


# %% wrong not_an_integer
def lora_parameter_count(shapes, r):
    return sum((d_in + d_out) / 2 * 2 * r for d_out, d_in in shapes)


# %% wrong raises_ValueError (the empty list)
def lora_parameter_count(shapes, r):
    rows, columns = zip(*shapes)
    return r * (sum(rows) + sum(columns))


# %% wrong precedence
# says: Brackets
def lora_parameter_count(shapes, r):
    return sum(r * d_in + d_out for d_out, d_in in shapes)


# %% wrong square_in
def lora_parameter_count(shapes, r):
    return sum(2 * r * d_in for _, d_in in shapes)


# %% wrong square_out
def lora_parameter_count(shapes, r):
    return sum(2 * r * d_out for d_out, _ in shapes)


# %% wrong all_alike
def lora_parameter_count(shapes, r):
    d_out, d_in = shapes[0]
    return len(shapes) * r * (d_out + d_in)


# %% right a loop
def lora_parameter_count(shapes, r):
    total = 0
    for shape in shapes:
        total += r * shape[0]
        total += r * shape[1]
    return total


# %% right the sum of all sides
def lora_parameter_count(shapes, r):
    return r * sum(sum(shape) for shape in shapes)


# %% right numpy
def lora_parameter_count(shapes, r):
    import numpy as np

    return int(np.array(shapes, dtype=np.int64).sum()) * r
