"""Loaders of batches, deterministic by seed: texts with dynamic padding, and arrays."""

import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils.errors import refuse


def text_loader(dataset, tokenizer, batch_size=32, shuffle=False, seed=0, max_length=64) -> DataLoader:
    """Batches of `input_ids`, `attention_mask` … (B, T) and `labels` (B,), padded to the longest of the batch.

    `dataset` has a column `text` and, for labeled data, `label`: a `datasets.Dataset`, a data frame or a dict.
    """
    from transformers import DataCollatorWithPadding

    columns = list(getattr(dataset, "column_names", dataset))
    refuse(
        "text" not in columns,
        f"The data set has no column 'text'; its columns are {columns}.",
        "Rename the column with the text to 'text' (and the one with the class to 'label').",
    )
    encoded = tokenizer(list(dataset["text"]), truncation=True, max_length=max_length)
    rows = [{name: encoded[name][i] for name in encoded} for i in range(len(encoded["input_ids"]))]
    if "label" in columns:
        for row, label in zip(rows, dataset["label"], strict=True):
            row["labels"] = int(label)
    return _loader(rows, batch_size, shuffle, seed, DataCollatorWithPadding(tokenizer))


def array_loader(x, y, batch_size=32, shuffle=False, seed=0) -> DataLoader:
    """Batches `(x, y)` of float32 inputs (B, …) and int64 labels (B,) from two arrays or tensors of one length."""
    x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64)
    refuse(len(x) != len(y), f"There are {len(x)} inputs but {len(y)} labels.", "Pass one label per input.")
    return _loader(TensorDataset(x, y), batch_size, shuffle, seed)


def _loader(data, batch_size, shuffle, seed, collate_fn=None) -> DataLoader:
    refuse(not len(data), "The data set is empty.", "Pass at least one sample.")
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch_size, shuffle=shuffle, generator=generator, collate_fn=collate_fn)
