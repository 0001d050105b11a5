"""Zips of submissions, as Moodle, Canvas, people and attackers make them, collected into a class folder."""

import copy
import io
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile

import pytest
from toy_lesson import LESSON, command, write_toy_lesson

from course_utils.errors import CourseError
from course_utils.grading import intake
from course_utils.grading.intake import KEPT, NEW, REFUSED, REPLACED, UNCHANGED, collect, safe_name

FILE = f"{LESSON}.ipynb"
NOISE = random.Random(0).randbytes(40_000)


def pack(path, members, **options):
    """A zip of these names and contents, or of (ZipInfo, content) pairs."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return path


def packed(members):
    out = io.BytesIO()
    pack(out, members)
    return out.getvalue()


def tree(folder):
    """All that lies below a folder, with the contents of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(info.st_mode) else None
        found[path.relative_to(folder).as_posix()] = (stat.S_IFMT(info.st_mode), content)
    return found


def handed_in(folder):
    """The files in `submitted/` with their contents, as text; nothing else may lie in the class folder."""
    assert not folder.exists() or {path.name for path in folder.iterdir()} <= {"submitted"}
    files = {name: content for name, (kind, content) in tree(folder / "submitted").items() if kind == stat.S_IFREG}
    assert not any(name.startswith(".") for path in files for name in path.split("/"))
    return {name: content.decode(errors="replace") for name, content in files.items()}


@pytest.fixture
def folder(tmp_path):
    """A class folder; whatever is done, nothing beside it changes."""
    (tmp_path / "zips").mkdir()
    (tmp_path / "beside.txt").write_text("x")
    folder = tmp_path / "class"
    folder.mkdir()
    yield folder
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"zips", "beside.txt", "class"} and (tmp_path / "beside.txt").read_text() == "x"
    assert all(path.suffix == ".zip" for path in (tmp_path / "zips").iterdir())


@pytest.fixture
def zipped(tmp_path, folder):
    """Writes a zip of members, or of bytes."""

    def write(members, name="class.zip"):
        path = tmp_path / "zips" / name
        if isinstance(members, bytes):
            path.write_bytes(members)
            return path
        return pack(path, members)

    return write


def one(student, content="1", name=FILE):
    return {f"{student}/{LESSON}/{name}": content}


# --- layouts ----------------------------------------------------------------------------------------------------------

ANN, BEN = f"ann/{LESSON}/", f"ben/{LESSON}/"
MOODLE = {
    f"Ann Lee_12_assignsubmission_file_/{FILE}": "1",
    "Ann Lee_12_assignsubmission_file_/data.csv": "2",
    "Ann Lee_12_assignsubmission_onlinetext_/onlinetext.html": "3",
    f"Zoë O'Neil-Li_13_assignsubmission_file_{FILE}": "4",
    "Cem_x_14_assignsubmission_onlinetext_onlinetext.html": "5",
}
OF_MOODLE = {
    f"Ann Lee/{LESSON}/{FILE}": "1",
    f"Ann Lee/{LESSON}/data.csv": "2",
    f"Zoë O'Neil-Li/{LESSON}/{FILE}": "4",
}
INNER = packed({"work/x.ipynb": "1", "work/data/d.csv": "2", "work/.DS_Store": "3"})
OF_INNER = {ANN + "x.ipynb": "1", ANN + "data/d.csv": "2"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (MOODLE, OF_MOODLE),
        ({f"Course-Toy-99/{name}": content for name, content in MOODLE.items()}, OF_MOODLE),
        ({f"Participant_{n}_assignsubmission_file_/{FILE}": str(n) for n in (1, 2)},
         {f"Participant_{n}/{LESSON}/{FILE}": str(n) for n in (1, 2)}),
        ({f"leeann_123_456_{FILE}": "1", "obenb_LATE_7_8_x-2.ipynb": "2"},
         {f"leeann/{LESSON}/{FILE}": "1", f"obenb/{LESSON}/x.ipynb": "2"}),
        ({"ann/x.ipynb": "1", "ben/y.ipynb": "2"}, {ANN + "x.ipynb": "1", BEN + "y.ipynb": "2"}),
        ({"export/ann/x.ipynb": "1", "export/ben/y.ipynb": "2"}, {ANN + "x.ipynb": "1", BEN + "y.ipynb": "2"}),
        ({f"ann/{LESSON}/{FILE}": "1", "ann/02_other/02_other.ipynb": "2", "ben/02_other/02_other.ipynb": "3"},
         {ANN + FILE: "1"}),
        ({f"submitted/ann/{LESSON}/{FILE}": "1", f"submitted/ann/{LESSON}/timestamp.txt": "2025-01-01"},
         {ANN + FILE: "1", ANN + "timestamp.txt": "2025-01-01"}),
        ({"ann/x.ipynb": "1", "ann/timestamp.txt": "2025-01-01"}, {ANN + "x.ipynb": "1"}),
        ({f"cls/submitted/ann/{LESSON}/{FILE}": "1"}, {ANN + FILE: "1"}),
        ({f"ann/{LESSON}/{FILE}": "1"}, {ANN + FILE: "1"}),
        ({"ann/x.ipynb": "1", "ann/d.csv": "2"}, {ANN + "x.ipynb": "1", ANN + "d.csv": "2"}),
        ({"ann.ipynb": "1", f"ben_{LESSON}.ipynb": "2"}, {ANN + FILE: "1", BEN + FILE: "2"}),
        ({"x/ann.ipynb": "1", "x/ben.ipynb": "2"}, {ANN + FILE: "1", BEN + FILE: "2"}),
        ({f"{LESSON}/ann.ipynb": "1", f"{LESSON}/ben.ipynb": "2"}, {ANN + FILE: "1", BEN + FILE: "2"}),
        ({f"ann_2025_{LESSON}.ipynb": "1"}, {f"ann_2025/{LESSON}/{FILE}": "1"}),
        ({f"ann_{LESSON}.zip": INNER}, OF_INNER),
        ({"ann/work.zip": INNER}, OF_INNER),
        ({"ann_1_assignsubmission_file_/work.zip": INNER}, OF_INNER),
        ({"ann_1_assignsubmission_file_work.zip": INNER}, OF_INNER),
        ({"ann_1_2_work-1.zip": INNER, "ann_1_1_work.zip": packed({"old.ipynb": "0"})}, OF_INNER),
        ({"ann\\x.ipynb": "1", "ben\\y.ipynb": "2"}, {ANN + "x.ipynb": "1", BEN + "y.ipynb": "2"}),
        ({"__MACOSX/ann/._x.ipynb": "0", ".DS_Store": "0", "ann/x.ipynb": "1", "ann/.ipynb_checkpoints/x.ipynb": "0"},
         {ANN + "x.ipynb": "1"}),
        ({"ann/": "", "ann/deep/down/x.ipynb": "1", "ann/deep/down/d.csv": "2", "ben/y.ipynb": "3"},
         {ANN + "x.ipynb": "1", ANN + "d.csv": "2", BEN + "y.ipynb": "3"}),
    ],
)  # fmt: skip
def test_layouts(folder, zipped, members, expected):
    rows = collect(LESSON, [zipped(members)], folder)
    assert handed_in(folder) == expected
    assert {row.state for row in rows} == {NEW}
    assert [row.student for row in rows] == sorted({name.split("/")[0] for name in expected})
    assert sum(len(row.files) for row in rows) == len(expected)


def test_the_last_upload_to_canvas_counts_and_late_is_noted(folder, zipped):
    members = {f"leeann_9_20_{LESSON}.ipynb": "1", f"leeann_LATE_9_100_{LESSON}-2.ipynb": "3",
               f"leeann_9_30_{LESSON}-1.ipynb": "2"}  # fmt: skip
    (row,) = collect(LESSON, [zipped(members)], folder)
    assert handed_in(folder) == {f"leeann/{LESSON}/{FILE}": "3"}
    assert row.notes == ["handed in late", f"{FILE}: the last of 3 was taken"]


def test_two_zips_are_one_class(folder, zipped):
    first, second = zipped(one("ann"), "1.zip"), zipped(one("ben") | one("ann", "2", "data.csv"), "2.zip")
    collect(LESSON, [first, second], folder)
    assert handed_in(folder) == {ANN + FILE: "1", ANN + "data.csv": "2", BEN + FILE: "1"}


def test_the_class_folder_is_made_if_missing(folder, zipped):
    folder.rmdir()
    collect(LESSON, [zipped(one("ann"))], folder)
    assert handed_in(folder) == {ANN + FILE: "1"}


@pytest.mark.parametrize(
    ("name", "becomes"),
    [("Zoe\u0308", "Zoë"), ("名前 🎓", "名前 🎓"), ("a[1]{2}*?", "a_1__2___"), ('a:"<>|', "a_____"), ("..", "__"),
     (".ann", "_ann"), ("ann. ", "ann__"), ("a\x00b\x1b\u202e\u200f", "a_b___"), ("", "_"), ("CON", "_CON"),
     ("O'Brien; drop table", "O'Brien; drop table"), ("ü" * 200, "ü" * 75), ("n" * 300 + ".csv", "n" * 150 + ".csv")],
)  # fmt: skip
def test_names_fit_every_system(name, becomes):
    assert safe_name(name) == becomes == safe_name(becomes)


def test_names_of_students_in_zips(folder, zipped):
    names = ["Zoe\u0308", "名前 🎓", "a[1]*", "O'Brien; drop table", "<img src=x onerror=evil()>"]
    rows = collect(LESSON, [zipped({f"{name}/x.ipynb": "1" for name in names})], folder)
    assert {row.student for row in rows} == {safe_name(name) for name in names}
    assert {unicodedata.normalize("NFC", path.name) for path in (folder / "submitted").iterdir()} == {
        row.student for row in rows
    }


@pytest.mark.parametrize(
    ("one_name", "other"),
    [("ann", "Ann"), ("Zoe\u0308", "Zoë"), ("a*", "a?"),
     ("Ann Lee_1_assignsubmission_file_", "Ann Lee_2_assignsubmission_file_")],
)  # fmt: skip
def test_students_who_would_share_a_folder_are_refused_and_named(folder, zipped, one_name, other):
    rows = collect(LESSON, [zipped({f"{one_name}/x.ipynb": "1", f"{other}/x.ipynb": "2", "ben/x.ipynb": "3"})], folder)
    assert handed_in(folder) == {BEN + "x.ipynb": "3"}
    refused = [row for row in rows if row.state == REFUSED]
    assert len(refused) == 2 and all(" and " in row.notes[0] for row in refused)
    if "_1_" in one_name:
        assert "Ann Lee (1) and Ann Lee (2)" in refused[0].notes[0]


def test_a_folder_that_is_there_under_a_like_name_is_not_shared(folder, zipped):
    collect(LESSON, [zipped(one("Ann"))], folder)
    (row,) = collect(LESSON, [zipped(one("ann"))], folder)
    assert row.state == (UNCHANGED if (folder / "submitted" / "aNN").exists() else REFUSED)


# --- again ------------------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(folder, zipped):
    path = zipped(MOODLE)
    collect(LESSON, [path], folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*/*")}
    for options in ({}, {"replace": True}):
        assert {row.state for row in collect(LESSON, [path], folder, **options)} == {UNCHANGED}
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*/*")}


def test_another_submission_is_kept_unless_told_to_replace_it(folder, zipped):
    collect(LESSON, [zipped(one("ann") | one("ann", "old", "old.csv"))], folder)
    (folder / "submitted" / "ann" / "02_other").mkdir()
    path = zipped(one("ann", "2") | one("ben"))
    ann, ben = collect(LESSON, [path], folder)
    assert (ann.state, ben.state) == (KEPT, NEW) and "--replace" in ann.notes[0]
    assert handed_in(folder)[ANN + FILE] == "1"
    ann, ben = collect(LESSON, [path], folder, replace=True)
    assert (ann.state, ben.state) == (REPLACED, UNCHANGED)
    assert handed_in(folder) == {ANN + FILE: "2", BEN + FILE: "1"}
    assert (folder / "submitted" / "ann" / "02_other").is_dir()


def test_a_dry_run_says_the_same_and_writes_nothing(folder, zipped):
    collect(LESSON, [zipped(one("ann"))], folder)
    path = zipped(one("ann", "2") | one("ben"))
    before = tree(folder)
    said = [row.state for row in collect(LESSON, [path], folder, replace=True, dry_run=True)]
    assert tree(folder) == before
    assert said == [row.state for row in collect(LESSON, [path], folder, replace=True)] == [REPLACED, NEW]


def test_links_in_the_class_folder_are_not_followed(folder, zipped):
    (folder / "submitted").mkdir()
    (folder / "submitted" / "ann").symlink_to(folder.parent / "zips")
    (row,) = collect(LESSON, [zipped(one("ann"))], folder, replace=True)
    assert row.state == REFUSED and "link" in row.notes[0]


class Interrupt:
    """Ctrl-C at the nth line that `intake` runs."""

    def __init__(self, number):
        self.left = number

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename != intake.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def test_an_interrupt_at_any_line_leaves_no_half_student(folder, zipped):
    old, new = (
        zipped(one("ann") | one("ann", "1", "d.csv"), "1.zip"),
        zipped(one("ann", "2") | one("ann", "2", "d.csv") | one("ben", "2") | one("ben", "2", "d.csv"), "2.zip"),
    )
    number, done = 0, False
    while not done:
        number += 7
        collect(LESSON, [old], folder, replace=True)
        before = sys.gettrace()
        sys.settrace(Interrupt(number))
        try:
            collect(LESSON, [new], folder, replace=True)
            done = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        found = handed_in(folder)
        assert found[ANN + FILE] == found[ANN + "d.csv"] and found.get(BEN + FILE) == found.get(BEN + "d.csv")
    assert number > 100
    assert set(found.values()) == {"2"} and len(found) == 4


# --- attacks ----------------------------------------------------------------------------------------------------------


def stop(folder, path, says):
    """Collecting stops with one error that names the zip, and nothing is written."""
    before = tree(folder)
    with pytest.raises(CourseError) as error:
        collect(LESSON, [path], folder)
    message = str(error.value)
    assert says in message and path.name in message and message.isprintable()
    assert tree(folder) == before


@pytest.mark.parametrize(
    "name", ["../evil.ipynb", "ann/../../evil.ipynb", "/evil.ipynb", "\\evil.ipynb", "ann\\..\\..\\evil.ipynb",
             "C:\\evil.ipynb", "c:evil.ipynb", "//host/share/x.ipynb", "\\\\host\\share\\x.ipynb", "ann/..\\x.ipynb"],
)  # fmt: skip
def test_no_path_leads_out(folder, zipped, name):
    stop(folder, zipped(one("ben") | {name: "1"}), "leads out")
    inner = packed({name: "1"})
    rows = collect(LESSON, [zipped(one("ben") | {"ann/x.zip": inner})], folder)
    assert [row.state for row in rows] == [REFUSED, NEW] and "leads out" in rows[0].notes[0]
    assert handed_in(folder) == {BEN + FILE: "1"}


def special(name, kind):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_left_out(folder, zipped, kind):
    members = [(special("ann/passwd.ipynb", kind), "/etc/passwd"), ("ann/x.ipynb", "1"),
               (special("ben/x.ipynb", kind), "../../../beside.txt"), ("cem/x.ipynb", "1")]  # fmt: skip
    ann, ben, _ = collect(LESSON, [zipped(members)], folder)
    assert handed_in(folder) == {ANN + "x.ipynb": "1", f"cem/{LESSON}/x.ipynb": "1"}
    assert ann.notes == ["passwd.ipynb is a link or a device; left out"] and ben.state == REFUSED


def test_a_file_under_a_link_of_the_zip_lands_in_no_other_folder(folder, zipped):
    members = [("ben/x.ipynb", "1"), (special("ann/up", stat.S_IFLNK), "../../.."), ("ann/up/beside.txt", "evil")]
    collect(LESSON, [zipped(members)], folder)
    assert handed_in(folder)[ANN + "up/beside.txt"] == "evil"


def lying(size):
    """A zip whose header says that a member has another size."""
    data = bytearray(packed({"ann/x.ipynb": bytes(12_000_000)}))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 24, size)
    return bytes(data)


def overlapping(count=50):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("ann/x.ipynb", NOISE)
        archive.filelist += [copy.copy(archive.filelist[0]) for _ in range(count)]
    return out.getvalue()


def encrypted():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("ann/x.ipynb", NOISE)
        archive.filelist[0].flag_bits |= 1
    return out.getvalue()


def flipped():
    data = bytearray(packed({"ann/x.ipynb": NOISE}))
    data[20_000] ^= 255
    return bytes(data)


def rare():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ann/x.ipynb", NOISE)
    return out.getvalue()


BAD = {
    "bomb": (lambda: packed({f"ann/{n}.ipynb": bytes(6_000_000) for n in range(2)}), "unpacks to more than 10 MB"),
    "lying about its size": (lambda: lying(100), "is damaged"),
    "overlapping": (overlapping, "overlap"),
    "encrypted": (encrypted, "is encrypted"),
    "rare": (rare, "rare method"),
    "flipped": (flipped, "is damaged"),
    "cut off": (lambda: packed({"ann/x.ipynb": NOISE})[:30_000], "is damaged or no zip"),
    "empty": (lambda: b"", "is damaged or no zip"),
    "text": (lambda: b"hello", "is damaged or no zip"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_zips(folder, zipped, name):
    make, says = BAD[name]
    stop(folder, zipped(make()), says)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_zip_of_one_student_costs_the_others_nothing(folder, zipped, name):
    make, says = BAD[name]
    rows = collect(LESSON, [zipped(one("ben") | {"ann/x.zip": make()})], folder)
    assert [row.state for row in rows] == [REFUSED, NEW] and says in rows[0].notes[0]
    assert handed_in(folder) == {BEN + FILE: "1"}


def test_a_missing_zip_and_one_without_submissions(folder, zipped):
    stop(folder, folder.parent / "zips" / "no.zip", "cannot be opened")
    for members in ({}, {"readme.txt": "1"}, {FILE: "1"}):
        stop(folder, zipped(members), "No submission was found")


def test_a_zip_of_too_many_files(folder, zipped):
    stop(folder, zipped({f"ann/{number}": "" for number in range(20_001)}), "more than 20000 files")


def test_a_zip_in_a_zip_in_a_zip_is_left_out(folder, zipped):
    inner = packed({"x.ipynb": "1", "more.zip": packed({"y.ipynb": "2"})})
    (row,) = collect(LESSON, [zipped({"ann.zip": inner})], folder)
    assert handed_in(folder) == {ANN + "x.ipynb": "1"} and "more.zip is a zip in a zip" in row.notes[0]


def test_too_large_and_too_many_files_are_left_out(folder, zipped):
    members = {"ann/big.csv": bytes(21_000_000), "ann/x.ipynb": "1", "ann/" + "d/" * 12 + "deep.csv": "1"}
    members |= {f"ann/{number:03}.csv": "1" for number in range(200)}
    members |= {"ben/x.ipynb": bytes(21_000_000), "cem/x.txt": "1"}
    ann, ben, cem = collect(LESSON, [zipped(members)], folder)
    assert len(ann.files) == 101 and ann.files[0] == "x.ipynb"
    assert "files more were left out" in ann.notes[-1]
    assert ben.state == REFUSED and "x.ipynb is larger than 20 MB; left out" in ben.notes
    assert cem.state == NEW and cem.notes == ["no notebook"]


def test_a_file_and_a_folder_of_one_name(folder, zipped):
    members = {"ann/a": "1", "ann/a/b": "2", "ann/x.ipynb": "3", "ann/X.ipynb": "4", "ben/x.ipynb": "5"}
    row, _ = collect(LESSON, [zipped(members)], folder)
    assert handed_in(folder) == {ANN + "a": "1", ANN + "X.ipynb": "4", BEN + "x.ipynb": "5"}
    assert "X.ipynb: the last of 2 was taken" in row.notes and "name of another file" in row.notes[-1]


@pytest.mark.parametrize("seed", range(5))
def test_no_change_of_bytes_is_too_odd(folder, zipped, seed):
    chance = random.Random(seed)
    whole = packed({"ann/x.ipynb": "1" * 200, "ben.zip": packed({"x.ipynb": "1"}), "cem/d.csv": NOISE[:300]})
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            collect(LESSON, [zipped(bytes(data))], folder, replace=True)
        except CourseError as error:
            assert "class.zip" in str(error)
        handed_in(folder)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_shows_a_table_and_what_to_do_next(folder, zipped, tmp_path_factory):
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))

    def run(*args):
        process = subprocess.Popen(**command(root, "collect", "01", *args, "--folder", folder))
        out, errors = process.communicate(timeout=60)
        assert "Traceback" not in out + errors
        return process.returncode, out + errors

    path = zipped(one("[red]ann") | one("ben"))
    code, said = run(path, "--dry-run")
    assert code == 0 and "Nothing was written" in said and handed_in(folder) == {}
    code, said = run(path)
    assert code == 0 and "_red_ann" in said and f"course grade {LESSON} --folder" in said
    code, said = run(zipped(one("Ben"), "b.zip"), path)
    assert code == 1 and REFUSED in said and "share" in said
    code, said = run(zipped(encrypted()))
    assert code == 1 and "is encrypted" in said and "What to do:" in said


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_leaves_nothing_half_written(folder, zipped, tmp_path_factory):
    root = write_toy_lesson(tmp_path_factory.mktemp("course"))
    path = zipped({f"s{number}/{n}.ipynb": NOISE * 3 for number in range(150) for n in range(3)})
    process = subprocess.Popen(**command(root, "collect", "01", path, "--folder", folder))
    while process.poll() is None and not any(folder.iterdir()):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in out + errors
    assert all(len([*each.rglob("*.ipynb")]) == 3 for each in (folder / "submitted").glob("*"))
    handed_in(folder)
    collect(LESSON, [path], folder)
    assert len([*folder.rglob("*.ipynb")]) == 450
