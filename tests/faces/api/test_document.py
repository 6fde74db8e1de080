"""docs/api.md names every route with its role, and only those."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.faces.api.own.endpoint import root_routes, routes
from reconciler.faces.api.own.openapi import ROOT
from tests.requirements import requirement

pytestmark = requirement("OPS-1:described")

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
ROW = re.compile(r"^\| `([A-Z]+) (/\S+)` \| (\w+) \|", re.M)


def test_every_route_stands_in_the_document_with_its_role() -> None:
    below = [(ROOT + route.path, route) for route in routes()]
    beside = [(route.path, route) for route in root_routes()]
    real = {
        (method, path, route.least or "none")
        for path, route in below + beside
        for method in (route.methods or set()) - {"HEAD"}
    }
    written = ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert set(written) == real
    assert len(written) == len(real)
