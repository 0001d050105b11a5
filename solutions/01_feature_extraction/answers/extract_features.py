"""Wrong and right answers to 01.extract_features."""

# %% wrong mode_not_restored (never restored)
# says: another train/eval mode
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    model.eval()
    features, labels = [], []
    with torch.no_grad():
        for batch in loader:
            mask = batch["attention_mask"]
            output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
            features.append(pool(output.hidden_states[layer], mask))
            labels.append(batch["labels"])
    return torch.cat(features), torch.cat(labels)


# %% wrong mode_not_restored (always back to train)
# says: another train/eval mode
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    model.eval()
    features, labels = [], []
    with torch.no_grad():
        for batch in loader:
            mask = batch["attention_mask"]
            output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
            features.append(pool(output.hidden_states[layer], mask))
            labels.append(batch["labels"])
    model.train()
    return torch.cat(features), torch.cat(labels)


# %% wrong mode_not_restored (no finally)
# says: After an error
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    was_training = model.training
    model.eval()
    features, labels = [], []
    with torch.no_grad():
        for batch in loader:
            mask = batch["attention_mask"]
            output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
            features.append(pool(output.hidden_states[layer], mask))
            labels.append(batch["labels"])
    model.train(was_training)
    return torch.cat(features), torch.cat(labels)


# %% wrong dropout_active
# says: Which mode
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    features, labels = [], []
    with torch.no_grad():
        for batch in loader:
            mask = batch["attention_mask"]
            output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
            features.append(pool(output.hidden_states[layer], mask))
            labels.append(batch["labels"])
    return torch.cat(features), torch.cat(labels)


# %% wrong graph_kept
# says: autograd graph
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    was_training = model.training
    model.eval()
    features, labels = [], []
    for batch in loader:
        output = model(batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
        features.append(pool(output.hidden_states[layer], batch["attention_mask"]))
        labels.append(batch["labels"])
    model.train(was_training)
    return torch.cat(features), torch.cat(labels)


# %% wrong model_frozen
# says: for good
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    was_training = model.training
    model.eval()
    for p in model.parameters():
        p.requires_grad = False
    features, labels = [], []
    for batch in loader:
        output = model(batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
        features.append(pool(output.hidden_states[layer], batch["attention_mask"]))
        labels.append(batch["labels"])
    model.train(was_training)
    return torch.cat(features), torch.cat(labels)


# %% wrong autograd_left_off
# says: switched autograd off
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    was_training = model.training
    model.eval()
    torch.set_grad_enabled(False)
    features, labels = [], []
    for batch in loader:
        output = model(batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True)
        features.append(pool(output.hidden_states[layer], batch["attention_mask"]))
        labels.append(batch["labels"])
    model.train(was_training)
    return torch.cat(features), torch.cat(labels)


# %% wrong batch_changed (labels popped)
# says: belong to the loader
#-            for batch in loader:
#+            for batch in loader:
#+                y = batch.pop("labels")

#-                labels.append(batch["labels"])
#+                labels.append(y)


# %% wrong batch_changed (key added)
#-            for batch in loader:
#+            for batch in loader:
#+                batch["output_hidden_states"] = True


# %% wrong last_batch_only
# says: last batch
#-                features.append(pool(output.hidden_states[layer], mask))
#-                labels.append(batch["labels"])
#+                features = pool(output.hidden_states[layer], mask)
#+                labels = batch["labels"]

#-    return torch.cat(features), torch.cat(labels)
#+    return features, labels


# %% wrong stacked
# says: torch.cat
#-    return torch.cat(features), torch.cat(labels)
#+    return torch.stack(features), torch.stack(labels)


# %% wrong not_tensors (lists)
# says: features is a list
#-    return torch.cat(features), torch.cat(labels)
#+    return features, labels


# %% wrong not_tensors (numpy)
# says: ndarray
#-    return torch.cat(features), torch.cat(labels)
#+    return torch.cat(features).numpy(), torch.cat(labels).numpy()


# %% wrong not_tensors (labels as a list)
#-                labels.append(batch["labels"])
#+                labels += batch["labels"].tolist()

#-    return torch.cat(features), torch.cat(labels)
#+    return torch.cat(features), labels


# %% wrong not_a_pair
# says: two things
#-    return torch.cat(features), torch.cat(labels)
#+    return torch.cat(features)


# %% wrong not_a_pair (nothing returned)
#-    return torch.cat(features), torch.cat(labels)
#+    features, labels = torch.cat(features), torch.cat(labels)


# %% wrong not_pooled
# says: for each token
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(output.hidden_states[layer])


# %% wrong wrong_shape (means over the batch)
# says: expected (6, 16)
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(output.hidden_states[layer].mean(0))


# %% wrong layer_ignored (last hidden state)
# says: embeddings
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(pool(output.last_hidden_state, mask))


# %% wrong layer_ignored (pooler output)
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(output.pooler_output)


# %% wrong layer_ignored (embeddings dropped from the list)
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(pool(output.hidden_states[1:][layer], mask))


# %% wrong layer_off_by_one
# says: layer after
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(pool(output.hidden_states[layer + 1 if layer > 0 else layer], mask))


# %% wrong mask_not_passed
# says: attention mask
#-                output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
#+                output = model(batch["input_ids"], output_hidden_states=True)


# %% wrong pool_ignored
# says: ignored `pool`
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(output.hidden_states[layer][:, 0])


# %% wrong two_passes
# says: same pass
#-                labels.append(batch["labels"])

#-    return torch.cat(features), torch.cat(labels)
#+    return torch.cat(features), torch.cat([batch["labels"] for batch in loader])


# %% wrong raises_TypeError (generic: hidden states not asked for)
# says: extract_features
#-                output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
#+                output = model(input_ids=batch["input_ids"], attention_mask=mask)


# %% wrong raises_TypeError (generic: pool without mask)
# says: extract_features
#-                features.append(pool(output.hidden_states[layer], mask))
#+                features.append(pool(output.hidden_states[layer]))


# %% right whole batch as keywords
#-                output = model(input_ids=batch["input_ids"], attention_mask=mask, output_hidden_states=True)
#+                output = model(**batch, output_hidden_states=True)


# %% right inference_mode
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    before = model.training
    try:
        model.eval()
        with torch.inference_mode():
            pairs = []
            for batch in loader:
                out = model(batch["input_ids"], batch["attention_mask"], output_hidden_states=True)
                pairs.append((pool(out.hidden_states[layer], batch["attention_mask"]), batch["labels"]))
    finally:
        model.train(before)
    features, labels = zip(*pairs)
    return torch.cat(features), torch.cat(labels)


# %% right decorator, modes of all parts
def first_token(hidden, mask):
    return hidden[:, 0]


@torch.no_grad()
def extract_features(model, loader, layer=-1, pool=first_token):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    features, labels = torch.empty(0), torch.empty(0, dtype=torch.long)
    try:
        for batch in loader:
            inputs = {k: v for k, v in batch.items() if k != "labels"}
            states = model(**inputs, output_hidden_states=True)["hidden_states"]
            features = torch.cat([features, pool(states[layer], inputs["attention_mask"])])
            labels = torch.cat([labels, batch["labels"]])
    finally:
        for m, mode in modes.items():
            m.training = mode
    return features, labels


# %% right detach, copy of the batch
def first_token(hidden, mask):
    return hidden[:, 0]


def extract_features(model, loader, layer=-1, pool=first_token):
    from contextlib import contextmanager

    @contextmanager
    def evaluating():
        mode = model.training
        model.eval()
        try:
            yield
        finally:
            model.train(mode)

    features, labels = [], []
    with evaluating():
        for batch in loader:
            batch = dict(batch)
            labels.extend(batch.pop("labels"))
            states = model(**batch, output_hidden_states=True).hidden_states
            features.extend(pool(states[layer], batch["attention_mask"]).detach())
    return torch.stack(features), torch.stack(labels)
