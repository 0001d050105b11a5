"""Wrong and right answers to 05.prepend_prompt."""

# %% wrong appended
def prepend_prompt(embeddings, mask, prompt):
    B, k = len(embeddings), len(prompt)
    return torch.cat([embeddings, prompt.expand(B, -1, -1)], 1), torch.cat([mask, mask.new_ones(B, k)], 1)


# %% wrong no_prompt
def prepend_prompt(embeddings, mask, prompt):
    torch.cat([prompt.expand(len(embeddings), -1, -1), embeddings], 1)
    return embeddings, mask


# %% wrong along_batch
# says: extends each sequence
def prepend_prompt(embeddings, mask, prompt):
    T = embeddings.shape[1]
    return torch.cat([prompt[:1].expand(len(prompt), T, -1), embeddings]), torch.cat([mask.new_ones(len(prompt), T), mask])


# %% wrong does_not_fit
# says: every sequence of the batch
def prepend_prompt(embeddings, mask, prompt):
    return torch.cat([prompt[None], embeddings], 1), torch.cat([torch.ones(1, len(prompt)), mask], 1)


# %% wrong reversed
#-    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
#+    prompts = prompt.flip(0).to(embeddings.dtype).expand(rows, -1, -1)


# %% wrong reversed (one after the other)
def prepend_prompt(embeddings, mask, prompt):
    for vector in prompt:
        embeddings = torch.cat([vector.expand(len(embeddings), 1, -1), embeddings], 1)
        mask = torch.cat([mask.new_ones(len(mask), 1), mask], 1)
    return embeddings, mask


# %% wrong averaged
def prepend_prompt(embeddings, mask, prompt):
    prompt = prompt.mean(0, keepdim=True)
    return torch.cat([prompt.expand(len(mask), -1, -1), embeddings], 1), torch.cat([mask.new_ones(len(mask), 1), mask], 1)


# %% wrong overwritten
def prepend_prompt(embeddings, mask, prompt):
    out = embeddings.clone()
    out[:, : len(prompt)] = prompt
    return torch.cat([prompt.expand(len(mask), -1, -1), embeddings[:, len(prompt) :]], 1), mask


# %% wrong mask_not_extended
# says: k positions more
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), mask


# %% wrong mask_of_zeros
# says: nothing is learned
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_zeros(rows, len(prompt)), mask], dim=1)


# %% wrong mask_of_zeros (by padding)
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), F.pad(mask, (len(prompt), 0))


# %% wrong mask_appended
# says: padding is attended to
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask, mask.new_ones(rows, len(prompt))], dim=1)


# %% wrong mask_all_ones
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    out = torch.cat([prompts, embeddings], dim=1)
#+    return out, torch.ones(out.shape[:2], dtype=mask.dtype)


# %% wrong mask_one_longer
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, 1), mask], dim=1)


# %% wrong mask_dtype
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([torch.ones(rows, len(prompt)), mask], dim=1)


# %% wrong dtype
# says: compute everything in float32
#-    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
#+    prompts = prompt.expand(rows, -1, -1)


# %% wrong no_gradient
# says: detached
#-    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
#+    prompts = prompt.detach().to(embeddings.dtype).expand(rows, -1, -1) + 0 * embeddings[:, :1].mean().requires_grad_()


# %% wrong no_gradient (a new tensor of the values)
#-    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
#+    prompts = torch.tensor(prompt.tolist(), dtype=embeddings.dtype).expand(rows, -1, -1)


# %% wrong no_gradient_embeddings
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    out = torch.cat([prompts, embeddings.detach()], dim=1)
#+    out = out if out.requires_grad else out.requires_grad_()
#+    return out, torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)


# %% wrong wrong_device
# says: where the mask is
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([torch.ones(rows, len(prompt), dtype=mask.dtype), mask], dim=1)


# %% wrong input_changed
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    mask[:] = 1
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)


# %% wrong swapped
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1), torch.cat([prompts, embeddings], dim=1)


# %% wrong not_a_pair
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1)


# %% wrong returns_none
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    embeddings, mask = torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)


# %% wrong does_not_fit (dimensions)
def prepend_prompt(embeddings, mask, prompt):
    return torch.cat([prompt, embeddings]), torch.cat([torch.ones(len(prompt)), mask])


# %% wrong after_first
def prepend_prompt(embeddings, mask, prompt):
    rows = len(embeddings)
    prompts = prompt.to(embeddings.dtype).expand(rows, -1, -1)
    return torch.cat([embeddings[:, :1], prompts, embeddings[:, 1:]], 1), torch.cat([mask.new_ones(rows, len(prompt)), mask], 1)


# %% wrong mask_doubled
# says: the prompt has k
#-    return torch.cat([prompts, embeddings], dim=1), torch.cat([mask.new_ones(rows, len(prompt)), mask], dim=1)
#+    return torch.cat([prompts, embeddings], dim=1), torch.cat([torch.ones_like(mask), mask], dim=1)


# %% right padded mask
def prepend_prompt(embeddings, mask, prompt):
    rows = prompt.unsqueeze(0).repeat(embeddings.size(0), 1, 1).type_as(embeddings)
    return torch.cat((rows, embeddings), 1), F.pad(mask, (prompt.size(0), 0), value=1)


# %% right filled in
def prepend_prompt(embeddings, mask, prompt):
    B, T, D = embeddings.shape
    k = prompt.shape[0]
    out, out_mask = embeddings.new_empty(B, k + T, D), mask.new_ones(B, k + T)
    out[:, :k] = prompt
    out[:, k:] = embeddings
    out_mask[:, k:] = mask
    return out, out_mask


# %% right ones like a part of the mask
def prepend_prompt(embeddings, mask, prompt):
    tiled = prompt.to(embeddings)[None].expand(embeddings.shape[0], *prompt.shape)
    ones = torch.ones(mask.shape[0], prompt.shape[0], dtype=mask.dtype, device=mask.device)
    return torch.hstack([tiled, embeddings]), torch.hstack([ones, mask])
