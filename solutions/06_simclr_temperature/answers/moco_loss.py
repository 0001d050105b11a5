"""Wrong and right answers to 06.moco_loss."""

# %% wrong positive_left_out
# says: K + 1 terms
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    return (torch.logsumexp(q @ queue.T / tau, 1) - (q * k).sum(1) / tau).mean()


# %% wrong batch_negatives
# says: only the queue is
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    return F.cross_entropy(q @ torch.cat([k, queue]).T / tau, torch.arange(len(q)))


# %% wrong queue_unused
# says: Here they are the queue
def moco_loss(q, k, queue, tau):
    q, k = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1)
    return F.cross_entropy(q @ k.T / tau, torch.arange(len(q)))


# %% wrong added_up
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device), reduction="sum")

# %% wrong sign
# says: *minus* the log
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    return logits.log_softmax(1)[:, 0].mean()

# %% wrong not_normalized
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    k, queue = k.detach(), queue.detach()

# %% wrong keys_not_normalized
# says: The keys were not normalized
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=1), k.detach(), queue.detach()

# %% wrong queries_not_normalized
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    k, queue = F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)

# %% wrong queue_not_normalized
# says: The queue was not normalized
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), queue.detach()

# %% wrong tau_multiplied
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) * tau

# %% wrong tau_forgotten
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1)

# %% wrong wrong_class (negatives first, label 0)
# says: where you put it
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([q @ queue.T, (q * k).sum(1, keepdim=True)], dim=1) / tau

# %% wrong classes_differ (arange)
# says: the same column for all
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    return F.cross_entropy(logits, torch.arange(len(q), device=q.device))

# %% wrong no_gradient (q detached)
# says: do not detach q
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q.detach(), dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)

# %% wrong returns_none
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))

# %% wrong key_gradient
# says: follows by its moving average
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=1), F.normalize(k, dim=1), F.normalize(queue.detach(), dim=1)

# %% wrong queue_gradient
# says: reaches the queue
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue, dim=1)

# %% wrong length_matters
# says: normalize q with gradient
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q = q / q.norm(dim=1, keepdim=True).detach()
#+    k, queue = F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)

# %% wrong input_changed
def moco_loss(q, k, queue, tau):
    with torch.no_grad():
        queue /= queue.norm(dim=1, keepdim=True)
    q, k = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.detach().T], dim=1) / tau
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


# %% wrong empty_queue (maximum of nothing)
# says: as in the first step
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    positive, negative = (q * k).sum(1) / tau, q @ queue.T / tau
    top = torch.maximum(positive, negative.max(1).values).detach()
    total = (positive - top).exp() + (negative - top[:, None]).exp().sum(1)
    return (top + total.log() - positive).mean()


# %% wrong overflow
# says: Let cross_entropy take the exponential
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    positive, negative = torch.exp((q * k).sum(1) / tau), torch.exp(q @ queue.T / tau)
    return -torch.log(positive / (positive + negative.sum(1))).mean()


# %% wrong raises_IndexError (the positives stay a vector)
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([(q * k).sum(1), q @ queue.T], dim=1) / tau

# %% wrong queue_transposed (MoCo's code as it is)
# says: one key a row
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    negative = torch.einsum("nc,ck->nk", [q, queue])
#+    logits = torch.cat([torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1), negative], dim=1) / tau

# %% wrong queue_transposed (a product without the transpose)
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue], dim=1) / tau

# %% wrong normalized_by_column
# says: dim=0
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=0), F.normalize(k.detach(), dim=0), F.normalize(queue.detach(), dim=0)

# %% wrong tau_on_one_side
# says: divides the positive only
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    logits = torch.cat([(q * k).sum(1, keepdim=True) / tau, q @ queue.T], dim=1)

# %% wrong times_two_tau (as MoCo v3)
# says: MoCo v3
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device)) * 2 * tau

# %% wrong mean_inside
# says: mean of the logs
#-    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))
#+    return -logits.softmax(1)[:, 0].mean().log()

# %% wrong gradient_cut (similarities with the queue under no_grad)
# says: not their similarities with q
#-    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.T], dim=1) / tau
#+    with torch.no_grad():
#+        negative = q @ queue.T
#+    logits = torch.cat([(q * k).sum(1, keepdim=True), negative], dim=1) / tau

# %% wrong underflow (1/tau subtracted)
# says: rounds to 0
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    positive, negative = torch.exp(((q * k).sum(1) - 1) / tau), torch.exp((q @ queue.T - 1) / tau)
    return -torch.log(positive / (positive + negative.sum(1))).mean()

# %% wrong raises_AttributeError (a KeyQueue expected)
# says: 'Tensor' object has no attribute 'keys'
#-    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
#+    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.keys(), dim=1)


# %% right logsumexp
def moco_loss(q, k, queue, tau):
    q = q / q.norm(dim=1, keepdim=True)
    with torch.no_grad():
        k = k / k.norm(dim=1, keepdim=True)
        queue = queue / queue.norm(dim=1, keepdim=True)
    positive = torch.einsum("bd,bd->b", q, k) / tau
    negative = torch.einsum("bd,kd->bk", q, queue) / tau
    return (torch.logsumexp(torch.cat([positive[:, None], negative], 1), 1) - positive).mean()


# %% right MoCo's code, in float32
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q.float(), dim=1), F.normalize(k.float(), dim=1), F.normalize(queue.float(), dim=1)
    l_pos = torch.einsum("nc,nc->n", [q, k.detach()]).unsqueeze(-1)
    l_neg = torch.einsum("nc,ck->nk", [q, queue.T.clone().detach()])
    logits = torch.cat([l_pos, l_neg], dim=1)
    logits /= tau
    return nn.CrossEntropyLoss()(logits, torch.zeros(logits.shape[0], dtype=torch.long))


# %% right the positive last
def moco_loss(q, k, queue, tau):
    q = F.normalize(q, dim=1)
    k, queue = F.normalize(k, dim=1).detach(), F.normalize(queue, dim=1).detach()
    logits = torch.cat([q @ queue.T, (q * k).sum(1, keepdim=True)], dim=1) / tau
    return F.cross_entropy(logits, torch.full((len(q),), len(queue)))


# %% right softplus of the difference
def moco_loss(q, k, queue, tau):
    q, k, queue = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1), F.normalize(queue.detach(), dim=1)
    if not len(queue):
        return (q * 0).sum()
    gap = torch.logsumexp(q @ queue.T / tau, dim=1) - (q * k).sum(1) / tau
    return F.softplus(gap).mean()
