"""The text backbone: a small BERT pretrained on the review world, or any model of the Hugging Face hub."""

import os

from course_utils import settings
from course_utils.backbones.resolve import quiet, resolve
from course_utils.errors import CourseError

TASKS = ("encoder", "classification", "mlm")


def load_text(name: str | None = None, *, task: str = "encoder", num_labels: int = 2, pretrained: bool = True) -> tuple:
    """(model, tokenizer) for `task`, the model in eval mode.

    `name`: a local folder or hub id; None takes COURSE_TEXT_MODEL or, without that, the embedded BERT (4 layers,
    128 dimensions). If the hub cannot be reached, one line says so and the embedded BERT is returned.
    `task`: "encoder" (hidden states; its pooler was never trained), "classification" (`num_labels` logits, the head
    random: seed torch first) or "mlm" (vocabulary logits).
    `pretrained=False`: the same architecture and tokenizer, all weights random.

    Raises CourseError for an unknown task, a missing folder, an id the hub does not know, and a folder without a model.
    """
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    if task not in TASKS:
        raise CourseError(f"'{task}' is no task of the text backbone.", f"Choose one of: {', '.join(TASKS)}.")
    auto = dict(zip(TASKS, (AutoModel, AutoModelForSequenceClassification, AutoModelForMaskedLM), strict=True))[task]
    options = {"num_labels": num_labels} if task == "classification" else {}
    folder = resolve(name or os.environ.get("COURSE_TEXT_MODEL"), settings.data_dir() / "backbones" / "text")
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            config = AutoConfig.from_pretrained(folder, local_files_only=True, **options)
            if pretrained:
                model = auto.from_pretrained(folder, config=config, local_files_only=True, dtype="float32")
            else:
                model = auto.from_config(config)
        except (OSError, ValueError, KeyError) as error:
            raise CourseError(
                f"{folder} holds no text model that transformers can load ({str(error).splitlines()[0]}).",
                "Name a folder with config.json, weights and tokenizer files, as `save_pretrained` writes them.",
            ) from None
    return model.eval(), tokenizer
