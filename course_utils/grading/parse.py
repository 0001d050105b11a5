"""Read a student's notebook file whatever is wrong with it, or say in words for the student why that cannot be."""

import json
import re

from nbformat import NotebookNode

MAX_CELLS = 2000
MAX_BRACKETS = 1_000_000  # each may become an object of its own in memory
MISSING, AMBIGUOUS, UNREADABLE = "missing", "ambiguous", "unreadable"
AGAIN = "Save it with JupyterLab and hand it in again."


class Unusable(Exception):
    """No notebook can be read from a submission; the text says why and what to do, `kind` says it in one word."""

    def __init__(self, text, kind=UNREADABLE):
        self.kind = kind
        super().__init__(text)


def printable(text: str) -> str:
    """A student's text as it may stand in a message: without control characters and those that turn text around."""
    return "".join(c if c.isprintable() else "?" for c in text)


def parse(data: bytes, shown: str) -> tuple[NotebookNode, list[str]]:
    """The cells of a notebook file with what is needed of them, and what was odd about it.

    Reads what nbformat would refuse, and formats 2 and 3. Outputs, attachments and all metadata but grading marks and
    tags are dropped.

    Raises:
        Unusable: this is no notebook. `shown` is what the message calls the file.
    """
    document = _json(data, shown)
    cells, notes = document.get("cells"), []
    if cells is None and isinstance(document.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in document["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(cells, list):
        raise Unusable(f"{shown} cannot be read as a notebook: it holds no cells. {AGAIN}")
    if len(cells) > MAX_CELLS:
        raise Unusable(f"{shown} has more than {MAX_CELLS} cells. Delete those you do not need and hand it in again.")
    if document.get("nbformat") != 4:
        notes.append(f"the file has the notebook format {str(document.get('nbformat'))[:9]} instead of 4")
    language = _language(document.get("metadata"))
    if language and "python" not in language.lower():
        notes.append(f"the notebook asks for the language {printable(language[:20])}; it was run with Python")
    read = [_cell(cell) for cell in cells]
    if None in read:
        notes.append(f"{read.count(None)} cells of the file have no readable text and were left out")
    if not any(read):
        raise Unusable(f"{shown} cannot be read as a notebook: it holds no cells. {AGAIN}")
    return NotebookNode(metadata=NotebookNode(), cells=[cell for cell in read if cell]), notes


def _json(data, shown) -> dict:
    if not data.strip():
        raise Unusable(f"{shown} is empty. {AGAIN}")
    start = data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith((b"<!doctype", b"<html")):
        raise Unusable(f"{shown} cannot be read as a notebook: it is a web page. Hand in the notebook file itself.")
    try:
        text = data.decode(json.detect_encoding(data))
        if text.count("[") + text.count("{") > MAX_BRACKETS:
            raise ValueError("too many parts")
        # Python refuses to read integers of thousands of digits; no number in a notebook matters that much.
        document = json.loads(text, parse_int=lambda digits: int(digits[:15]))
        if not isinstance(document, dict):
            raise ValueError("no object")
    except UnicodeDecodeError:
        raise Unusable(f"{shown} cannot be read as a notebook: it is not UTF-8 text. {AGAIN}") from None
    except json.JSONDecodeError as error:
        where = f"it is cut off or damaged in line {error.lineno}"
        raise Unusable(f"{shown} cannot be read as a notebook: {where}. {AGAIN}") from None
    except (ValueError, RecursionError, MemoryError):
        raise Unusable(f"{shown} cannot be read as a notebook: its parts make no sense. {AGAIN}") from None
    return document


def _language(metadata):
    """The programming language that the file names, if it names one."""
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name"), ("kernelspec", "name")):
        value = metadata.get(part)
        value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            return value
    return None


def _cell(cell) -> NotebookNode | None:
    """A cell with fields of the right types; None if it has no text."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input"))  # `input` in formats 2 and 3
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    # Halves of characters and zeros cannot be written to files and databases; Python accepts neither in code.
    source = re.sub("[\ud800-\udfff\0]", "\ufffd", source)
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "raw") else "markdown"
    metadata = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
    new = NotebookNode(cell_type=kind, metadata=NotebookNode(), source=source)
    if isinstance(cell.get("id"), str):
        new.id = cell["id"]
    marks = metadata.get("nbgrader")
    if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str):
        simple = {key: value if isinstance(value, str | int | float) else None for key, value in marks.items()}
        new.metadata.nbgrader = NotebookNode(simple)
    if isinstance(metadata.get("tags"), list):
        new.metadata.tags = [tag for tag in metadata["tags"] if isinstance(tag, str)]
    return new
