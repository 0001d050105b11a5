"""Wrong and right answers to 06.alignment_uniformity."""

# %% wrong distance_not_squared (alignment)
# says: averaged distances
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).norm(dim=1).mean()

# %% wrong over_coordinates (F.mse_loss)
# says: a squared length is their sum
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return F.mse_loss(F.normalize(z1, dim=1), F.normalize(z2, dim=1))

# %% wrong added_up (alignment)
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum()

# %% wrong root_of_mean
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean().sqrt()

# %% wrong not_normalized (alignment)
# says: lengths 2 and 3
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (z1 - z2).square().sum(1).mean()

# %% wrong cosine
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return F.cosine_similarity(z1, z2).mean()

# %% wrong one_minus_cosine
# says: half of the squared distance
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (1 - F.cosine_similarity(z1, z2)).mean()

# %% wrong all_pairs
# says: row i belongs to row i
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return torch.cdist(F.normalize(z1, dim=1), F.normalize(z2, dim=1)).square().mean()

# %% wrong returns_none (alignment)
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()

# %% wrong self_pairs (cdist)
# says: distance to itself
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z = F.normalize(z, dim=1)
#+    return torch.cdist(z, z).square().mul(-2).exp().mean().log()

# %% wrong self_zeroed
# says: N(N − 1)/2 pairs
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z = F.normalize(z, dim=1)
#+    return torch.cdist(z, z).square().mul(-2).exp().fill_diagonal_(0).mean().log()

# %% wrong log_inside
# says: exp, then mean, then log
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().log().mean()

# %% wrong log_missing
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean()

# %% wrong added_up (uniformity)
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().sum().log()

# %% wrong both_orders
# says: divided by once
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z, n = F.normalize(z, dim=1), len(z)
#+    e = torch.cdist(z, z).square().mul(-2).exp().fill_diagonal_(0)
#+    return (e.sum() / (n * (n - 1) / 2)).log()

# %% wrong t_forgotten
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().neg().exp().mean().log()

# %% wrong distance_not_squared (uniformity)
# says: not squared
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).mul(-2).exp().mean().log()

# %% wrong plus
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().mul(2).exp().mean().log()

# %% wrong sign
# says: lower is more uniform
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return -torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()

# %% wrong not_normalized (uniformity)
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(z).square().mul(-2).exp().mean().log()

# %% wrong not_a_scalar (numbers)
# says: scalar tensors
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log().item()

# %% wrong no_gradient
# says: do not detach
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    return torch.pdist(F.normalize(z, dim=1).detach()).square().mul(-2).exp().mean().log()
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).detach().square().sum(1).mean()

# %% wrong input_changed
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    z1 /= z1.norm(dim=1, keepdim=True)
#+    z2 /= z2.norm(dim=1, keepdim=True)
#+    return (z1 - z2).square().sum(1).mean()


# %% wrong squared_late
# says: mean of the squares
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).norm(dim=1).mean() ** 2

# %% wrong normalized_by_column
# says: dim=0
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    return (F.normalize(z1, dim=0) - F.normalize(z2, dim=0)).square().sum(1).mean()

# %% wrong wrong_count (upper triangle, then the mean of all)
# says: N²
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z = F.normalize(z, dim=1)
#+    return torch.cdist(z, z).square().mul(-2).exp().triu(1).mean().log()

# %% wrong zeros_count (upper triangle of the distances)
# says: e⁰ = 1
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z = F.normalize(z, dim=1)
#+    return torch.cdist(z, z).triu(1).square().mul(-2).exp().mean().log()

# %% wrong no_gradient (a metric under no_grad)
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    with torch.no_grad():
#+        return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#-    return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()
#+    with torch.no_grad():
#+        return (F.normalize(z1, dim=1) - F.normalize(z2, dim=1)).square().sum(1).mean()

# %% wrong gradient_not_finite (root of 0 on the diagonal)
# says: a root has none at 0
#-    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()
#+    z = F.normalize(z, dim=1)
#+    distance = (z[:, None] - z[None]).square().sum(-1).sqrt()
#+    return distance[~torch.eye(len(z), dtype=torch.bool)].square().mul(-2).exp().mean().log()


# %% right by cosines
def alignment(z1, z2):
    return 2 - 2 * F.cosine_similarity(z1, z2, dim=1).mean()


def uniformity(z):
    z = F.normalize(z, dim=1)
    i, j = torch.triu_indices(len(z), len(z), offset=1)
    return torch.logsumexp(-4 * (1 - (z[i] * z[j]).sum(1)), 0) - math.log(len(i))


# %% right as in the paper's code
def alignment(z1, z2):
    x, y = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    return (x - y).norm(p=2, dim=1).pow(2).mean()


def uniformity(z):
    return torch.pdist(F.normalize(z, dim=1), p=2).pow(2).mul(-2).exp().mean().log()


# %% right pairwise_distance and cdist without its diagonal
def alignment(z1, z2):
    return F.pairwise_distance(F.normalize(z1, dim=1), F.normalize(z2, dim=1)).pow(2).mean()


def uniformity(z):
    z = F.normalize(z, dim=1)
    distance = torch.cdist(z, z)[~torch.eye(len(z), dtype=torch.bool)]
    return torch.exp(-2 * distance**2).mean().log()


# %% right loops
def alignment(z1, z2):
    pairs = [F.normalize(a, dim=0) - F.normalize(b, dim=0) for a, b in zip(z1, z2)]
    return torch.stack([d @ d for d in pairs]).mean()


def uniformity(z):
    z = z / z.norm(dim=1, keepdim=True)
    terms = [torch.exp(-2 * ((z[i] - z[j]) ** 2).sum()) for i in range(len(z)) for j in range(i)]
    return torch.stack(terms).mean().log()
