"""Where one goes back to from something that did not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.faces.page.test_server import applied
from tests.faces.page.visiting import visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:back")]

BACK = {
    "/ui/servers/one/nothing": "/ui/servers/one",
    "/ui/servers/one/merge/x": "/ui/servers/one",
    "/ui/servers/two/merge/x": "/ui/",
    "/ui/servers/none/edit": "/ui/",
    "/ui/servers/none": "/ui/",
    "/ui/plan/back/99": "/ui/plan",
    "/ui/import/x": "/ui/import",
    "/ui/export/x/y": "/ui/export",
    "/ui/changes/x": "/ui/",
    "/ui/tests/x": "/ui/",
    "/ui/new/": "/ui/",
    "/ui//evil.example/x": "/ui/",
    "/p/nobody/ui/plan/back/9": "/ui/",
    "/p/nobody/ui": "/ui/",
    "/p/other/ui/servers/one/merge/x": "/p/other/ui/",
    "/p/other/ui/plan/back/99": "/p/other/ui/plan",
    "/p/other/ui/nothing?back=//evil.example/": "/p/other/ui/",
}


async def test_what_did_not_work_leads_back_to_where_it_was(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}, "other") as engine, visiting(engine.host) as visitor:
        await applied(engine)
        found = {}
        for path in BACK:
            answer = await visitor.client.get(path, headers={"referer": "http://evil.example/"})
            assert answer.status_code in (404, 409), path
            found[path] = answer.text.partition('id="back" href="')[2].partition('"')[0]
        assert found == BACK
        for back in {*found.values()}:
            assert (await visitor.client.get(back)).status_code == 200, back


async def test_what_is_sent_and_refused_leads_back_too(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        for path, back, name in (
            ("servers/one/restart", "/ui/servers/one", "one"),
            ("plan/approve", "/ui/plan", "the plan"),
            ("switch", "/ui/", "the connections"),
        ):
            page = await visitor.send(path, form_token="old")
            assert (page.status, page.one(id="back").attributes["href"]) == (403, back)
            assert page.one(id="back").text == f"Back to {name}"
        shown = await visitor.client.get("/ui/plan/x", headers={"sec-fetch-site": "cross-site"})
        assert (shown.status_code, 'href="/ui/plan"' in shown.text) == (403, True)
