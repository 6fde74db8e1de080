"""The baseline of the HTTP APIs and of the page: routes that know their answer already. `bare_routes.py PORT FOLDER`

Starlette and uvicorn as ours has them. `GET /NAME` and `PATCH /NAME` answer with FOLDER/NAME.json, made JSON anew each
time; the body of a PATCH is read as JSON. `/NAME.html` and what is in `/ui/static/` are sent as they are. There is no
token, no role, no file and no server behind it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


def application(folder: Path) -> Starlette:
    """The answers are read once."""
    answers = {file.stem: json.loads(file.read_bytes()) for file in folder.glob("*.json")}
    pages = {file.stem: file.read_bytes() for file in folder.glob("*.html")}

    async def answer(request: Request) -> JSONResponse:
        if request.method == "PATCH":
            await request.json()
        return JSONResponse(answers[request.path_params["name"]])

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(pages[request.path_params["name"]])

    return Starlette(
        routes=[
            Mount("/ui/static", StaticFiles(directory=folder / "static", check_dir=False)),
            Route("/{name}.html", page),
            Route("/{name}", answer, methods=["GET", "PATCH"]),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
