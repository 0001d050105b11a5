"""Wrong and right answers to 04.diagonal_fisher."""

# %% wrong batch_mean (as it stands in many repositories)
# says: In that mean the samples' gradients cancel
def diagonal_fisher(model, x, y=None, batch_size=32):
    was = model.training
    model.eval()
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    for start in range(0, len(x), batch_size):
        model.zero_grad()
        loss = F.cross_entropy(model(x[start : start + batch_size]), y[start : start + batch_size])
        loss.backward()
        for name, p in model.named_parameters():
            fisher[name] += p.grad**2
    model.train(was)
    return {name: f / len(x) for name, f in fisher.items()}


# %% wrong batch_mean_over_batches
# says: Square each sample's own gradient
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    batches = list(zip(x.split(batch_size), y.split(batch_size)))
    for part, labels in batches:
        model.zero_grad()
        F.nll_loss(F.log_softmax(model(part), dim=1), labels).backward()
        for name, p in model.named_parameters():
            fisher[name] += p.grad.detach() ** 2 / len(batches)
    return fisher


# %% wrong batch_mean_weighted (times the batch size, as avalanche does)
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for part, labels in zip(x.split(batch_size), y.split(batch_size)):
        grads = torch.autograd.grad(F.cross_entropy(model(part), labels), list(model.parameters()))
        for name, g in zip(fisher, grads):
            fisher[name] += len(part) * g**2 / len(x)
    return fisher


# %% wrong batch_mean (without labels only)
# says: divide by
def diagonal_fisher(model, x, y=None, batch_size=32):
    names = [name for name, p in model.named_parameters()]
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for i in range(0, len(x), batch_size if y is None else 1):
        part = x[i : i + (batch_size if y is None else 1)]
        logp = model(part).log_softmax(1)
        p = logp.detach().exp()
        terms = [(p[:, c] * logp[:, c]).mean() for c in range(p.shape[1])] if y is None else [logp[0, y[i]]]
        for term in terms:
            for name, g in zip(names, torch.autograd.grad(term, list(model.parameters()), retain_graph=True)):
                fisher[name] += g**2 / len(x)
    return fisher


# %% wrong batch_sum
# says: (a + b)²
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for part, labels in zip(x.split(batch_size), y.split(batch_size)):
        grads = torch.autograd.grad(F.cross_entropy(model(part), labels, reduction="sum"), list(model.parameters()))
        for name, g in zip(fisher, grads):
            fisher[name] += g**2 / len(x)
    return fisher


# %% wrong batch_sum_over_batches
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    parts = list(zip(x.split(batch_size), y.split(batch_size)))
    for part, labels in parts:
        grads = torch.autograd.grad(F.cross_entropy(model(part), labels, reduction="sum"), list(model.parameters()))
        for name, g in zip(fisher, grads):
            fisher[name] += g**2 / len(parts)
    return fisher


# %% wrong square_of_mean
# says: Square first
def diagonal_fisher(model, x, y=None, batch_size=32):
    grads = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
    return {name: g**2 for (name, _), g in zip(model.named_parameters(), grads)}


# %% wrong sum_not_mean
# says: never divided
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2)

# %% wrong over_batches
# says: number of batches
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / -(-len(x) // batch_size)

# %% wrong ragged_batches
# says: count double
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(part) / -(-len(x) // batch_size)

# %% wrong last_batch_dropped
# says: incomplete batch
#-    for start in range(0, len(x), batch_size):
#+    x = x[: len(x) // batch_size * batch_size]
#+    for start in range(0, len(x), batch_size):

# %% wrong last_batch_uncounted (range ends early)
#-    for start in range(0, len(x), batch_size):
#+    for start in range(0, len(x) - batch_size + 1, batch_size):

# %% wrong last_batch_only
# says: overwrite
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] = torch.einsum("n,n...->...", share, g.float() ** 2) / len(part)

# %% wrong not_squared
# says: both signs
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float()) / len(x)

# %% wrong absolute
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float().abs()) / len(x)

# %% wrong root
#-    return fisher
#+    return {name: f.sqrt() for name, f in fisher.items()}

# %% wrong labels_ignored
# says: You were given labels
#-        if y is None:
#+        if True:

# %% wrong argmax_labels (labels given)
# says: most probable
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for sample in x:
        logits = model(sample[None])
        grads = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1)), list(model.parameters()))
        for name, g in zip(fisher, grads):
            fisher[name] += g**2 / len(x)
    return fisher


# %% wrong argmax_labels (no labels given)
# says: over all classes
#-            cases = [(torch.full_like(share, c, dtype=torch.long), share) for c, share in enumerate(shares.T)]
#+            cases = [(shares.argmax(-1), torch.ones(len(part)))]

# %% wrong labels_sampled
# says: noisy
#-            cases = [(torch.full_like(share, c, dtype=torch.long), share) for c, share in enumerate(shares.T)]
#+            cases = [(torch.multinomial(shares, 1)[:, 0], torch.ones(len(part)))]

# %% wrong unweighted
# says: without their probabilities
#-            cases = [(torch.full_like(share, c, dtype=torch.long), share) for c, share in enumerate(shares.T)]
#+            cases = [(torch.full((len(part),), c), torch.ones(len(part))) for c in range(shares.shape[1])]

# %% wrong uniform
# says: same weight
#-            cases = [(torch.full_like(share, c, dtype=torch.long), share) for c, share in enumerate(shares.T)]
#+            C = shares.shape[1]
#+            cases = [(torch.full((len(part),), c), torch.full((len(part),), 1 / C)) for c in range(C)]

# %% wrong expected_before_squared
# says: All zero
def diagonal_fisher(model, x, y=None, batch_size=32):
    model_parameters = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def loss(parameters, sample, label):
        logp = functional_call(model, parameters, (sample[None],)).log_softmax(-1)[0]
        return -(label * logp).sum()

    fisher = {name: torch.zeros_like(p) for name, p in model_parameters.items()}
    C = model(x[:1]).shape[1]
    target = model(x).softmax(-1).detach() if y is None else F.one_hot(y, C).float()
    for i in range(0, len(x), batch_size):
        g = vmap(grad(loss), in_dims=(None, 0, 0))(model_parameters, x[i : i + batch_size], target[i : i + batch_size])
        for name in fisher:
            fisher[name] += (g[name] ** 2).sum(0) / len(x)
    return fisher


# %% wrong weights_squared (weighted losses)
# says: then weight the square
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share**2, g.float() ** 2) / len(x)

# %% wrong over_classes_too
# says: add up to one
#-    return fisher
#+    return fisher if y is not None else {name: f / shares.shape[1] for name, f in fisher.items()}

# %% wrong parameters_missing (weights only)
# says: weight and bias
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad and "weight" in name}

# %% wrong parameters_missing (a list's positions for names)
#-    return fisher
#+    return {i: f for i, f in enumerate(fisher.values())}

# %% wrong attached
# says: detach
def diagonal_fisher(model, x, y=None, batch_size=32):
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: 0 for name in trained}
    for i in range(len(x)):
        logp = model(x[i : i + 1]).log_softmax(1)[0]
        cases = [(logp[y[i]], 1.0)] if y is not None else [(l, l.exp()) for l in logp]
        for value, weight in cases:
            grads = torch.autograd.grad(value, list(trained.values()), create_graph=True)
            for name, g in zip(trained, grads):
                fisher[name] = fisher[name] + weight * g**2 / len(x)
    return fisher


# %% wrong returns_none
#-    return fisher
#+    model.fisher = fisher

# %% wrong different (a tuple)
# says: is a tuple, where a dict is expected
#-    return fisher
#+    return tuple(fisher.values())

# %% wrong train_mode (batch statistics of one sample)
# says: must be in eval mode
#-    model.eval()

# %% wrong train_mode (a loop in train mode)
def diagonal_fisher(model, x, y=None, batch_size=32):
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p) for name, p in trained.items()}
    for i in range(len(x)):
        logp = model(x[i : i + 1]).log_softmax(1)[0]
        cases = [(logp[y[i]], 1.0)] if y is not None else [(l, l.exp().detach()) for l in logp]
        for value, weight in cases:
            grads = torch.autograd.grad(value, list(trained.values()), retain_graph=True)
            for name, g in zip(trained, grads):
                fisher[name] += weight * g.float() ** 2 / len(x)
    return fisher


# %% wrong mode_not_restored (left in eval)
# says: another train/eval mode
#-    for module, training in modes:
#-        module.training = training

# %% wrong mode_not_restored (train() afterwards)
#-    for module, training in modes:
#-        module.training = training
#+    model.train()

# %% wrong mode_not_restored (only the flag of the model itself)
#-    for module, training in modes:
#-        module.training = training
#+    model.train(modes[0][1])

# %% wrong gradients_changed (zero_grad and backward)
# says: .grad
def diagonal_fisher(model, x, y=None, batch_size=32):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    for i in range(len(x)):
        with torch.no_grad():
            p = model(x[i : i + 1]).softmax(-1)[0]
        for c in range(len(p)) if y is None else [int(y[i])]:
            model.zero_grad()
            F.cross_entropy(model(x[i : i + 1]), torch.tensor([c])).backward()
            for name, q in model.named_parameters():
                if q.requires_grad:
                    fisher[name] += (p[c] if y is None else 1) * q.grad.float() ** 2 / len(x)
    model.zero_grad()
    for m, mode in modes.items():
        m.training = mode
    return fisher


# %% wrong frozen_included
# says: cannot move
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p.detach() for name, p in model.named_parameters()}

# %% wrong requires_grad_changed (everything trainable to be safe)
# says: were frozen
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    model.requires_grad_(True)

# %% wrong requires_grad_changed (frozen while measuring, never released)
# says: Parameters that trained are frozen
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    model.requires_grad_(False)

# %% wrong input_changed (the samples are standardized in place)
# says: writes into its input
#-    model.eval()
#+    model.eval()
#+    x.sub_(x.mean(0)).div_(x.std(0))

# %% wrong buffers_moved (eval mode comes too late)
# says: statistics moved
#-    modes = [(module, module.training) for module in model.modules()]
#+    modes = [(module, module.training) for module in model.modules()]
#+    classes = model(x).shape[-1]

# %% wrong underflow (squares in the model's precision)
# says: smallest number
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, (g**2).float()) / len(x)

# %% wrong raises_ValueError (both names of a shared weight)
# says: tied
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p.detach().clone() for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}

# %% wrong not_defined
# says: misspelt
#-    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
#+    gradients = vmap(gradient(loss), in_dims=(None, 0, 0))

# %% wrong no_batch_dimension
# says: be it of one
#-        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])
#+        return F.cross_entropy(functional_call(model, weights, (sample,)), label)

# %% wrong labels_needed
# says: y is None
#-        if y is None:
#+        if False:

# %% wrong not_float32 (sums in the model's precision)
# says: added up
#-    fisher = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in weights.items()}
#+    fisher = {name: torch.zeros_like(p) for name, p in weights.items()}

# %% wrong over_full_batches
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                count = batch_size * len(range(0, len(x), batch_size))
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / count

# %% wrong means_added
# says: divide by N once
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(part)

# %% wrong divided_twice
# says: divided twice
#-                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(x)
#+                fisher[name] += torch.einsum("n,n...->...", share, g.float() ** 2) / len(part) / len(x)

# %% wrong label_weighted (as one library does)
# says: each sample counts once
#-            cases = [(y[start : start + batch_size], torch.ones(len(part), device=x.device))]
#+            labels = y[start : start + batch_size]
#+            with torch.no_grad():
#+                cases = [(labels, model(part).float().softmax(-1).gather(1, labels[:, None])[:, 0])]

# %% wrong gradients_accumulate (no zero_grad)
# says: backward adds
def diagonal_fisher(model, x, y=None, batch_size=32):
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters() if p.requires_grad}
    for i in range(len(x)):
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in model.named_parameters():
            fisher[name] += p.grad**2 / len(x)
    for m, training in modes:
        m.training = training
    return fisher


# %% wrong weights_differentiated
# says: as a number
def diagonal_fisher(model, x, y=None, batch_size=32):
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p) for name, p in trained.items()}
    for i in range(len(x)):
        logp = model(x[i : i + 1]).log_softmax(1)[0]
        for term in [logp[y[i]]] if y is not None else [l.exp() * l for l in logp]:
            grads = torch.autograd.grad(term, list(trained.values()), retain_graph=True)
            for name, g in zip(trained, grads):
                fisher[name] += g**2 / len(x)
    return fisher


# %% wrong attached (functional, but not detached)
#-    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
#+    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}

# %% wrong train_mode (randomness allowed)
# says: dropout was active
#-    model.eval()
#+    for module in model.modules():
#+        module.training = module.training and isinstance(module, nn.Dropout)
#-    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
#+    gradients = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")

# %% wrong raises_RuntimeError (backward under no_grad)
# says: does not require grad
def diagonal_fisher(model, x, y=None, batch_size=32):
    fisher = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    with torch.no_grad():
        for i in range(len(x)):
            F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
            for name, p in model.named_parameters():
                fisher[name] += p.grad**2 / len(x)
    return fisher

# %% wrong not_tensors
# says: ndarray
#-    return fisher
#+    return {name: f.numpy() for name, f in fisher.items()}

# %% wrong all_zero (the model with its own parameters)
# says: does not depend
#-        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])
#+        return F.cross_entropy(model(sample[None]), label[None])

# %% wrong softmax_twice
# says: takes logits
#-        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])
#+        return F.cross_entropy(functional_call(model, weights, (sample[None],)).softmax(-1), label[None])

# %% wrong logarithm_missing
#-        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])
#+        return F.nll_loss(functional_call(model, weights, (sample[None],)).softmax(-1), label[None])

# %% wrong raises_ValueError (a label without a batch dimension)
# says: target batch_size
#-        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label[None])
#+        return F.cross_entropy(functional_call(model, weights, (sample[None],)), label)

# %% wrong raises_ValueError (the parameters are mapped over too)
# says: vmap
#-    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
#+    gradients = vmap(grad(loss))

# %% right a loop over samples
def diagonal_fisher(model, x, y=None, batch_size=32):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in trained.items()}
    for i in range(len(x)):
        logp = model(x[i : i + 1]).log_softmax(1)[0]
        cases = [(logp[y[i]], 1.0)] if y is not None else [(l, l.exp().detach().float()) for l in logp]
        for value, weight in cases:
            grads = torch.autograd.grad(value, list(trained.values()), retain_graph=True)
            for name, g in zip(trained, grads):
                fisher[name] += weight * g.float() ** 2 / len(x)
    for m, mode in modes.items():
        m.training = mode
    return fisher


# %% right Jacobian of the log-probabilities
def diagonal_fisher(model, x, y=None, batch_size=32):
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()
        theta = {k: v.detach() for k, v in model.named_parameters() if v.requires_grad}

        def log_p(theta, sample):
            return functional_call(model, theta, (sample.unsqueeze(0),)).squeeze(0).log_softmax(-1)

        total = dict.fromkeys(theta, 0.0)
        for i in range(0, len(x), batch_size):
            part = x[i : i + batch_size]
            with torch.no_grad():
                p = model(part).float().softmax(-1)
            weight = p if y is None else F.one_hot(y[i : i + batch_size], p.shape[1]).float()
            jacobian = vmap(torch.func.jacrev(log_p), in_dims=(None, 0))(theta, part)
            for k, j in jacobian.items():
                total[k] = total[k] + torch.einsum("nc,nc...->...", weight, j.float().square())
        return {k: (v / len(x)).detach() for k, v in total.items()}
    finally:
        for m, mode in modes:
            m.training = mode


# %% right on a copy, backward per sample
def diagonal_fisher(model: nn.Module, x: torch.Tensor, y=None, batch_size: int = 32) -> dict[str, torch.Tensor]:
    twin = copy.deepcopy(model).eval()
    sums = {n: torch.zeros(p.shape) for n, p in twin.named_parameters() if p.requires_grad}
    for n in range(len(x)):
        probabilities = twin(x[n][None]).detach().float().softmax(1)[0]
        labels = range(len(probabilities)) if y is None else [int(y[n])]
        for c in labels:
            twin.zero_grad()
            F.cross_entropy(twin(x[n][None]), torch.tensor([c])).backward()
            for name, p in twin.named_parameters():
                if name in sums:
                    sums[name] += (probabilities[c] if y is None else 1.0) * p.grad.float().pow(2)
    return {name: s / len(x) for name, s in sums.items()}


# %% right vmap over samples and classes
def diagonal_fisher(model, x, y=None, batch_size=32):
    remembered = {m: m.training for m in model.modules()}
    model.eval()
    theta = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}

    def squares(sample, weight):
        def loss(theta, onehot):
            return -(onehot * F.log_softmax(functional_call(model, theta, (sample[None],))[0], -1)).sum()

        onehots = torch.eye(len(weight), dtype=next(iter(theta.values())).dtype)
        g = vmap(grad(loss), in_dims=(None, 0))(theta, onehots)
        return {n: torch.tensordot(weight, v.float() ** 2, 1) for n, v in g.items()}

    out = {}
    for part, rows in zip(x.split(batch_size), range(0, len(x), batch_size)):
        with torch.no_grad():
            weight = torch.softmax(model(part).float(), 1)
        if y is not None:
            weight = F.one_hot(y[rows : rows + batch_size], weight.shape[1]).float()
        for n, v in vmap(squares)(part, weight).items():
            out[n] = out.get(n, 0) + v.sum(0)
    for m, mode in remembered.items():
        m.training = mode
    return {n: v / len(x) for n, v in out.items()}


# %% right a copy in float32
def diagonal_fisher(model, x, y=None, batch_size=32):
    twin = copy.deepcopy(model).float().eval()
    trained = {name: p for name, p in twin.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p, requires_grad=False) for name, p in trained.items()}
    for n in range(x.size(0)):
        logp = F.log_softmax(twin(x[n].unsqueeze(0).float()), dim=-1).squeeze(0)
        for c in range(logp.numel()) if y is None else [y[n].item()]:
            grads = torch.autograd.grad(logp[c], trained.values(), retain_graph=True)
            for name, g in zip(trained, grads):
                fisher[name] += (logp[c].exp().item() if y is None else 1) * g.pow(2)
    return {name: f.div_(x.size(0)) for name, f in fisher.items()}


# %% right under no_grad, which torch.func does not mind
@torch.no_grad()
def diagonal_fisher(model, x, y=None, batch_size=32):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    theta = {k: v.detach().clone() for k, v in model.named_parameters() if v.requires_grad}
    buffers = {k: v.clone() for k, v in model.named_buffers()}
    total = {k: torch.zeros(v.shape, dtype=torch.float64) for k, v in theta.items()}

    def logp(theta, sample, c):
        return functional_call(model, (theta, buffers), (sample[None],))[0].log_softmax(-1).gather(0, c[None])[0]

    for s in range(0, x.shape[0], batch_size):
        part = x[s : s + batch_size]
        q = model(part).float().softmax(-1)
        q = q if y is None else F.one_hot(y[s : s + batch_size], q.shape[-1]).float()
        for c in range(q.shape[-1]):
            g = vmap(grad(logp), in_dims=(None, 0, 0))(theta, part, torch.full((len(part),), c))
            for k, v in g.items():
                total[k] += torch.tensordot(q[:, c], v.float().square(), 1)
    for m, mode in modes.items():
        m.training = mode
    return {k: (v / len(x)).float() for k, v in total.items()}
