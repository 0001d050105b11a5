"""How the text backbone was made: a small BERT, masked language modeling on the review world, gated on a probe.

Word embeddings start from counts: positive pointwise mutual information of words that share a review, factorized by
SVD (Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization"). The model card says why.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from course_utils import settings
from course_utils.backbones.resolve import quiet
from course_utils.datasets.reviews import SPLITS, V, generate_unlabeled, load_reviews
from course_utils.errors import CourseError

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES, STEPS = 60_000, 4000
RECIPE = BATCH, LEARNING_RATE, MASKED = 64, 1e-3, 0.25
GATE = {"test": 0.78, "test_novel": 0.77}
SHAPE = dict(
    hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=256, max_position_embeddings=64
)


def build_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """A lower-casing BERT WordPiece tokenizer: every word seen five times is one piece, other words are spelled."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(w for text in corpus for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    words = sorted((w for w, n in counts.items() if n >= 5 and len(w) > 1), key=lambda w: (-counts[w], w))
    endings = Counter(w[-k:] for w in words for k in (2, 3, 4) if len(w) > k + 2)
    endings = sorted((e for e, n in endings.items() if n >= 12), key=lambda e: (-endings[e], e))
    characters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    pieces = SPECIALS + characters + ["##" + c for c in characters if c.isalnum()] + ["##" + e for e in endings]
    vocabulary = {piece: i for i, piece in enumerate(pieces + words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, vocabulary[t]) for t in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=SHAPE["max_position_embeddings"],
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **names,
    )


def ppmi_svd(ids: list[list[int]], vocab_size: int, dim: int, seed: int) -> np.ndarray:
    """(vocab_size, dim) vectors: SVD of the positive PMI of words sharing a text, times root singular values."""
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    lengths = [len(set(row)) for row in ids]
    columns = np.concatenate([sorted(set(row)) for row in ids])
    rows = np.repeat(np.arange(len(ids)), lengths)
    present = csr_matrix((np.ones(len(columns), dtype=np.float32), (rows, columns)), shape=(len(ids), vocab_size))
    together = (present.T @ present).toarray()
    np.fill_diagonal(together, 0)
    total = together.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(together * total.sum() / np.outer(total, total))
    u, s, _ = randomized_svd(np.where(together > 0, np.maximum(pmi, 0), 0), dim, n_iter=5, random_state=seed)
    return (u * np.sqrt(s)).astype(np.float32)


def layer_features(model, tokenizer, texts: list[str]) -> np.ndarray:
    """(layers + 1, N, d) mean over the tokens of each text, per layer; texts of one length go together, unpadded."""
    ids = tokenizer(list(texts), truncation=True)["input_ids"]
    by_length = {}
    for i, row in enumerate(ids):
        by_length.setdefault(len(row), []).append(i)
    features = None
    for members in by_length.values():
        batch = torch.tensor([ids[i] for i in members], device=model.device)
        with torch.no_grad():
            hidden = torch.stack(model(batch, output_hidden_states=True).hidden_states).mean(dim=2).cpu().numpy()
        if features is None:
            features = np.zeros((len(hidden), len(ids), hidden.shape[-1]), dtype=np.float32)
        features[:, members] = hidden
    return features


def probe(encoder, tokenizer, *, domain: str = "films", n: int = 200, seeds: int = 5) -> dict:
    """Accuracy of logistic regression on frozen features from `n` labeled reviews, mean over `seeds` draws.

    Layer and inverse regularization `C` are chosen on the validation split. Returns `layer`, `C`, `validation` (best
    mean of each layer), `test` and `test_novel` (accuracies between 0 and 1).
    """
    from sklearn.linear_model import LogisticRegression

    encoder.eval()
    sets = {split: load_reviews(domain, split) for split in SPLITS}
    x = {split: layer_features(encoder, tokenizer, data["text"]) for split, data in sets.items()}
    y = {split: np.array(data["label"]) for split, data in sets.items()}
    draws = [np.random.default_rng(seed).permutation(len(y["train"]))[:n] for seed in range(seeds)]

    def accuracies(layer: int, c: float) -> dict:
        fits = [LogisticRegression(C=c, max_iter=2000).fit(x["train"][layer][d], y["train"][d]) for d in draws]
        scores = {s: np.mean([fit.score(x[s][layer], y[s]) for fit in fits]) for s in SPLITS if s != "train"}
        return {split: round(float(score), 4) for split, score in scores.items()}

    layers = range(len(x["train"]))
    table = {(layer, c): accuracies(layer, c) for layer in layers for c in (0.01, 0.1, 1.0)}
    layer, c = max(table, key=lambda key: table[key]["validation"])
    by_layer = [max(v["validation"] for (at, _), v in table.items() if at == other) for other in layers]
    return {"layer": layer, "C": c, **table[layer, c], "validation": by_layer}


def pretrain_text(
    out: Path | None = None,
    seed: int = 0,
    steps: int | None = None,
    *,
    sentences: int = SENTENCES,
    save_every: int = 500,
    gate: dict | None = GATE,
) -> dict:
    """Pretrain the text backbone and install it in `out` (default: the course's data folder); returns the probe.

    The same seed gives the same weights on the same machine with the same number of threads. State is saved every
    `save_every` steps in the cache folder; an interrupted run goes on from there and ends with the same weights.
    `gate=None` installs without asking the probe.

    Raises CourseError, and leaves `out` as it was, if the probe misses the gate.
    """
    out = Path(out or settings.data_dir() / "backbones" / "text")
    steps = STEPS if steps is None else steps
    held_out = {text for domain in V.DOMAINS for split in SPLITS for text in load_reviews(domain, split)["text"]}
    corpus = [text for text in generate_unlabeled(sentences, seed) if text not in held_out]
    tokenizer = build_tokenizer(corpus)
    ids = tokenizer(corpus, truncation=True)["input_ids"]

    settings.seed_everything(seed)
    # Dropout only slows so short a training down; the saved configuration has BERT's 0.1 for fine-tuning.
    config = BertConfig(vocab_size=len(tokenizer), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **SHAPE)
    model = BertForMaskedLM(config)
    vectors = torch.from_numpy(ppmi_svd(ids, len(tokenizer), config.hidden_size, seed))
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.copy_(vectors * (0.05 / vectors.std()))
    model.to(settings.device()).train()
    state_file = train(model, tokenizer, ids, seed, steps, save_every, [corpus, config.to_dict(), seed, steps, RECIPE])

    scores = probe(model.bert, tokenizer) if gate else {}
    if scores:
        print(f"Probe with 200 labels: {scores}")
    missed = [split for split, least in (gate or {}).items() if scores[split] < least]
    if missed:
        raise CourseError(
            f"The probe of the new model reaches {', '.join(f'{scores[s]:.3f} on {s}' for s in missed)}; gate: {gate}.",
            "Train for more steps or with another seed; the installed checkpoint was left as it was.",
        )
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    with settings.replacing(out) as folder:
        folder.mkdir()
        with quiet():
            model.cpu().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)
        for note in out.glob("*.md"):
            (folder / note.name).write_bytes(note.read_bytes())
    state_file.unlink()
    return scores


def train(model, tokenizer, ids, seed, steps, save_every, fingerprint) -> Path:
    """Masked language modeling in place. Every step draws from its own seed, so that a resumed run is the same run.

    Returns the file that holds the state.
    """
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    state_file = settings.cache_dir() / f"pretrain-text-{digest}.pt"
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=max(steps, 2), pct_start=0.1, cycle_momentum=False
    )
    ids = sorted(ids, key=len)  # Batches are windows of texts of about one length, which halves the padding.
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
    start = 0
    if state_file.exists():
        state = torch.load(state_file, map_location=model.device, weights_only=True)
        start = state["step"]
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        print(f"Resumed at step {start} of {steps}.")
    bar = settings.progress(range(start, steps), "pretraining the text backbone", initial=start, total=steps)
    for step in bar:
        torch.manual_seed(seed * 1_000_003 + step)
        first = int(torch.randint(len(ids) - BATCH + 1, ()))
        batch = collate([{"input_ids": row} for row in ids[first : first + BATCH]]).to(model.device)
        masked = batch["labels"] != -100
        hidden = model.bert(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        loss = torch.nn.functional.cross_entropy(model.cls(hidden[masked]), batch["labels"][masked])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % save_every == 0 or step + 1 == steps:
            bar.set_postfix(loss=f"{loss.item():.3f}")
            state = {"step": step + 1, "model": model.state_dict()}
            state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
            with settings.replacing(state_file) as path:
                torch.save(state, path)
    return state_file
