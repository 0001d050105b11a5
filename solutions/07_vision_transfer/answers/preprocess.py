"""Wrong and right answers to 07.preprocess."""

# %% wrong not_scaled
# says: divide by 255 first
#-    if images.dtype == torch.uint8:
#-        x = x / 255
#-    elif x.min() < 0 or x.max() > 1:
#-        raise ValueError("floating-point images must lie in [0, 1]")

# %% wrong scaled_by_256
# says: 255
#-        x = x / 255
#+        x = x / 256

# %% wrong not_normalized
# says: subtract spec.mean
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return x.expand(-1, spec.channels, -1, -1)

# %% wrong minus_one_to_one
# says: what its spec says
def preprocess(images, spec):
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    x = F.interpolate(x, size=(spec.size, spec.size), mode="bilinear", antialias=True)
    return 2 * x - 1

# %% wrong imagenet
# says: those in its spec
def preprocess(images, spec):
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    x = F.interpolate(x, size=(spec.size, spec.size), mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (x - mean) / std

# %% wrong own_statistics (of the batch)
# says: fixed ones
#-    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
#+    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)

# %% wrong own_statistics (of each image)
# says: with its own
#-    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
#+    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)

# %% wrong own_statistics (population deviation)
def preprocess(images, spec):
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if x.shape[-1] != spec.size:
        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
    return (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()

# %% wrong mean_only
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return x.expand(-1, spec.channels, -1, -1) - mean

# %% wrong std_only
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return x.expand(-1, spec.channels, -1, -1) / std

# %% wrong std_first
# says: brackets
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return x.expand(-1, spec.channels, -1, -1) / std - mean

# %% wrong multiplied
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return (x.expand(-1, spec.channels, -1, -1) - mean) * std

# %% wrong inverted
# says: undoes
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return x.expand(-1, spec.channels, -1, -1) * std + mean

# %% wrong variance
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return (x.expand(-1, spec.channels, -1, -1) - mean) / std**2

# %% wrong along_width
# says: (3, 1, 1)
def preprocess(images, spec):
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
    return (x - torch.tensor(spec.mean)) / torch.tensor(spec.std)

# %% wrong returns_none
def preprocess(images, spec):
    x = images.float() / 255
    x = (x - torch.tensor(spec.mean).view(-1, 1, 1)) / torch.tensor(spec.std).view(-1, 1, 1)

# %% wrong not_a_tensor
def preprocess(images, spec):
    x = images.numpy() / 255
    return (x - np.array(spec.mean).reshape(-1, 1, 1)) / np.array(spec.std).reshape(-1, 1, 1)

# %% wrong not_float32
#-    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
#+    mean, std = (torch.from_numpy(np.array(values)).view(-1, 1, 1) for values in (spec.mean, spec.std))

# %% wrong input_changed
# says: still needs the original
def preprocess(images, spec):
    x = images.float() / 255
    images.zero_()
    return (x - torch.tensor(spec.mean).view(-1, 1, 1)) / torch.tensor(spec.std).view(-1, 1, 1)

# %% wrong input_changed (in place on floats)
# says: still needs the original
#-    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
#+    if x.shape[1] == spec.channels:
#+        return x.sub_(mean).div_(std)
#+    return (x.expand(-1, spec.channels, -1, -1) - mean) / std

# %% wrong floats_scaled_too
# says: Ask for the dtype
#-    if images.dtype == torch.uint8:
#-        x = x / 255
#-    elif x.min() < 0 or x.max() > 1:
#-        raise ValueError("floating-point images must lie in [0, 1]")
#+    x = x / 255

# %% wrong not_resized
#-    if x.shape[-2:] != (spec.size, spec.size):
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)

# %% wrong corners_aligned
# says: align_corners
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", align_corners=True)

# %% wrong nearest
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+        x = F.interpolate(x, (spec.size, spec.size))

# %% wrong one_channel
def preprocess(images, spec):
    x = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
    channels = x.shape[1]
    return (x - torch.tensor(spec.mean[:channels]).view(-1, 1, 1)) / torch.tensor(spec.std[:channels]).view(-1, 1, 1)

# %% wrong aliased
# says: antialias=True
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear")

# %% wrong aliased (cropped)
# says: Cropping is not resizing
#-    if x.shape[-2:] != (spec.size, spec.size):
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+    if x.shape[-1] < spec.size:
#+        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+    top = (x.shape[-1] - spec.size) // 2
#+    x = x[..., top : top + spec.size, top : top + spec.size]

# %% wrong not_square (by a factor)
#-        x = F.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
#+        x = F.interpolate(x, scale_factor=spec.size / x.shape[-1], mode="bilinear", antialias=True)

# %% wrong one_side_asked
#-    if x.shape[-2:] != (spec.size, spec.size):
#+    if x.shape[-2] != spec.size:

# %% wrong shape (smaller images only are resized)
#-    if x.shape[-2:] != (spec.size, spec.size):
#+    if x.shape[-1] < spec.size:

# %% wrong resized_uint8
# says: Convert to float first
def preprocess(images, spec):
    if images.ndim != 4 or images.shape[1] not in (1, spec.channels):
        raise ValueError("shape")
    x = F.interpolate(images, (spec.size, spec.size), mode="bilinear", antialias=True)
    x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (spec.mean, spec.std))
    return (x.expand(-1, spec.channels, -1, -1) - mean) / std

# %% wrong not_float32 (keeps the dtype of the images)
#-    x = images.float()
#+    x = images if images.is_floating_point() else images.float()

# %% wrong largest_pixel
# says: must stay dark
#-        x = x / 255
#+        x = x / x.max()

# %% wrong scaled_by_value
# says: not for the values
#-    if images.dtype == torch.uint8:
#+    if x.max() > 1:

# %% wrong random (noise for training)
# says: for training only
#-    x = images.float()
#+    x = (images.float() + torch.randn(images.shape)).clamp(min=0)

# %% wrong shape_accepted
#-    if images.ndim != 4 or images.shape[1] not in (1, spec.channels):
#+    images = images[None] if images.ndim == 3 else images
#+    if images.shape[1] not in (1, spec.channels):

# %% wrong channels_accepted
#-    if images.ndim != 4 or images.shape[1] not in (1, spec.channels):
#+    if images.ndim != 4:

# %% wrong channels_accepted (RGB turned to gray)
#-    if images.ndim != 4 or images.shape[1] not in (1, spec.channels):
#+    if images.ndim == 4 and images.shape[1] == 3 and spec.channels == 1:
#+        images = images.float().mean(1, keepdim=True)
#+    if images.ndim != 4 or images.shape[1] not in (1, spec.channels):

# %% wrong range_accepted
#-    elif x.min() < 0 or x.max() > 1:
#-        raise ValueError("floating-point images must lie in [0, 1]")

# %% wrong range_accepted (below 0)
#-    elif x.min() < 0 or x.max() > 1:
#+    elif x.max() > 1:

# %% wrong range_accepted (clipped)
#-    elif x.min() < 0 or x.max() > 1:
#-        raise ValueError("floating-point images must lie in [0, 1]")
#+    else:
#+        x = x.clamp(0, 1)

# %% wrong dtype_accepted
#-    if images.dtype != torch.uint8 and not images.is_floating_point():
#-        raise ValueError(f"images are {images.dtype}; uint8 or floating-point is expected")
#-    x = images.float()
#-    if images.dtype == torch.uint8:
#+    x = images.float()
#+    if not images.is_floating_point():

# %% wrong min_max
# says: must stay pale
#-        x = x / 255
#+        x = (x - x.min()) / (x.max() - x.min())

# %% wrong first_channel
# says: one of each per channel
#-    return (x.expand(-1, spec.channels, -1, -1) - mean) / std
#+    return (x.expand(-1, spec.channels, -1, -1) - spec.mean[0]) / spec.std[0]

# %% wrong channels_last
# says: before height and width
def preprocess(images, spec):
    x = images.permute(0, 2, 3, 1).float() / 255
    return (x - torch.tensor(spec.mean)) / torch.tensor(spec.std)

# %% right with torchvision
def preprocess(images, spec):
    from torchvision.transforms.v2 import functional as T

    if images.dim() != 4 or images.size(1) not in {1, spec.channels}:
        raise ValueError("shape")
    if not (images.dtype == torch.uint8 or images.dtype.is_floating_point):
        raise ValueError("dtype")
    x = T.to_dtype(images, torch.float32, scale=True)
    if bool(((x < 0) | (x > 1)).any()):
        raise ValueError("range")
    x = T.resize(x, [spec.size, spec.size], antialias=True)
    x = x.repeat(1, spec.channels // x.size(1), 1, 1)
    return T.normalize(x, list(spec.mean), list(spec.std))

# %% right normalized, then resized
@torch.no_grad()
def preprocess(images, spec):
    if images.ndim != 4 or images.shape[1] not in {1, spec.channels}:
        raise ValueError("shape")
    if images.dtype == torch.uint8:
        x = images.to(torch.float32) / 255.0
    elif torch.is_floating_point(images) and not (torch.any(images < 0) or torch.any(images > 1)):
        x = images.to(torch.float32)
    else:
        raise ValueError("values")
    x = (x - torch.as_tensor(spec.mean).view(1, -1, 1, 1)) / torch.as_tensor(spec.std).view(1, -1, 1, 1)
    return F.interpolate(x, size=spec.size, mode="bilinear", align_corners=False, antialias=True)

# %% right channel by channel
def preprocess(images, spec):
    if images.ndim != 4:
        raise ValueError("four dimensions are needed")
    channels = images.shape[1]
    if channels != 1 and channels != spec.channels:
        raise ValueError(f"{channels} channels")
    if images.dtype == torch.uint8:
        x = images.to(torch.float32).div(255)
    elif images.dtype in (torch.float16, torch.float32, torch.float64, torch.bfloat16):
        x = images.to(torch.float32)
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError("out of range")
    else:
        raise ValueError("dtype")
    x = F.interpolate(x, size=(spec.size, spec.size), mode="bilinear", antialias=True, align_corners=False)
    planes = [(x[:, k % channels] - m) / s for k, (m, s) in enumerate(zip(spec.mean, spec.std))]
    return torch.stack(planes, dim=1)

# %% right in place on a copy
def preprocess(images: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    b, ch, h, w = images.shape if images.ndim == 4 else (0, 0, 0, 0)
    if ch not in (1, spec.channels):
        raise ValueError("channels")
    if not torch.is_floating_point(images) and images.dtype is not torch.uint8:
        raise ValueError("type")
    scale = 255.0 if images.dtype is torch.uint8 else 1.0
    x = images.detach().clone().float().mul_(1 / scale)
    if x.amin() < 0 or x.amax() > 1 + 1e-6:
        raise ValueError("values")
    if (h, w) != (spec.size, spec.size):
        x = F.interpolate(x, [spec.size] * 2, mode="bilinear", antialias=True)
    x = torch.cat([x] * spec.channels, dim=1) if ch == 1 else x
    return (x - x.new_tensor(spec.mean)[None, :, None, None]) / x.new_tensor(spec.std)[None, :, None, None]
