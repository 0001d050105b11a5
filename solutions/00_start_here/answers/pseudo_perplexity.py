"""Wrong and right answers to 00.pseudo_perplexity."""

# %% wrong answer_visible
# says: only had to copy
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor([tokenizer(sentence)["input_ids"]])
            logp = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.log_softmax(-1)
            for t in range(1, ids.shape[1] - 1):
                total -= logp[0, t, ids[0, t]].item()
                count += 1
    model.train(was_training)
    return math.exp(total / count)


# %% wrong answer_visible_specials
# says: Two things
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor([tokenizer(sentence)["input_ids"]])
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            losses += F.cross_entropy(logits[0], ids[0], reduction="none").tolist()
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong masked_all_at_once
# says: nothing was left
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor([tokenizer(sentence)["input_ids"]])
            masked = ids.clone()
            masked[:, 1:-1] = tokenizer.mask_token_id
            logp = model(input_ids=masked, attention_mask=torch.ones_like(ids)).logits.log_softmax(-1)
            for t in range(1, ids.shape[1] - 1):
                total -= logp[0, t, ids[0, t]].item()
                count += 1
    model.train(was_training)
    return math.exp(total / count)


# %% wrong masked_specials_too
# says: special tokens never
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor([tokenizer(sentence)["input_ids"]])
            logits = model(input_ids=torch.full_like(ids, tokenizer.mask_token_id)).logits
            losses += F.cross_entropy(logits[0], ids[0], reduction="none").tolist()
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong specials_scored
# says: [CLS] and [SEP]
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(len(ids)):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                total -= model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0, t].log_softmax(-1)[ids[t]].item()
                count += 1
    model.train(was_training)
    return math.exp(total / count)


# %% wrong mean_of_perplexities
# says: averaged the sentences' perplexities
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            losses = []
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
            found.append(math.exp(sum(losses) / len(losses)))
    model.train(was_training)
    return sum(found) / len(found)


# %% wrong sentences_weighted_equally
# says: one-word sentence
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            positions = torch.arange(1, len(ids) - 1)
            rows = ids.repeat(len(positions), 1)
            labels = torch.full_like(rows, -100)
            labels[range(len(positions)), positions] = ids[positions]
            rows[range(len(positions)), positions] = tokenizer.mask_token_id
            found.append(model(input_ids=rows, attention_mask=torch.ones_like(rows), labels=labels).loss.item())
    model.train(was_training)
    return math.exp(sum(found) / len(found))


# %% wrong mean_of_exponentials
# says: First the mean
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                found.append(1 / model(input_ids=row).logits[0, t].softmax(-1)[ids[t]].item())
    model.train(was_training)
    return sum(found) / len(found)


# %% wrong mean_of_probabilities
# says: averaged probabilities
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                found.append(model(input_ids=row).logits[0, t].softmax(-1)[ids[t]].item())
    model.train(was_training)
    return len(found) / sum(found)


# %% wrong no_exp
# says: perplexity is exp
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return sum(losses) / len(losses)


# %% wrong no_exp_base_two
# says: surprisal in bits
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    bits = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                bits.append(-math.log2(model(input_ids=row).logits[0, t].softmax(-1)[ids[t]].item()))
    model.train(was_training)
    return sum(bits) / len(bits)


# %% wrong bases_mixed
# says: mixed bases
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    bits = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                bits.append(-model(input_ids=row).logits[0, t].softmax(-1)[ids[t]].log2().item())
    model.train(was_training)
    return math.exp(sum(bits) / len(bits))


# %% wrong two_to_nats
# says: mixed bases
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return 2 ** (sum(losses) / len(losses))


# %% wrong not_negated
# says: The sign
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    logs = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                logs.append(model(input_ids=row).logits[0, t].log_softmax(-1)[ids[t]].item())
    model.train(was_training)
    return math.exp(sum(logs) / len(logs))


# %% wrong sum_not_mean
# says: long texts
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total = 0.0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                total += F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item()
    model.train(was_training)
    return math.exp(total)


# %% wrong first_sentence_only
# says: inside the loop
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                total += F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item()
                count += 1
            model.train(was_training)
            return math.exp(total / count)


# %% wrong last_sentence_only
# says: last sentence
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for sentence in sentences:
            total, count = 0.0, 0
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                total += F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item()
                count += 1
    model.train(was_training)
    return math.exp(total / count)


# %% wrong different (masks pile up)
# says: is off
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            row = ids.clone()[None]
            for t in range(1, len(ids) - 1):
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong unmasked_scored (labels at every position)
# says: copy
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                total += model(input_ids=row, attention_mask=torch.ones_like(row), labels=ids[None]).loss.item()
                count += 1
    model.train(was_training)
    return math.exp(total / count)


# %% wrong gap_scored_as_mask (the answer is taken after masking)
# says: original
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()
                row[t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row[None]).logits[0, t], row[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong right_side_hidden
# says: causal
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t:-1] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong mode_not_restored
# says: Remember the mode
def pseudo_perplexity(model, tokenizer, sentences):
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    return math.exp(sum(losses) / len(losses))


# %% wrong mode_not_restored (always back to train)
def pseudo_perplexity(model, tokenizer, sentences):
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train()
    return math.exp(sum(losses) / len(losses))


# %% wrong dropout_active
# says: dropout
def pseudo_perplexity(model, tokenizer, sentences):
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    return math.exp(sum(losses) / len(losses))


# %% wrong autograd_left_off
# says: switched autograd off
def pseudo_perplexity(model, tokenizer, sentences):
    torch.set_grad_enabled(False)
    was_training = model.training
    model.eval()
    losses = []
    for sentence in sentences:
        ids = torch.tensor(tokenizer(sentence)["input_ids"])
        for t in range(1, len(ids) - 1):
            row = ids.clone()[None]
            row[0, t] = tokenizer.mask_token_id
            losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong not_a_float
# says: not a Tensor
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]))
    model.train(was_training)
    return torch.stack(losses).mean().exp()


# %% wrong padding_seen
# says: attention mask
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    batch = tokenizer(list(sentences), padding=True, return_special_tokens_mask=True, return_tensors="pt")
    losses = []
    with torch.no_grad():
        for ids, special in zip(batch["input_ids"], batch["special_tokens_mask"]):
            for t in (special == 0).nonzero().flatten().tolist():
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong specials_assumed
# says: return_special_tokens_mask
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    losses = []
    with torch.no_grad():
        for sentence in sentences:
            ids = torch.tensor(tokenizer(sentence)["input_ids"])
            for t in range(1, len(ids) - 1):
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% wrong model_changed
# says: froze the model's parameters
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval().requires_grad_(False)
    losses = []
    for sentence in sentences:
        encoded = tokenizer(sentence, return_special_tokens_mask=True)
        ids = torch.tensor(encoded["input_ids"])
        for t, special in enumerate(encoded["special_tokens_mask"]):
            if not special:
                row = ids.clone()[None]
                row[0, t] = tokenizer.mask_token_id
                losses.append(F.cross_entropy(model(input_ids=row).logits[0, t], ids[t]).item())
    model.train(was_training)
    return math.exp(sum(losses) / len(losses))


# %% right one gap at a time
@torch.no_grad()
def pseudo_perplexity(model, tokenizer, sentences):
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    losses = []
    for sentence in sentences:
        encoded = tokenizer(sentence, return_special_tokens_mask=True, return_tensors="pt")
        special = encoded.pop("special_tokens_mask")[0]
        answers = encoded["input_ids"][0].clone()
        for t in range(len(answers)):
            if special[t]:
                continue
            encoded["input_ids"][0] = answers
            encoded["input_ids"][0, t] = tokenizer.mask_token_id
            losses.append(-model(**encoded).logits[0, t].log_softmax(-1)[answers[t]].item())
    for module, mode in modes:
        module.training = mode
    return float(np.exp(np.mean(losses)))


# %% right one padded batch of all gaps, loss by the model
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    batch = tokenizer(list(sentences), padding=True, return_special_tokens_mask=True, return_tensors="pt")
    sentence, position = ((batch["special_tokens_mask"] == 0) & (batch["attention_mask"] == 1)).nonzero(as_tuple=True)
    rows = batch["input_ids"][sentence].clone()
    labels = torch.full_like(rows, -100)
    index = torch.arange(len(rows))
    labels[index, position] = rows[index, position]
    rows[index, position] = tokenizer.mask_token_id
    with torch.inference_mode():
        loss = model(input_ids=rows, attention_mask=batch["attention_mask"][sentence], labels=labels).loss
    model.train(was_training)
    return loss.exp().item()


# %% right special ids from the tokenizer, base two
def pseudo_perplexity(model, tokenizer, sentences):
    was_training = model.training
    model.eval()
    bits, count = 0.0, 0
    for sentence in sentences:
        ids = torch.tensor(tokenizer(sentence)["input_ids"], device=model.device)
        where = [t for t, i in enumerate(ids.tolist()) if i not in tokenizer.all_special_ids]
        rows = ids.expand(len(where), -1).clone()
        rows[torch.arange(len(where)), torch.tensor(where)] = tokenizer.mask_token_id
        with torch.no_grad():
            p = model(rows, torch.ones_like(rows)).logits.double().softmax(-1)
        bits -= sum(math.log2(p[i, t, ids[t]]) for i, t in enumerate(where))
        count += len(where)
    model.train(was_training)
    return 2 ** (bits / count)


# %% right diagonal
def pseudo_perplexity(model, tokenizer, sentences):
    was_training, total = model.training, []
    model.eval()
    for sentence in sentences:
        encoded = tokenizer(sentence, return_special_tokens_mask=True, return_tensors="pt")
        ids, real = encoded["input_ids"][0], encoded["special_tokens_mask"][0] == 0
        rows = torch.where(torch.eye(len(ids)).bool(), tokenizer.mask_token_id, ids)
        logits = model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits.detach()
        diagonal = logits.diagonal(dim1=0, dim2=1).T
        total.append(F.cross_entropy(diagonal, ids, reduction="none")[real])
    model.train(was_training)
    return math.exp(torch.cat(total).mean())
