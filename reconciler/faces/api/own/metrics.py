"""`/metrics`: the numbers of a project, in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, get_args

from starlette.requests import Request
from starlette.responses import Response

from reconciler import __version__
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import Says
from reconciler.faces.api.hosted import project_of
from reconciler.model.observed import Status
from reconciler.problems import errors

_KIND = "text/plain; version=0.0.4; charset=utf-8"
_METRICS = Says(
    "The numbers of the project, for Prometheus",
    media={"text/plain": None},
    more="The first project by name; `/p/<project>/metrics` has those of another. No name in it comes from a server.",
)


class Metric(NamedTuple):
    """One metric with its samples: labels and a value each."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]


def routes() -> list[RoleRoute]:
    """The one route, with the role that it needs; it stands at the root, and below a project."""
    return [RoleRoute("/metrics", get_metrics, "viewer", says=_METRICS)]


async def get_metrics(request: Request) -> Response:
    text = "".join(line + "\n" for metric in _metrics(project_of(request)) for line in _lines(metric))
    return Response(text, media_type=_KIND)


def _metrics(project: Project) -> Iterator[Metric]:
    of = {"project": project.name}
    servers = sorted(project.ledger.document.servers)
    words = Counter(project.status_of(server)[0] for server in servers)
    workers = {server: project.worker(server) for server in servers}
    restarts = {server: worker.life.restarts if worker else 0 for server, worker in workers.items()}
    ready = {server: project.serving(server) is not None for server in servers}
    gate = project.gate
    yield Metric("reconciler_info", "gauge", "The version that runs.", [({"version": __version__}, 1)])
    states = [({**of, "status": status}, words[status]) for status in get_args(Status)]
    yield Metric("reconciler_servers", "gauge", "Servers by status.", states)
    live = [({**of, "server": server}, ready[server]) for server in servers]
    yield Metric("reconciler_server_ready", "gauge", "Whether a session serves.", live)
    begun = [({**of, "server": server}, restarts[server]) for server in servers]
    yield Metric("reconciler_server_restarts_total", "counter", "Sessions that had to be opened anew.", begun)
    calls = [({**of, "asked": "no"}, gate.free), ({**of, "asked": "yes"}, gate.asked)]
    yield Metric("reconciler_calls_total", "counter", "Tool calls, by whether a person was asked.", calls)
    yield Metric("reconciler_calls_waiting", "gauge", "Calls that wait for a person.", [(of, gate.approvals.waiting)])
    waiting = [(of, len(project.waiting.all))]
    yield Metric("reconciler_actions_waiting", "gauge", "Changes of servers that wait for a yes.", waiting)
    valid = not errors(project.followed.problems)
    yield Metric("reconciler_files_valid", "gauge", "Whether the files have no errors.", [(of, valid)])
    serial = [(of, project.ledger.accepted.serial)]
    yield Metric("reconciler_applied_serial", "gauge", "The serial of what was last applied.", serial)


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in metric.samples:
        named = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{metric.name}{{{named}}} {int(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
