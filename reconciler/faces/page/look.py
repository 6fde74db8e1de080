"""How the page looks: templates made HTML. Every text is somebody's, and is escaped; what cannot be seen is written
out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from reconciler import __version__
from reconciler.config.visible import visible
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.back import Back

HERE = Path(__file__).parent
HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types page",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Nothing but our own style and script, and nobody frames us or reads along. `same-origin`, since forms that are sent
without any referrer come with the origin `null`."""


def markup(template: str, **values: Any) -> Markup:
    """One template as HTML."""
    return Markup(_environment.get_template(template).render(values))


def answer(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """HTML as an answer that no browser keeps."""
    return HTMLResponse(html, status, {**HEADERS, **(headers or {})})


def problem_page(problem: HttpProblem, path: str, back: Back, typed: Sequence[tuple[str, str]] = ()) -> Response:
    """What went wrong at `path`, and the way back; the way in where somebody is not in yet, with what was `typed`."""
    template = "outside.html" if problem.status == 401 else "problem.html"
    more = {key: value for key, value in problem.body.items() if key != "error"}
    return answer(
        markup(template, problem=problem, more=more, path=path, back=back, typed=typed), problem.status, problem.headers
    )


def _shown(value: Any) -> Any:
    """What an expression of a template becomes; HTML of ours stays as it is."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) else visible(str(value))


def _lines(text: str) -> Markup:
    """A text of several lines, to be shown in a `pre`."""
    return Markup("\n").join(escape(visible(line)) for line in text.replace("\r\n", "\n").split("\n"))


def _exact(text: str | None) -> Markup:
    """A text that comes back with a form, character by character."""
    return escape(text or "")


_environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_shown,
)
_environment.filters.update(lines=_lines, exact=_exact)
_environment.globals.update(version=__version__)
