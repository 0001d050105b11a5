"""Zips from strangers: their members, read with every size counted and nothing believed."""

import contextlib
import errno
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from course_utils.grading.parse import printable
from course_utils.grading.preflight import LITTER

MAX_RATIO, FREE_BYTES = 100, 10_000_000  # what is unpacked may be so many times the zip; small ones may be denser
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError),
)
_CHUNK = 1 << 16


class BadZip(Exception):
    """Why a zip is not unpacked, worded to stand behind its name."""


class TooLarge(Exception):
    """A member has more bytes than it may have."""


class Zip:
    """A zip of at most `entries` files that unpack to at most `size` bytes.

    Raises:
        BadZip: it cannot be opened, is damaged or encrypted, or is a trap.
    """

    def __init__(self, path: Path, entries: int, size: int):
        self.path, self.size, self.spent = Path(path), size, 0
        with contextlib.ExitStack() as stack:
            try:
                self.packed = self.path.stat().st_size
                self.archive = stack.enter_context(zipfile.ZipFile(self.path))
            except OSError as error:
                raise BadZip(f"cannot be opened ({error.strerror})") from None
            except _DAMAGE:
                raise BadZip("is damaged or no zip") from None
            self._check(entries)
            self.close = stack.pop_all().close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _check(self, entries):
        infos = self.archive.infolist()
        if len(infos) > entries:
            raise BadZip(f"holds more than {entries} files")
        if sum(info.compress_size for info in infos) > self.packed:
            raise BadZip("is damaged: its parts overlap")
        if any(info.flag_bits & 0x1 for info in infos):
            raise BadZip("is encrypted")
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
            raise BadZip("is packed by a rare method; pack it as an ordinary zip")

    def members(self, keep: Collection[str] = ()) -> Iterator[tuple[tuple[str, ...], zipfile.ZipInfo]]:
        """The files with the parts of their paths; folders and litter but that of the names in `keep` are left out.

        Raises:
            BadZip: a path leads out of the folder that the zip is unpacked in.
        """
        for info in self.archive.infolist():
            name = info.orig_filename
            if not info.flag_bits & 0x800:  # some programs write UTF-8 and do not say so
                with contextlib.suppress(UnicodeError):
                    name = name.encode("cp437").decode("utf-8")
            parts = re.split(r"[/\\]", name)  # Windows' own programs use both
            if name[:1] in ("/", "\\") or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name:
                raise BadZip(f"holds {printable(name[:80])}, which leads out of its folder")
            folder = info.is_dir() or parts[-1] == ""
            parts = tuple(part for part in parts if part not in ("", "."))
            if parts and not folder and not any(LITTER.fullmatch(part) and part not in keep for part in parts):
                yield parts, info

    def copy(self, info: zipfile.ZipInfo, target: Path, limit: int) -> None:
        """Write a member to `target`.

        Raises:
            BadZip: the zip is damaged, or what was read of it so far is more than it may hold.
            TooLarge: the member has more than `limit` bytes.
        """
        name = printable(info.filename[-80:])
        if info.file_size > limit:
            raise TooLarge
        try:
            with self.archive.open(info) as source, target.open("xb") as out:
                while chunk := source.read(_CHUNK):
                    self.spent += len(chunk)
                    if self.spent > min(self.size, max(FREE_BYTES, MAX_RATIO * self.packed)):
                        raise BadZip(f"unpacks to more than {self.spent // 1_000_000} MB (at {name}), like a trap")
                    out.write(chunk)
        except _DAMAGE:
            raise BadZip(f"is damaged (at {name})") from None
        except OSError as error:
            if error.errno != errno.EINVAL:  # what a place before the start of the zip is called
                raise
            raise BadZip(f"is damaged (at {name})") from None


def is_regular(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a file, and not a link or a device."""
    return stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
