"""What both worlds need to load a model: a name turned into a local folder, and a transformers that keeps quiet."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from course_utils.errors import CourseError

SECONDS = 5
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def resolve(name: str | None, embedded: Path) -> str:
    """The local folder of model `name`; `embedded` if there is no name or the hub cannot be reached (one line says so).

    A hub model that is in the local cache is taken from there when the hub does not answer.

    Raises CourseError for a folder that does not exist and for an id that the hub does not know or does not hand out.
    """
    if not name:
        return str(embedded)
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or os.sep == "\\" and "\\" in name:
        raise CourseError(
            f"There is no model folder '{name}'.", "Check the path, or name a model of the Hugging Face hub."
        )
    return _download(name, embedded)


def _download(name: str, embedded: Path) -> str:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    if constants.HF_HUB_OFFLINE:
        return _without_hub(name, embedded, "HF_HUB_OFFLINE is set")
    disable_progress_bars()
    try:
        # Asked first, because it is a single request with a timeout, where a download is tried again and again.
        HfApi().model_info(name, timeout=SECONDS)
        return snapshot_download(name, allow_patterns=FILES, etag_timeout=SECONDS)
    except HFValidationError as error:
        raise CourseError(
            f"'{name}' is neither a folder nor a valid hub id ({str(error).splitlines()[0]}).",
            "Check the path, or name a hub model as owner/model.",
        ) from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status >= 500:
            return _without_hub(name, embedded, f"the hub answered {status}")
        raise CourseError(
            f"The hub does not hand out a model '{name}' (status {status}).",
            "Check the spelling; a private or gated model needs `hf auth login`.",
        ) from None
    except (HTTPError, OSError, LocalEntryNotFoundError) as error:
        return _without_hub(name, embedded, f"the hub is not reachable: {type(error).__name__}")
    finally:
        enable_progress_bars()


def _without_hub(name: str, embedded: Path, why: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot_download(name, allow_patterns=FILES, local_files_only=True)
    except LocalEntryNotFoundError:
        print(f"Using the course's embedded model in place of '{name}' ({why}).")
        return str(embedded)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting new heads and showing progress bars: a graded cell must not write to stderr."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
