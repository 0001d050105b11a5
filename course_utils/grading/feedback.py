"""Feedback pages: points, what to revisit and the student's answers; no hidden test, traceback or script."""

import contextlib
import functools
import re
from concurrent.futures import Executor
from glob import escape as glob_escape
from itertools import chain
from pathlib import Path

import nbformat
from markupsafe import Markup, escape
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from traitlets import Unicode, default

from course_utils.authoring.lessons import SECRET_LENGTH, Exercise, exercises, grade_id, has_tag, is_graded
from course_utils.grading.classroom import convert, log_to_file, nbgrader_config, release_path, students_of
from course_utils.grading.gradebook import engine_kept
from course_utils.grading.report import (
    KINDS,
    NOT_ATTEMPTED,
    SKIPPED,
    UNFINISHED,
    error_text,
    findings,
    graded_notebook,
    verdicts_of,
)

MAX_TEXT, MAX_VERDICT = 3000, 600

# Everything a student wrote is escaped on its way into the page, and the policy forbids scripts and outside resources.
TEMPLATE = """{% set page = resources.page %}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Feedback: {{ page.lesson | e }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'">
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.total { font-size: 1.2rem; margin: 0 0 1.5rem; } .quiet { color: #57606a; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .35rem .7rem; text-align: left;
  border-bottom: 1px solid #d0d7de; } td.n, th.n { text-align: right; white-space: nowrap; }
.box { background: #fff8e6; border-left: 4px solid #b35900; padding: .7rem 1.2rem; margin: 1.5rem 0; }
.box h2 { margin: 0 0 .4rem; } .box li { margin: .4rem 0; } .flags { background: #eef3f8; border-color: #0969da; }
.id { color: #57606a; font-size: .82rem; }
pre { background: #f6f8fa; padding: .6rem .8rem; margin: .3rem 0; overflow-x: auto; font-size: .86rem; line-height: 1.4;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.label { font-size: .85rem; color: #57606a; margin-top: 1rem; } .said { border-left: 4px solid #b35900; margin: .3rem 0;
  padding: .2rem .8rem; } .fine { border-color: #1a7f37; } .output { background: none; border: 1px solid #d0d7de; }
img { max-width: 100%; } details summary { cursor: pointer; color: #57606a; font-size: .85rem; margin-top: 1rem; }
{{ page.code_style }}
</style></head><body>
<h1>{{ page.title | e }}</h1>
<p class="total">{{ page.student | e }}: <strong>{{ "%g" % page.score }}</strong> of {{ "%g" % page.most }} points</p>
{% if page.flags %}<div class="box flags"><h2>About your file</h2><ul>
{% for flag in page.flags %}<li>{{ flag | inline }}</li>{% endfor %}</ul></div>{% endif %}
<table><tr><th>Exercise</th><th>Result</th><th class="n">Points</th></tr>
{% for x in page.exercises %}<tr><td><a href="#{{ x.name | e }}">{{ x.title | inline }}</a></td><td>{{ x.state }}</td>
<td class="n">{{ "%g" % x.points }} / {{ "%g" % x.most }}</td></tr>{% endfor %}</table>
{% if page.revisit %}<div class="box"><h2>What to revisit</h2><ul>
{% for x in page.revisit %}{% for f in x.findings if f.kind != "not run" %}
<li><a href="#{{ x.name | e }}"><code>{{ x.name | e }}</code></a>:
{{ f.message | inline }}{% if f.id %} <span class="id">{{ f.id | e }}</span>{% endif %}</li>{% endfor %}{% endfor %}
</ul></div>{% endif %}
{% for x in page.exercises %}<h2 id="{{ x.name | e }}">{{ x.title | inline }}
<span class="quiet">{{ "%g" % x.points }} / {{ "%g" % x.most }}</span></h2>
{% for cell in x.cells %}{% if cell.folded %}<details><summary>{{ cell.label | e }}</summary>{% else %}
<div class="label">{{ cell.label | e }}</div>{% endif %}
{% if cell.source %}{{ cell.source | highlight_code }}{% endif %}
{% if cell.folded %}</details>{% endif %}
{% for kind, content in cell.outputs %}
{% if kind == "image" %}<img src="data:image/png;base64,{{ content | e }}" alt="Output of this cell">
{% elif kind == "text" %}<pre class="output">{{ content | e }}</pre>
{% else %}<div class="said {{ kind }}">{{ content | inline }}</div>{% endif %}{% endfor %}
{% if cell.comment %}<div class="said">From your grader: {{ cell.comment | inline }}</div>{% endif %}
{% endfor %}{% endfor %}
<p class="quiet">The lesson's text, experiments and hidden tests are not part of this page.</p>
</body></html>
"""


class FeedbackExporter(TemplateExporter):
    """nbconvert's exporter with the template above. Its HTML exporter would parse each page once more, for nothing."""

    raw_template = Unicode(TEMPLATE)
    template_name = Unicode("base")
    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension_default(self):
        return ".html"

    def default_filters(self):
        yield from super().default_filters()
        yield "inline", _inline
        yield "highlight_code", _highlighted


@functools.lru_cache(maxsize=1000)  # most answers of a class and all its checks are seen before
def _highlighted(source):
    return Highlight2HTML(pygments_lexer="ipython3")(source)


class FeedbackPage(NbGraderPreprocessor):
    """Puts what the page shows into `resources["page"]`, taking the source of check cells from the release."""

    def preprocess(self, nb, resources):
        lesson, student = resources["nbgrader"]["assignment"], resources["nbgrader"]["student"]
        release = nbformat.read(release_path(Path(self.config.CourseDirectory.root), lesson), as_version=4)
        todo = exercises(release)
        hidden = {grade_id(cell) for exercise in todo for cell in exercise.hidden}
        for cell in nb.cells:
            for output in cell.get("outputs", []) if grade_id(cell) in hidden else ():
                if output.output_type == "error":
                    output.evalue = _discreet(output.ename, output.evalue, cell.source)
        sections = _sections(nb, release, todo, findings(verdicts_of(nb, todo)))
        resources["page"] = {
            "lesson": lesson,
            "student": student,
            "title": next(_headings(release), lesson),
            "score": resources["nbgrader"]["score"],
            "most": resources["nbgrader"]["max_score"],
            "flags": nb.metadata.get("course", {}).get("flags", []),
            "exercises": sections,
            "revisit": [x for x in sections if x["state"] == "to revisit" and x["findings"]],
            "code_style": _code_style(),
        }
        return nb, resources


def feedback(
    lesson: str, course_dir: Path, students: list[str] | None = None, executor: Executor | None = None
) -> dict[str, Path]:
    """Write `feedback/<student>/<lesson>/<lesson>.html` for every graded submission.

    `lesson` is the full name, such as "01_feature_extraction"; `executor` runs what makes the pages, by default this
    process does. Returns the pages by student; who was not graded, or whose page failed, is missing.
    """
    course_dir = Path(course_dir).resolve()
    students = students_of(lesson, course_dir) if students is None else students
    size = 8 if executor else len(students) or 1
    parts = [students[i : i + size] for i in range(0, len(students), size)]
    work = functools.partial(_pages, lesson, course_dir)
    made = chain.from_iterable((executor.map if executor else map)(work, parts))
    return {student: page_path(course_dir, lesson, student) for student in made}


def page_path(course_dir: Path, lesson: str, student: str) -> Path:
    """Where a student's feedback page is."""
    return Path(course_dir) / "feedback" / student / lesson / f"{lesson}.html"


def _pages(lesson, course_dir, students):
    """Make these students' pages; returns those that were made."""
    from nbgrader.converters import GenerateFeedback

    made = []
    with log_to_file(course_dir), engine_kept():
        for student in students:
            if graded_notebook(lesson, course_dir, student) is None:
                continue
            config = nbgrader_config(course_dir, lesson, glob_escape(student))
            config.GenerateFeedback.preprocessors = [GetGrades, FeedbackPage]
            config.GenerateFeedback.exporter_class = FeedbackExporter
            # One student's page that fails must not cost the others theirs; grading.log says why it failed.
            with contextlib.suppress(Exception, SystemExit):
                convert(GenerateFeedback, config)
                made.append(student)
    return made


def _sections(nb, release, todo, found):
    """One dict per exercise: name, title, points, state, findings and the cells to show."""
    known = {cell.id for cell in release.cells} | {"original-setup"}
    originals = {grade_id(cell): cell for cell in release.cells if grade_id(cell)}
    home = {grade_id(c): e.name for e in todo for c in [e.solution, *e.checks, *e.hidden]}
    hidden = {grade_id(c) for e in todo for c in e.hidden}
    titles = _titles(release, todo)
    sections = {
        e.name: {
            "name": e.name,
            "title": titles[e.name],
            "points": 0.0,
            "most": e.points,
            "findings": [f for f in found if f.exercise == e.name],
            "cells": [],
        }
        for e in todo
    }
    current = todo[0].name if todo else None
    for cell in nb.cells:
        name = grade_id(cell)
        current = home.get(name, current)
        own = name is None and cell.id not in known
        failed = any(o.output_type == "error" for o in cell.get("outputs", []))
        if current is None or cell.cell_type != "code" or not (name in home or own or failed):
            continue
        section = sections[current]
        section["points"] += (cell.metadata.get("nbgrader") or {}).get("score") or 0.0 if is_graded(cell) else 0.0
        section["cells"].append(_shown(cell, originals.get(name), name in hidden, own))
    for section in sections.values():
        kinds = {f.kind for f in section["findings"]}
        right = section["points"] == section["most"]
        if right or kinds == {NOT_ATTEMPTED}:
            section["state"] = "right" if right else NOT_ATTEMPTED
        elif SKIPPED in kinds and UNFINISHED not in kinds:
            section["state"] = "not run, left to your grader"
        else:
            section["state"] = "to revisit"
    return list(sections.values())


def _shown(cell, original, hidden, own):
    """What the page shows of a cell: of a hidden check only the verdict, since an answer could print its source."""
    check = original is not None and is_graded(original)
    label = "Hidden checks" if hidden else "Visible checks" if check else "Your own cell" if own else "Your answer"
    outputs = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output.output_type == "error":
            text = output.evalue if check else error_text(output)
            outputs.append(("wrong", re.sub(r"\s*\[[\w.]+\]\s*$", "", text)))
        elif hidden or has_tag(cell, "experiment"):
            continue
        elif output.output_type == "stream":
            outputs.append(("text", _short(output.text)))
        elif re.fullmatch(r"[A-Za-z0-9+/=\s]+", str(data.get("image/png", ""))):
            outputs.append(("image", data["image/png"]))
        elif "text/plain" in data:
            outputs.append(("text", _short(data["text/plain"])))
    if check and not any(kind == "wrong" for kind, _ in outputs):
        outputs = [("fine", "All of these checks passed.")]
    return {
        "label": label,
        "folded": check and not hidden,
        "source": "" if hidden else (original.source if check else cell.source),
        "outputs": outputs,
        "comment": (cell.metadata.get("nbgrader") or {}).get("comment"),
    }


def _titles(release, todo: list[Exercise]):
    """Exercise → the heading it stands under, or its name where two share a heading."""
    under, heading = {}, None
    for cell in release.cells:
        heading = next(reversed(list(_headings(NotebookNode(cells=[cell])))), heading)
        if grade_id(cell) in {e.name for e in todo}:
            under[grade_id(cell)] = heading
    alone = {name for name, head in under.items() if head and list(under.values()).count(head) == 1}
    return {e.name: under[e.name] if e.name in alone else f"`{e.name}`" for e in todo}


def _headings(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from re.findall(r"^#{1,4}\s+(.+?)\s*$", cell.source, flags=re.MULTILINE)


def _inline(text):
    """Escaped text with `code` set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(str(text)))))


def _discreet(ename, said, source):
    """What a hidden check said, unless it is an error that the answer made up: its text could be the check's own."""
    told = re.fullmatch(r"(.*?)\s*(\[[\w.]+\])\s*", said, re.DOTALL)
    lines = {line.strip() for line in source.splitlines() if len(line.strip()) >= SECRET_LENGTH}
    plain = re.sub(r"\s+", " ", said)
    fine = len(said) <= MAX_VERDICT and not any(re.sub(r"\s+", " ", line) in plain for line in lines)
    if ename in KINDS or (told and fine and ".raises_" not in told[2]):
        return said
    return f"Your code stops with an error in these checks. {told[2] if told else ''}".strip()


def _short(text):
    text = text.partition("Traceback (most recent call last)")[0]
    text = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n… ({len(text) - MAX_TEXT} more characters)"


def _code_style():
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(style="default").get_style_defs(".highlight")
