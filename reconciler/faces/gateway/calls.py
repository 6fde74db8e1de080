"""One request of a client, from its visible name to the raw result: through the gate, to whoever has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from reconciler.config.rules_names import SEPARATOR
from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    REFUSED_KEY,
    TIMED_OUT,
    UNAVAILABLE,
)
from reconciler.faces.gateway.rewrite import rewrite
from reconciler.faces.gateway.scope import Scope, Target
from reconciler.faces.gateway.surface import Surface
from reconciler.gate.gate import Principal, Refused
from reconciler.gate.showing import RESULT_TOOL_NAME
from reconciler.sessions.instance import NotLive
from reconciler.sessions.session import Caller, DeadlineExceeded, Progress, RpcError, SessionError

_UNKNOWN = frozenset({"unknown-server", "tool-not-offered"})


class Begun(Protocol):
    """A call that was sent before there was time to look at it whole (`hot.HotCall`)."""

    async def go_on(self, caller: Caller) -> dict[str, Any]:
        """Its raw result, with visible URIs. From now on `caller` is the client."""
        ...


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
    begun: Begun | None = None
    """The same call, where it was sent already."""


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
    except RpcError:
        raise
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler({"message": f"{job.method} failed", "exception": error})
        raise fault(INTERNAL_ERROR, "This is a defect of the reconciler", reason="internal") from error


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


def target_of(job: Job) -> Target:
    """Whose tool, prompt or resource it is. Raises RpcError for wrong params and what is not listed, and Refused."""
    if job.method == "resources/read":
        uri = job.params.get("uri")
        found = job.surface.resource(uri) if isinstance(uri, str) else None
        if found is None:
            raise fault(INVALID_PARAMS, "Resource not found", **({"uri": uri} if isinstance(uri, str) else {}))
        return found
    name = job.params.get("name")
    if not isinstance(name, str):
        raise fault(INVALID_PARAMS, f'Invalid params: {job.method} needs a "name"')
    is_tool = job.method == "tools/call"
    found = job.surface.tool(name) if is_tool else job.surface.prompt(name)
    if found is None:
        _check_kept_back(job, name, is_tool=is_tool)
        raise fault(INVALID_PARAMS, f"Unknown {'tool' if is_tool else 'prompt'}: {name}")
    return found


def _check_kept_back(job: Job, visible: str, *, is_tool: bool) -> None:
    """Raise Refused with the reason for what a server has and clients do not see: while it is paused all of it, else a
    tool that the file or the lock keeps from them."""
    server, _, name = visible.partition(SEPARATOR) if job.scope.server is None else (job.scope.server, "", visible)
    policy = job.scope.project.policy(server) if job.surface.has(server) else None
    if policy is not None and policy.paused is not None:
        raise Refused("paused", policy.paused)
    refusal = policy.verdict(name).refusal if is_tool and policy is not None and name in policy.tools else None
    if refusal is not None:
        raise Refused(*refusal)


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
    if job.begun is not None:
        return await job.begun.go_on(job.caller)
    arguments = arguments_of(params)
    if params.get("name") == RESULT_TOOL_NAME:  # also where it is not listed yet
        number = str(arguments.get("id"))
        return await gate.result(job.principal, number, on_progress=job.on_progress, caller=job.caller)
    target = target_of(job)
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
            target = target_of(job)
            return target, {**params, "name": target.name}
        case "resources/read":
            target = target_of(job)
            return target, {**params, "uri": target.name}
        case _:
            raise fault(METHOD_NOT_FOUND, f"Method not found: {job.method}")


def _shown(scope: Scope, error: Exception) -> str:
    return scope.project.environment.hide(str(error))
