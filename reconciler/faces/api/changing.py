"""How the dialects of other products change the file: through the one door, without waiting for sessions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from starlette.requests import Request

from reconciler.engine.door import NO_SECRETS, Changed, ChangeRefused, change
from reconciler.engine.project import Project
from reconciler.faces.api.access import principal
from reconciler.faces.http.preconditions import expected
from reconciler.faces.http.problems import HttpProblem

PLAN_HEADER = "x-reconciler-plan"
"""Names the plan that a write caused."""

_STATUS = {"not-allowed": 403, "own-setting": 403, "read-only": 403, "stale": 412, "vault": 503, "not-recorded": 503}
"""The status of a refusal by its code; the rest are 409."""


class InvalidChange(HttpProblem):
    """400: the file would have mistakes. `issues` are (path, code, sentence), one for each."""

    def __init__(self, refused: ChangeRefused, hide: Callable[[str], str]) -> None:
        super().__init__(400, "invalid", hide(str(refused)))
        self.issues = [(problem.path or (), problem.code, hide(problem.detail)) for problem in refused.problems]


async def change_file(
    request: Request,
    project: Project,
    patch: Mapping[str, Any],
    *,
    fresh: Collection[str] = (),
    secrets: Mapping[str, str] = NO_SECRETS,
    further: bool = False,
) -> Changed:
    """Write a merge patch in the name of whoever asks, of the version that their If-Match names where it names one;
    a `further` write of the same request goes on from the first.

    `fresh` are servers that must not be there yet, `secrets` values that come along, by name. Raises HttpProblem where
    the file stays as it is.
    """
    who, if_match = principal(request), None if further else expected(request, (await project.read()).etag)
    try:
        return await change(project, patch, if_match=if_match, principal=who, wait=0, fresh=fresh, secrets=secrets)
    except ChangeRefused as refused:
        if refused.problems:
            raise InvalidChange(refused, project.environment.hide) from refused
        message = project.environment.hide(str(refused))
        more = {} if refused.patch is None else {"patch": refused.patch}
        raise HttpProblem(_STATUS.get(refused.code, 409), refused.code, message, **more) from refused


def by_hand(problem: HttpProblem) -> dict[str, Any]:
    """The member of an answer that holds the patch to be made by hand, where the file may not be written from here."""
    return {"patch": problem.body["patch"]} if "patch" in problem.body else {}
