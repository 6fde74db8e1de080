"""One request of a client, from its visible name to the raw result: through the gate, to whoever has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    REFUSED_KEY,
    TIMED_OUT,
    UNAVAILABLE,
)
from reconciler.faces.gateway.result_tool import RESULT_TOOL_NAME
from reconciler.faces.gateway.rewrite import rewrite
from reconciler.faces.gateway.scope import Scope, Target
from reconciler.faces.gateway.surface import Surface
from reconciler.gate.gate import Principal, Refused
from reconciler.sessions.hub import NotLive
from reconciler.sessions.session import Caller, DeadlineExceeded, Progress, RpcError, SessionError

_UNKNOWN = frozenset({"unknown-server", "tool-not-offered"})


@dataclass(frozen=True, slots=True)
class Job:
    """A request that a server is to answer. `params` are the client's, with visible names."""

    scope: Scope
    surface: Surface
    principal: Principal
    method: str
    params: Mapping[str, Any]
    caller: Caller
    on_progress: Progress | None = None


async def carry_out(job: Job) -> dict[str, Any]:
    """The raw result. A call that the gate refuses is a result that says why; raises RpcError for everything else."""
    try:
        return await (_call(job) if job.method == "tools/call" else _forward(job))
    except Refused as refused:
        if job.method == "tools/call" and refused.code not in _UNKNOWN:
            return refusal(refused.code, _shown(job.scope, refused))
        raise as_fault(job.scope, refused) from refused
    except (NotLive, SessionError) as failed:
        raise as_fault(job.scope, failed) from failed


def as_fault(scope: Scope, error: Refused | NotLive | SessionError) -> RpcError:
    """What went wrong below, as an error for the client; `data.reason` is a code."""
    match error:
        case Refused():
            return fault(INVALID_PARAMS, _shown(scope, error), reason=error.code)
        case NotLive():
            return fault(UNAVAILABLE, _shown(scope, error), reason="not-live")
        case DeadlineExceeded():
            return fault(TIMED_OUT, _shown(scope, error), reason=error.code)
        case SessionError():
            return fault(UNAVAILABLE, _shown(scope, error), reason=error.code)
        case never:
            assert_never(never)


def refusal(code: str, sentence: str) -> dict[str, Any]:
    """What an agent reads instead of a result."""
    return {"content": [{"type": "text", "text": sentence}], "isError": True, "_meta": {REFUSED_KEY: {"code": code}}}


def target_of(job_method: str, params: Mapping[str, Any], surface: Surface) -> Target:
    """Whose tool, prompt or resource it is. Raises RpcError for wrong params and for what is not listed."""
    if job_method == "resources/read":
        uri = params.get("uri")
        found = surface.resource(uri) if isinstance(uri, str) else None
        if found is None:
            raise fault(INVALID_PARAMS, "Resource not found", **({"uri": uri} if isinstance(uri, str) else {}))
        return found
    name = params.get("name")
    if not isinstance(name, str):
        raise fault(INVALID_PARAMS, f'Invalid params: {job_method} needs a "name"')
    found = surface.tool(name) if job_method == "tools/call" else surface.prompt(name)
    if found is None:
        kind = "tool" if job_method == "tools/call" else "prompt"
        raise fault(INVALID_PARAMS, f"Unknown {kind}: {name}")
    return found


def arguments_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call. Raises RpcError."""
    arguments = params.get("arguments")
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise fault(INVALID_PARAMS, "Invalid params: arguments must be an object")
    return arguments


async def _call(job: Job) -> dict[str, Any]:
    gate, params = job.scope.project.gate, job.params
    arguments = arguments_of(params)
    if params.get("name") == RESULT_TOOL_NAME and _has_result_tool(job.surface):
        number = str(arguments.get("id"))
        return await gate.result(job.principal, number, on_progress=job.on_progress, caller=job.caller)
    target = target_of("tools/call", params, job.surface)
    extra = {key: value for key, value in params.items() if key not in ("name", "arguments")}
    result = await gate.call(
        job.principal,
        target.server,
        target.name,
        arguments,
        on_progress=job.on_progress,
        caller=job.caller,
        extra=extra,
    )
    return rewrite(job.scope, target.server, result)


def _has_result_tool(surface: Surface) -> bool:
    return bool(surface.tools) and surface.tools[-1]["name"] == RESULT_TOOL_NAME


async def _forward(job: Job) -> dict[str, Any]:
    target, params = _translated(job)
    result = await job.scope.project.gate.ask(
        job.principal, target.server, job.method, params, on_progress=job.on_progress, caller=job.caller
    )
    return rewrite(job.scope, target.server, result)


def _translated(job: Job) -> tuple[Target, Mapping[str, Any]]:
    """Who is asked, and the params in that server's own words."""
    params = job.params
    match job.method:
        case "completion/complete":
            ref = params.get("ref")
            found = job.surface.completion(ref) if isinstance(ref, dict) else None
            if found is None:
                raise fault(INVALID_PARAMS, "Invalid params: there is nothing of that reference to complete")
            return found[0], {**params, "ref": found[1]}
        case "prompts/get":
            target = target_of(job.method, params, job.surface)
            return target, {**params, "name": target.name}
        case "resources/read":
            target = target_of(job.method, params, job.surface)
            return target, {**params, "uri": target.name}
        case _:
            raise fault(METHOD_NOT_FOUND, f"Method not found: {job.method}")


def _shown(scope: Scope, error: Exception) -> str:
    return scope.project.environment.hide(str(error))
