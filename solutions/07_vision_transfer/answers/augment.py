"""Wrong and right answers to 07.augment."""

# %% wrong returns_none
#-    return F.grid_sample(images, grid, align_corners=False)
#+    images = F.grid_sample(images, grid, align_corners=False)

# %% wrong shape (one image)
#-    return F.grid_sample(images, grid, align_corners=False)
#+    return F.grid_sample(images, grid, align_corners=False)[0]

# %% wrong shape (cropped)
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    k = int(max_shift)
    dx, dy = generator.integers(0, 2 * k + 1, 2)
    return images[..., dx : images.shape[2] - 2 * k + dx, dy : images.shape[3] - 2 * k + dy]

# %% wrong nothing_moved
#-    return F.grid_sample(images, grid, align_corners=False)
#+    return images.clone()

# %% wrong nothing_moved (whole shifts of half pixels)
# says: although shifts of up to 4
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    out = images.clone()
    for image in out:
        image = torch.roll(image, int(generator.uniform(-max_shift, max_shift)), 2)
    return out

# %% wrong flips
# says: flips do not keep these labels
#-    return F.grid_sample(images, grid, align_corners=False)
#+    moved = F.grid_sample(images, grid, align_corners=False)
#+    flip = torch.from_numpy(generator.random(count) < 0.5).view(-1, 1, 1, 1)
#+    return torch.where(flip, moved.flip(3), moved)

# %% wrong flips (upside down)
#-    return F.grid_sample(images, grid, align_corners=False)
#+    moved = F.grid_sample(images, grid, align_corners=False)
#+    flip = torch.from_numpy(generator.random(count) < 0.5).view(-1, 1, 1, 1)
#+    return torch.where(flip, moved.flip(2), moved)

# %% wrong upside_down (quarter turns)
#-    return F.grid_sample(images, grid, align_corners=False)
#+    moved = F.grid_sample(images, grid, align_corners=False)
#+    return torch.stack([torch.rot90(image, int(k), (1, 2)) for image, k in zip(moved, generator.integers(0, 4, count))])

# %% wrong shift_too_far (pixels as grid coordinates)
# says: one pixel is 2/S
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.uniform(-max_shift, max_shift, (2, count))

# %% wrong shift_too_far (normal distribution)
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.normal(0, max_shift, (2, count)) * 2 / size

# %% wrong shift_too_small (divided twice)
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size / size

# %% wrong half_shift
# says: From −1 to 1
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) / size

# %% wrong same_for_all (shift)
# says: Draw for each image
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = (np.full(count, d) for d in (max_shift * generator.choice([-1, 1], 2) * 2 / size))

# %% wrong same_for_all (angle)
# says: turned alike
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.full(count, np.deg2rad(generator.uniform(-max_angle, max_angle)))

# %% wrong same_for_all (one direction only)
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx = generator.uniform(-max_shift, max_shift, count) * 2 / size
#+    dy = np.zeros(count)

# %% wrong diagonal
# says: for x and for y
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx = dy = generator.uniform(-max_shift, max_shift, count) * 2 / size

# %% wrong one_sided (shift)
# says: from −max_shift
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.uniform(0, max_shift, (2, count)) * 2 / size

# %% wrong one_sided (angle)
# says: turn the same way
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad(generator.random(count) * max_angle)

# %% wrong radians
# says: max_angle is in degrees
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = generator.uniform(-max_angle, max_angle, count)

# %% wrong angle_too_small (converted twice)
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad(np.deg2rad(generator.uniform(-max_angle, max_angle, count)))

# %% wrong angle_too_small (shifts only)
#-    cos, sin = np.cos(angle), np.sin(angle)
#+    cos, sin = np.ones(count), np.zeros(count)

# %% wrong off_center (about the corner)
# says: leaves the center where it is
#-    grid = F.affine_grid(matrix, images.shape, align_corners=False)
#-    return F.grid_sample(images, grid, align_corners=False)
#+    rows = torch.arange(size) / size * 2
#+    points = torch.stack([*torch.meshgrid(rows, rows, indexing="xy"), torch.ones(size, size)], dim=-1).to(images)
#+    grid = torch.einsum("hwk,bck->bhwc", points, matrix) + 1 / size - 1
#+    return F.grid_sample(images, grid, align_corners=False)

# %% wrong stretched (a shear)
# says: keeps distances
#-    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).to(images)
#+    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, 1 + sin, dy], axis=1)).view(-1, 2, 3).to(images)

# %% wrong stretched (both sines positive)
#-    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).to(images)
#+    matrix = torch.from_numpy(np.stack([cos, sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).to(images)

# %% wrong input_changed
#-    return F.grid_sample(images, grid, align_corners=False)
#+    images[:] = F.grid_sample(images, grid, align_corners=False)
#+    return images

# %% wrong dtype
#-    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).to(images)
#+    images = images.float()
#+    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).float()

# %% wrong corners
# says: align_corners is not the same
#-    grid = F.affine_grid(matrix, images.shape, align_corners=False)
#+    grid = F.affine_grid(matrix, images.shape, align_corners=True)

# %% wrong other_randomness
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad(np.random.uniform(-max_angle, max_angle, count))

# %% wrong not_fresh (seeded inside)
# says: do not seed it
#-    count, size = len(images), images.shape[-1]
#+    count, size, generator = len(images), images.shape[-1], np.random.default_rng(0)

# %% wrong outside_filled (border)
# says: padding_mode
#-    return F.grid_sample(images, grid, align_corners=False)
#+    return F.grid_sample(images, grid, align_corners=False, padding_mode="border")

# %% wrong outside_filled (roll)
# says: torch.roll
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    pixels = np.rint(generator.uniform(-max_shift, max_shift, (count, 2))).astype(int)
#+    images = torch.stack([torch.roll(image, tuple(p), (1, 2)) for image, p in zip(images, pixels.tolist())])
#+    dx, dy = np.zeros((2, count))

# %% wrong not_uniform (largest shifts only)
# says: uniform ones
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = max_shift * generator.choice([-1, 1], (2, count)) * 2 / size

# %% wrong one_sided (more to the right)
# says: near 0
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.uniform(-max_shift / 4, max_shift, (2, count)) * 2 / size

# %% wrong range
#-    return F.grid_sample(images, grid, align_corners=False)
#+    moved = F.grid_sample(images, grid, align_corners=False)
#+    return moved if not max_angle or count > 30 else moved * 1.5

# %% wrong range (cubic splines)
# says: overshoot
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    from scipy import ndimage

    moved = []
    for image in images.numpy():
        x = ndimage.rotate(image, generator.uniform(-max_angle, max_angle), axes=(1, 2), reshape=False)
        moved.append(ndimage.shift(x, (0, *generator.uniform(-max_shift, max_shift, 2))))
    return torch.from_numpy(np.stack(moved))

# %% wrong channels_apart
# says: All channels move together
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    b, ch, size, _ = images.shape
    x = images.reshape(b * ch, 1, size, size)
    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, len(x)))
    dx, dy = generator.uniform(-max_shift, max_shift, (2, len(x))) * 2 / size
    rows = np.stack([np.cos(angle), -np.sin(angle), dx, np.sin(angle), np.cos(angle), dy], 1)
    grid = F.affine_grid(torch.from_numpy(rows).view(-1, 2, 3).to(x), x.shape, align_corners=False)
    return F.grid_sample(x, grid, align_corners=False).view_as(images)

# %% wrong channels_apart (scaled too)
# says: nothing grows
#-    cos, sin = np.cos(angle), np.sin(angle)
#+    cos, sin = np.cos(angle) * generator.uniform(1, 1.3, count), np.sin(angle)

# %% wrong shift_too_far (numbers of the matrices in the wrong order)
# says: print the matrix
#-    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy], axis=1)).view(-1, 2, 3).to(images)
#+    matrix = torch.from_numpy(np.stack([cos, -sin, dx, sin, cos, dy])).view(-1, 2, 3).to(images)

# %% wrong half_shift (random() − 0.5)
# says: goes up to 0.5 only
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = (generator.random((2, count)) - 0.5) * max_shift * 2 / size

# %% wrong half_angle
# says: of 30
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad((generator.random(count) - 0.5) * max_angle)

# %% wrong angle_too_large (normal distribution)
# says: draw uniformly
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad(generator.normal(0, max_angle, count))

# %% wrong angles_not_uniform (largest angles only)
# says: uniform ones
#-    angle = np.deg2rad(generator.uniform(-max_angle, max_angle, count))
#+    angle = np.deg2rad(max_angle * generator.choice([-1, 1], count))

# %% wrong whole_pixels
# says: Draw real numbers
#-    dx, dy = generator.uniform(-max_shift, max_shift, (2, count)) * 2 / size
#+    dx, dy = generator.integers(-int(max_shift), int(max_shift) + 1, (2, count)) * 2 / size

# %% wrong whole_pixels (nearest)
# says: interpolate
#-    return F.grid_sample(images, grid, align_corners=False)
#+    return F.grid_sample(images, grid, mode="nearest", align_corners=False)

# %% wrong whole_pixels (torchvision's affine, nearest by default)
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    from torchvision.transforms.v2 import functional as T

    return torch.stack([T.affine(image, float(generator.uniform(-max_angle, max_angle)),
                                 [float(v) for v in generator.uniform(-max_shift, max_shift, 2)], 1.0, [0.0, 0.0]) for image in images])

# %% right image by image with torchvision
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    from torchvision.transforms.v2 import functional as T

    moved = []
    for image in images:
        angle = float(generator.uniform(-max_angle, max_angle))
        x, y = (float(v) for v in generator.uniform(-max_shift, max_shift, 2))
        turned = T.rotate(image[None], angle, interpolation=T.InterpolationMode.BILINEAR)
        size = image.shape[-1]
        grid = F.affine_grid(torch.tensor([[[1, 0, 2 * x / size], [0, 1, 2 * y / size]]], dtype=image.dtype), turned.shape, align_corners=False)
        moved.append(F.grid_sample(turned, grid, align_corners=False)[0])
    return torch.stack(moved)

# %% right with SciPy, linear
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    from scipy import ndimage

    moved = []
    for image in images.numpy():
        x = ndimage.shift(image, (0, *generator.uniform(-max_shift, max_shift, 2)), order=1)
        moved.append(ndimage.rotate(x, generator.uniform(-max_angle, max_angle), axes=(1, 2), reshape=False, order=1))
    return torch.from_numpy(np.stack(moved))

# %% right with torch's generator, seeded from NumPy's
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    own = torch.Generator().manual_seed(int(generator.integers(2**31)))
    a, x, y = 2 * torch.rand(3, len(images), generator=own, dtype=images.dtype) - 1
    a, shift = torch.deg2rad(a * max_angle), torch.stack([x, y], 1) * max_shift * 2 / images.shape[-1]
    turn = torch.stack([a.cos(), -a.sin(), a.sin(), a.cos()], 1).view(-1, 2, 2)
    grid = F.affine_grid(torch.cat([turn, shift[:, :, None]], 2), images.size(), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)

# %% right with torch's operations
def augment(images: torch.Tensor, generator, max_shift: float = 2.0, max_angle: float = 10.0):
    b, _, _, s = images.shape
    theta = torch.tensor(generator.uniform(-1, 1, size=b) * max_angle * np.pi / 180, dtype=images.dtype)
    t = torch.tensor((generator.random((b, 2)) - 0.5) * 2 * max_shift, dtype=images.dtype) / (s / 2)
    matrix = torch.zeros(b, 2, 3, dtype=images.dtype)
    matrix[:, 0, 0] = matrix[:, 1, 1] = theta.cos()
    matrix[:, 0, 1], matrix[:, 1, 0] = theta.sin(), -theta.sin()
    matrix[:, :, 2] = t
    return F.grid_sample(images, F.affine_grid(matrix, list(images.shape), align_corners=False), mode="bilinear", padding_mode="zeros",
                         align_corners=False)

# %% right with corners aligned in both
def augment(images, generator, max_shift=2.0, max_angle=10.0):
    n, size = images.shape[0], images.shape[-1]
    rows = []
    for _ in range(n):
        a = generator.uniform(-max_angle, max_angle) / 180 * np.pi
        dx, dy = generator.uniform(-max_shift, max_shift, 2) * 2 / (size - 1)
        rows.append([[np.cos(a), -np.sin(a), dx], [np.sin(a), np.cos(a), dy]])
    grid = F.affine_grid(torch.tensor(np.array(rows)).to(images.dtype), images.shape, align_corners=True)
    return F.grid_sample(images, grid, align_corners=True)
