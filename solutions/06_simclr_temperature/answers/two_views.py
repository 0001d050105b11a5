"""Wrong and right answers to 06.two_views."""

# %% wrong whole_batch
# says: draws once
def two_views(batch, transform):
    return transform(batch.clone()), transform(batch.clone())


# %% wrong whole_batch (and only once)
def two_views(batch, transform):
    view = transform(batch)
    return view, view.clone()


# %% wrong same_view
# says: called again
def two_views(batch, transform):
    view = torch.stack([transform(image.clone()) for image in batch])
    return view, view


# %% wrong same_view (cloned)
def two_views(batch, transform):
    first, second = [], []
    for image in batch:
        view = transform(image.clone())
        first.append(view)
        second.append(view.clone())
    return torch.stack(first), torch.stack(second)


# %% wrong left_plain (the image against one view)
# says: Both views are transformed
def two_views(batch, transform):
    return batch.clone(), torch.stack([transform(image.clone()) for image in batch])


# %% wrong left_plain (the other way round)
def two_views(batch, transform):
    return torch.stack([transform(image.clone()) for image in batch]), batch


# %% wrong chained
# says: made from the first one
def two_views(batch, transform):
    view1 = torch.stack([transform(image.clone()) for image in batch])
    view2 = torch.stack([transform(view.clone()) for view in view1])
    return view1, view2


# %% wrong chained (image overwritten in the loop)
def two_views(batch, transform):
    first, second = [], []
    for image in batch:
        image = transform(image.clone())
        first.append(image)
        image = transform(image.clone())
        second.append(image)
    return torch.stack(first), torch.stack(second)


# %% wrong order (views of one image side by side, then halved)
# says: Row i of both views
def two_views(batch, transform):
    views = torch.stack([transform(image.clone()) for image in batch for _ in range(2)])
    return views[: len(batch)], views[len(batch) :]


# %% wrong order (second half shuffled)
def two_views(batch, transform):
    view1 = torch.stack([transform(image.clone()) for image in batch])
    view2 = torch.stack([transform(image.clone()) for image in batch.flip(0)])
    return view1, view2


# %% wrong not_a_pair (one tensor of 2B)
# says: two tensors
def two_views(batch, transform):
    return torch.cat([torch.stack([transform(image.clone()) for image in batch]) for _ in range(2)])


# %% wrong not_a_pair (list of pairs)
def two_views(batch, transform):
    return [(transform(image.clone()), transform(image.clone())) for image in batch]


# %% wrong not_stacked
# says: a list of images
def two_views(batch, transform):
    return [transform(image.clone()) for image in batch], [transform(image.clone()) for image in batch]


# %% wrong wrong_shape (cat instead of stack)
# says: (3, 1, 2, 2)
#-    return torch.stack(first), torch.stack(second)
#+    return torch.cat(first), torch.cat(second)

# %% wrong wrong_shape (stacked along the channels)
#-    return torch.stack(first), torch.stack(second)
#+    return torch.stack(first, dim=1), torch.stack(second, dim=1)

# %% wrong returns_none
#-    return torch.stack(first), torch.stack(second)
#+    view1, view2 = torch.stack(first), torch.stack(second)

# %% wrong not_transformed
def two_views(batch, transform):
    return batch.clone(), batch.clone()


# %% wrong in_place (no copy)
# says: works in place
#-    first, second = ([transform(image.clone()) for image in batch] for _ in range(2))
#+    first, second = ([transform(image) for image in batch] for _ in range(2))

# %% wrong in_place (copy of the batch, made once)
# says: went through it twice
def two_views(batch, transform):
    batch = batch.clone()
    return torch.stack([transform(image) for image in batch]), torch.stack([transform(image) for image in batch])


# %% wrong size_assumed (written into an empty copy)
# says: Let the views decide
def two_views(batch, transform):
    view1, view2 = torch.empty_like(batch), torch.empty_like(batch)
    for i, image in enumerate(batch):
        view1[i], view2[i] = transform(image.clone()), transform(image.clone())
    return view1, view2


# %% wrong size_assumed (cast back to the batch's dtype)
#-    return torch.stack(first), torch.stack(second)
#+    return torch.stack(first).to(batch.dtype), torch.stack(second).to(batch.dtype)

# %% wrong reseeded
# says: sets the seed itself
def two_views(batch, transform):
    torch.manual_seed(0)
    first, second = ([transform(image.clone()) for image in batch] for _ in range(2))
    return torch.stack(first), torch.stack(second)


# %% wrong same_view (the same seed for both)
def two_views(batch, transform):
    views = []
    seed = torch.randint(10**6, (1,)).item()
    for _ in range(2):
        torch.manual_seed(seed)
        views.append(torch.stack([transform(image.clone()) for image in batch]))
    return tuple(views)


# %% wrong input_changed (one view written over the batch)
def two_views(batch, transform):
    second = torch.stack([transform(image.clone()) for image in batch])
    for i in range(len(batch)):
        batch[i] = transform(batch[i].clone())
    return batch, second


# %% wrong not_one_image (slices of one, put together with cat)
# says: takes one image
def two_views(batch, transform):
    return tuple(torch.cat([transform(batch[i : i + 1].clone()) for i in range(len(batch))]) for _ in range(2))


# %% wrong not_one_image (channels last, as for PIL)
def two_views(batch, transform):
    first, second = ([transform(image.permute(1, 2, 0).clone()) for image in batch] for _ in range(2))
    return torch.stack(first).permute(0, 3, 1, 2), torch.stack(second).permute(0, 3, 1, 2)


# %% wrong in_place (copy.copy shares the memory)
# says: Give it a copy
#-    first, second = ([transform(image.clone()) for image in batch] for _ in range(2))
#+    first, second = ([transform(copy.copy(image)) for image in batch] for _ in range(2))


# %% right one loop
def two_views(batch, transform):
    first, second = [], []
    for image in batch:
        first.append(transform(image.clone()))
        second.append(transform(image.clone()))
    return torch.stack(first), torch.stack(second)


# %% right pairs unzipped
def two_views(batch, transform):
    pairs = [(transform(torch.clone(image)), transform(torch.clone(image))) for image in batch]
    first, second = zip(*pairs)
    return torch.stack(first), torch.stack(second)


# %% right repeated batch, then cut
def two_views(batch, transform):
    views = torch.stack([transform(image) for image in torch.cat([batch, batch])])
    return views.chunk(2)
