"""Wrong and right answers to 02.audit_table."""

# %% wrong layer_is_position
# says: layer 0 is position 1
#-    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}

#-        right = base_lr * decay ** (num_layers + 1 - positions[name])
#+        k = 0 if name == "embeddings" else num_layers + 1 if name == "head" else int(name.split()[1])
#+        right = base_lr * decay ** (num_layers + 1 - k)


# %% wrong head_shared
# says: one factor below the head
def audit_table(rows, base_lr, decay, num_layers):
    exponent = {"embeddings": num_layers, "head": 0} | {f"layer {i}": num_layers - 1 - i for i in range(num_layers)}
    right = {name: base_lr * decay ** exponent[name] for name in rows}
    return [name for name in rows if abs(rows[name] - right[name]) > 0.05 * right[name]]


# %% wrong head_decayed
# says: the base rate itself
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 2 - positions[name]) for name in rows}
    return [name for name in rows if abs(rows[name] - right[name]) > 0.05 * right[name]]


# %% wrong right_rows
# says: those that do not
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [name for name in rows if abs(rows[name] - right[name]) <= 0.05 * right[name]]


# %% wrong too_high_only
# says: absolute value
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [name for name in rows if rows[name] / right[name] > 1.05]


# %% wrong too_low_only
# says: too low
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [name for name in rows if 1 - rows[name] / right[name] > 0.05]


# %% wrong absolute_tolerance
# says: learning rates are tiny
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    return [n for n, lr in rows.items() if abs(lr - base_lr * decay ** (num_layers + 1 - positions[n])) > 0.05]


# %% wrong absolute_tolerance (math.isclose with its absolute part)
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    return [
        n for n, lr in rows.items()
        if not math.isclose(lr, base_lr * decay ** (num_layers + 1 - positions[n]), abs_tol=0.05)
    ]


# %% wrong no_tolerance
# says: rounding
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    return [
        n for n, lr in rows.items() if not math.isclose(lr, base_lr * decay ** (num_layers + 1 - positions[n]))
    ]


# %% wrong indices_not_names
# says: rows' numbers
#-    for name, printed in rows.items():
#+    for row, (name, printed) in enumerate(rows.items()):

#-            wrong.append(name)
#+            wrong.append(row)


# %% wrong positions_not_names
# says: returned positions
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [positions[name] for name in rows if abs(rows[name] - right[name]) > 0.05 * right[name]]


# %% wrong not_a_list (set)
# says: not a set
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return {name for name in rows if abs(rows[name] - right[name]) > 0.05 * right[name]}


# %% wrong ten_percent
# says: 7 % off
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [name for name in rows if abs(rows[name] - right[name]) > 0.09 * right[name]]


# %% wrong relative_to_printed
# says: formula's rate is the one
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    right = {name: base_lr * decay ** (num_layers + 1 - positions[name]) for name in rows}
    return [name for name in rows if abs(rows[name] - right[name]) / rows[name] > 0.05]


# %% wrong sorted
# says: order of the table
def audit_table(rows, base_lr, decay, num_layers):
    wrong = []
    for position, name in enumerate(["embeddings", *(f"layer {i}" for i in range(num_layers)), "head"]):
        right = base_lr * decay ** (num_layers + 1 - position)
        if name in rows and abs(rows[name] - right) > 0.05 * right:
            wrong.append(name)
    return wrong


# %% wrong different (single digits of the layer's name only)
#-    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}

#-        right = base_lr * decay ** (num_layers + 1 - positions[name])
#+        k = 0 if name == "embeddings" else num_layers + 1 if name == "head" else int(name[-1]) + 1
#+        right = base_lr * decay ** (num_layers + 1 - k)


# %% wrong returns_none
def audit_table(rows, base_lr, decay, num_layers):
    positions = {"embeddings": 0, "head": num_layers + 1} | {f"layer {i}": i + 1 for i in range(num_layers)}
    for name, printed in rows.items():
        right = base_lr * decay ** (num_layers + 1 - positions[name])
        if abs(printed - right) > 0.05 * right:
            print(name)


# %% right ratio within bounds
def audit_table(rows, base_lr, decay, num_layers):
    def position(name):
        if name == "embeddings":
            return 0
        return num_layers + 1 if name == "head" else int(name.removeprefix("layer ")) + 1

    ratio = {n: lr / (base_lr * decay ** (num_layers + 1 - position(n))) for n, lr in rows.items()}
    return [n for n, r in ratio.items() if not 0.95 <= r <= 1.05]


# %% right filter over a list of rates
def audit_table(rows, base_lr, decay, num_layers):
    names = ["embeddings"] + [f"layer {i}" for i in range(num_layers)] + ["head"]
    rates = dict(zip(names, [base_lr * decay**e for e in range(num_layers + 1, -1, -1)]))
    return list(filter(lambda n: abs(rows[n] / rates[n] - 1) > 0.05, rows))


# %% right regular expression and arrays
def audit_table(rows, base_lr, decay, num_layers):
    names = list(rows)
    k = []
    for name in names:
        found = re.fullmatch(r"layer (\d+)", name)
        k.append(int(found[1]) + 1 if found else {"embeddings": 0, "head": num_layers + 1}[name])
    right = base_lr * float(decay) ** (num_layers + 1 - np.array(k, dtype=float))
    off = np.abs(np.array(list(rows.values())) - right) / right > 0.05
    return [name for name, bad in zip(names, off) if bad]
