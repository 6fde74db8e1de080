"""What the product must do, as a list: every row of the product and the behaviours that tests carry.

A test names what it shows with `@requirement("CFG-6:all-problems-at-once")`; several ids may be given, and the same
value goes into a module's `pytestmark`. `tests/test_requirements.py` holds both directions: what is built has a test,
and no test names something that is not here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row (`CFG-1`) or one behaviour of a row (`CFG-1:yaml-declares`).

    `source` says who asks for it; a behaviour has the source of its row. `built` is true once it holds.
    """

    id: str
    source: str
    behaviour: str
    built: bool

    @property
    def row(self) -> str:
        """The id of the row this belongs to; a row's own id for a row."""
        return self.id.partition(":")[0]


_ROWS = {
    "CFG-1": (
        "design card",
        "a YAML file declares servers, groups, enabled flags and approval settings; a plain .mcp.json is valid too",
    ),
    "CFG-2": (
        "config-api seed",
        "command, args, env, url, enabled, name, requireApproval, headers and oauth with the seeds' defaults",
    ),
    "CFG-3": ("all seeds", "transports stdio, HTTP (streamable) and SSE; uplink and mock"),
    "CFG-4": (
        "connections-page and connect-api seeds",
        "description, group, headers, metadata, OAuth and Azure credentials per server",
    ),
    "CFG-5": ("design card", "a JSON Schema in schemas/, used by editors through the modeline"),
    "CFG-6": ("ours", "every mistake is reported at once, with file:line:column, a caret and a suggestion"),
    "PLAN-1": (
        "design card",
        "plan prints the difference as an RFC 7396 merge patch (null removes) and as named actions per server",
    ),
    "PLAN-2": ("seeds", "the plan's patch is exactly a body that PATCH /api/config accepts"),
    "PLAN-3": (
        "ours",
        "saved plans, staleness check, exit codes, JSON and Markdown output, deletion guard, risk classes",
    ),
    "APPLY-1": (
        "design card",
        "apply and a file watcher carry the plan to live MCP sessions; only what changed is touched",
    ),
    "APPLY-2": (
        "ours",
        "the new session is proven before the old one goes; a failed change leaves the old one serving",
    ),
    "APPLY-3": ("ours", "a broken edit never disturbs a live session"),
    "LIVE-1": (
        "all seeds",
        "status per server: connecting, connected, disconnected, error, with the reason, tools, capabilities, "
        "serverInfo, timestamps, authUrl",
    ),
    "LIVE-2": (
        "ours",
        "a session that dies is noticed at once and brought back with backoff; no orphan process, ever",
    ),
    "GATE-1": (
        "ours",
        "one MCP endpoint for all live servers, one per group, one per server; a stdio bridge",
    ),
    "GATE-2": (
        "config-api seed",
        "tool calls that need approval wait for a person; what was approved is what runs, at most once",
    ),
    "GATE-3": ("ours", "reconciler.lock pins tool definitions; a changed tool cannot be called until accepted"),
    "API-1": ("list-servers-api seed", "GET /api/mcp/servers?projectId= with Bearer authentication"),
    "API-2": (
        "connect-api seed",
        "PUT /connect/{namespace}/{connectionId} and its neighbours; the official SDK and CLI work unchanged",
    ),
    "API-3": (
        "config-api seed",
        "GET /api/mcp-servers, PATCH /api/config, authUrl; the product's own typed client works unchanged",
    ),
    "API-4": ("seed", "headers and secrets are stored encrypted and never returned"),
    "PAGE-1": (
        "connections-page seed",
        "the Connections page: list, live health, transport, toggles, new, edit, delete, collapsible groups, "
        "active badge, import, export",
    ),
    "PAGE-2": (
        "connections-page seed",
        "export is an AES-256 encrypted JSON file under a passphrase; import merges; the seed product's own file "
        "is readable too",
    ),
    "AUTH-1": (
        "seeds",
        "OAuth sign-in with authUrl, tokens kept and refreshed; Azure client credentials; client credentials",
    ),
    "ECO-1": ("ours", "import from and export to the clients people use, nothing lost silently"),
    "ECO-2": ("design card, ours", "dev container feature, pre-commit hooks, GitHub Action, systemd unit"),
    "OPS-1": ("ours", "status, events, logs, metrics, audit log, doctor"),
    "SCALE-1": ("ours, later", "several engines on NATS JetStream, each server held by exactly one"),
}

_BUILT = {
    "CFG-1:yaml-declares": "a YAML file declares servers, groups, enabled flags and approval settings",
    "CFG-1:mcp-json-is-valid": "a client's .mcp.json is a valid file as it is",
    "CFG-1:edit-keeps-comments": "a merge patch applied to the text leaves comments and every other byte alone",
    "CFG-2:seed-fields": "every field of the seed is read under its name",
    "CFG-2:seed-defaults": "enabled true, requireApproval true, name equal to the id, oauth false",
    "CFG-3:transports": "the transport is inferred from command or url, or named by type",
    "CFG-3:stdio": "a server with a command is reached over its pipes",
    "CFG-3:http": "a server with a url is reached over streamable HTTP",
    "CFG-3:sse": "a server of type sse is reached over HTTP with server-sent events",
    "CFG-3:uplink": "a server that dials in is a session like any other",
    "CFG-3:mock": "a mock answers from what the file says, and runs nothing",
    "CFG-4:extra-fields": "description, group, headers, metadata, OAuth and Azure settings are read per server",
    "CFG-5:schema-published": "the published schema is the one the model makes, and accepts what the reader accepts",
    "CFG-6:all-problems-at-once": "all mistakes of a file are reported together, sorted by place",
    "CFG-6:did-you-mean": "a misspelt field or value names the one that was meant",
    "CFG-6:place-and-caret": "a mistake is shown with file:line:column, its line and a caret",
    "PLAN-1:merge-patch-and-actions": "the plan holds an RFC 7396 merge patch and one named action per server",
    "PLAN-1:null-removes": "null in a merge patch removes, and a removed server is null in the plan's patch",
    "PLAN-2:accepted-as-body": "PATCH /api/config takes a plan's patch as its body and gives what the plan was for",
    "PLAN-2:patch-is-a-patch-body": "the plan's patch, applied to what was accepted, gives what the file says",
    "PLAN-3:saved-plan-stale": "a saved plan is refused when the state or the file moved on, and is consumed once",
    "PLAN-3:deletion-guard": "many deletions that nobody named are blocked, with the way out",
    "PLAN-3:risk-and-marks": "an action carries its risk, and the marks launch and loosen where they hold",
    "PLAN-3:json-markdown": "the plan is printed as text, JSON and Markdown from the same actions",
    "PLAN-3:plan-changes-nothing": "a plan runs nothing, writes nothing and contacts nothing but the engine's socket",
    "PLAN-3:exit-codes": "exit codes are those of the one table",
    "APPLY-1:only-what-changed": "a session whose server did not change is not touched",
    "APPLY-1:watch": "a saved file is carried to the live sessions by the watcher",
    "APPLY-1:identity": "a host that swaps what lies behind a file changes neither its project nor its state",
    "APPLY-1:moved": "a file whose place is taken by a link to it, or a link's by it, stays the project that it was",
    "APPLY-1:full-disk": "a disk without room is named with the way out; sessions live on, and work goes on with room",
    "APPLY-1:no-home": "a user without name and home is told what to name, and has state that nobody else reads",
    "APPLY-1:kills": "an engine killed at any moment of an apply loses nothing it acknowledged, and the next converges",
    "APPLY-2:make-before-break": "the new session is ready before the old one closes",
    "APPLY-2:failed-change-keeps-old": "a change that cannot be made leaves the old session serving",
    "APPLY-2:recreate": "with recreate the old one goes first; it comes back, and stays, where the new one fails",
    "APPLY-2:no-call-dropped": "calls go on while their server changes; what cannot be answered meanwhile says why",
    "APPLY-3:broken-edit": "a broken edit touches no session and is reported with its place",
    "LIVE-1:status": "status names the state of each server, with the reason",
    "LIVE-1:conditions": "each condition says since when it is so, and which change of the server was seen then",
    "LIVE-1:source-conditions": "whether the files can be taken up, and whether something older serves, are conditions",
    "LIVE-1:tools-listed": "the tools of each live server are listed",
    "LIVE-1:both-eras": "servers of both protocol eras connect",
    "LIVE-1:reason-has-http-status": "the reason of a failed connection over HTTP holds the status code",
    "LIVE-2:no-orphans": "no process of a server outlives its session or the engine",
    "LIVE-2:no-zombies": "the dead among adopted orphans are collected as they die, and nobody else's",
    "LIVE-2:descriptors": "the engine opens as many files as the system lets it, its servers as many as it was given",
    "LIVE-2:death-noticed": "the end of a server's process is noticed at once",
    "LIVE-2:pause": "a person keeps a server from running: said everywhere, refused to callers, the file left as it is",
    "LIVE-2:pause-lasts": "a pause outlives the engine, and one with an end is over then, whatever the clock does",
    "LIVE-2:gone": "of servers that were deleted nothing stays in memory, and what stays on the disk is bounded",
    "LIVE-2:wake": "after a sleep of the machine every session is asked at once, and every wait for a try is over",
    "LIVE-2:starts-in-parallel": "servers that start slowly, or say nothing, hold up the start of no other",
    "LIVE-2:neighbours": "a server that attacks slows no other, costs little memory, and status says what it does",
    "LIVE-2:bad-networks": "a connection that breaks, or leads nowhere, is noticed in time, and calls say so",
    "LIVE-2:restarted-elsewhere": "after the restart of a server over HTTP calls work or say why, changes are heard of",
    "LIVE-2:untold-changes": "where a server has no way to tell, what changed in its lists is seen in about a minute",
    "LIVE-2:reasons": "why a server is not there is one sentence, also while it starts or fails again and again",
    "LIVE-2:resync": "every server is looked at once a minute, also where nothing told of it",
    "LIVE-2:backoff": "a server that fails is tried again after growing waits",
    "GATE-1:conformance": "the official conformance suite passes for servers behind the gateway and for our sessions",
    "GATE-1:real-clients": "clients that others wrote list and call through the gateway and the bridge",
    "GATE-1:names": "names a client sees are unique by construction, the same every time, and lead back",
    "GATE-1:surface": "an endpoint shows what is enabled and allowed in its scope, raw but for names, in one order",
    "GATE-1:transparent": "an answer through the gateway is the server's own but for names",
    "GATE-1:short-way": "a plain call takes a short way through the gateway, on which nothing else is different",
    "GATE-1:bridge": "a client that speaks only stdio has the same endpoint, also across restarts of the engine",
    "GATE-1:questions": "a question of a server reaches the user of the client that made the call",
    "GATE-1:attribution": "a question that may be of several clients is put to none of them, and the server is told",
    "GATE-1:resources-followed": "updates of the resources that clients follow are told of, whichever session serves",
    "GATE-1:raw": "what the protocol does not know survives both ways, on every transport",
    "GATE-1:cancelled": "a request that its client gives up is cancelled at the server",
    "GATE-1:no-crossing": "an answer reaches the client that asked, whatever ids others use",
    "GATE-1:arrivals": "a request to a server on its way waits for it, or names it, the reason and the next try",
    "GATE-1:changes": "a client hears of changed lists when what it sees changed, and a storm costs one refresh in 2 s",
    "GATE-1:one-url": "clients of both eras speak to servers of both eras through one URL, on three kinds of endpoints",
    "GATE-1:handshake-rules": "clients of the handshake era are served as their specification says",
    "GATE-1:stateless-rules": "clients of the stateless era are served as their specification says",
    "GATE-1:client-limits": "whatever a client sends, opens or leaves behind is bounded, and each bound holds exactly",
    "GATE-1:endings": "what a client has open ends with its token, with its session and with the engine",
    "GATE-1:listener": "the engine listens on this machine alone unless told otherwise, and says where",
    "GATE-1:host-origin": "a request under another name, or from a page elsewhere, is refused before anything else",
    "GATE-1:tokens": "nobody comes in over TCP without a token; one that is taken back ends what it opened",
    "GATE-1:roles": "every route has the least role that may use it, and no other way in gives more",
    "GATE-1:connections": "slow, silent, oversized and too many connections are cut off and disturb nobody",
    "GATE-1:turns": "whoever sends much at once is served in turns with others, and what is not read is given up",
    "GATE-1:full": "a listener without places or descriptors goes on for those who ask, and says so",
    "GATE-1:crowd": "beside hostile clients of every kind others are answered, and nothing stays of those who left",
    "GATE-1:sockets": "a WebSocket is bounded in size, frames, time and number, and refused in HTTP",
    "GATE-2:gate-decides": "every call passes the gate, which allows it or refuses it with a clear message",
    "GATE-2:every-method": "every method that a client may send is classed; what is not forwarded reaches no server",
    "GATE-2:call-waits": "a call that asks waits for a person, its caller hears of it and can come back for the result",
    "GATE-2:content-bound": "a yes is for this caller, these arguments, this server and this tool as they were shown",
    "GATE-2:at-most-once": "an allowed call runs at most once, never after a no, and never again after a crash",
    "GATE-2:expires": "a call waits, and a yes holds, only until its time by either clock",
    "GATE-2:grants": "a yes can go further: for the session, or for always in the file or on this machine",
    "GATE-2:client-asks": "a client asks its own user only where the file lets it and it can; its yes is for that call",
    "GATE-2:api": "waiting calls are listed and answered over the API, by an operator or the owner alone",
    "GATE-2:commands": "approvals, approve, deny and audit show waiting calls whole, and answer them",
    "GATE-2:fails-closed": "what cannot be recorded, and what is too many, is refused",
    "GATE-2:audit": "every decision on a call that asks is on record; rows are added, never changed, never removed",
    "GATE-3:pins": "what a definition is pinned by changes with all that means something, and with nothing else",
    "GATE-3:lock-file": "the lock has one definition a line and the same bytes for the same pins, whole or not at all",
    "GATE-3:broken-lock": "a lock that cannot be used is told with its place, and never counts as no lock",
    "GATE-3:enforced": "a changed or new tool, prompt or template is neither listed nor reached until it is accepted",
    "GATE-3:left-alone": "an edit of anything else leaves the pins alone",
    "GATE-3:drift": "what differs from the lock is told once as an event, and in status, tools and plans",
    "GATE-3:diff": "what changed is shown word by word, with nothing in it unseen",
    "GATE-3:stale": "a plan tells of a launch that the lock does not have, and how the lock of a revision differs",
    "GATE-3:before-live": "pinned tools are listed before their server is up",
    "GATE-3:command": "lock writes, checks, shows and accepts, one server without touching the others",
    "API-1:list": "the list of a project has every member of the seed in its type, and null where nobody knows",
    "API-1:whose": "a project is named once and known by its own tokens; an unknown one has no servers",
    "API-1:nothing-is-tried": "what is only asked about is never started and never contacted",
    "API-1:malformed": "a body that is malformed is 4xx in that dialect's shape, and the file is untouched",
    "API-1:neighbours": "create, get, update, delete, connect, disconnect, lists, resources and prompts work beside it",
    "API-2:official-clients": "the official SDK, old and new, and the official command line work unchanged",
    "API-2:connections": "connections are created, set, read and deleted in both layouts, in the seed's shape",
    "API-2:uplink": "a server dials in over WebSocket with a token that may write, and is called like any other",
    "API-2:lists": "a list is found by name, address and metadata, and read in pages",
    "API-2:other-target": "a set never leads a connection elsewhere: 409, which no client repeats",
    "API-2:write-only": "headers are never answered; they, and what stands in a query, are kept in the vault",
    "API-2:status": "the status says what a connection lacks, and a set that brings it completes it",
    "API-2:waits": "what an editor writes waits for an operator's yes, and says so",
    "API-2:tools": "tools are listed, found by path and called, through the gate",
    "API-2:mcp": "each connection speaks MCP, with a session and without",
    "API-2:namespaces": "a namespace is a project: one for a file, and with a directory they come and go",
    "API-2:tokens": "a token is made for namespaces, a role and a time, and for nothing narrower",
    "API-2:malformed": "whatever a path or body says is 4xx in the dialect's shape, and the file is untouched",
    "API-3:whole": "the whole configuration is shown resolved, with references or stars where secrets are",
    "API-3:round-trip": "what was read and is sent back changes nothing, and one change in it changes that one thing",
    "API-3:seed-examples": "the examples of the seed, but for host and token, give the seed's shapes",
    "API-3:comments": "a change keeps the comments and everything else of the file to the byte",
    "API-3:only-what-it-names": "a patch touches no session but those of the servers it names",
    "API-3:merge-patch": "RFC 7396 under both media types; If-Match finds lost updates, and without it none is lost",
    "API-3:add": "a server is added by POST, once, under its own id or one that is made",
    "API-3:waits": "what waits for somebody's yes is written, does not run, and names its plan",
    "API-3:refused": "what may not be changed from here is refused with the reason, and the patch to make by hand",
    "API-3:auth-url": "a server that wants a sign-in shows authUrl until somebody signed in there",
    "API-3:error": "a server that fails or waits says so, and a file that is broken is not changed",
    "API-3:client": "each call of that product's client, in its order, gives what it expects",
    "API-3:json-on-every-2xx": "every success is JSON, and a content type on GET is fine",
    "API-3:atomic": "what is refused names every mistake by its path, and changes nothing",
    "API-3:malformed": "a body that is malformed is 4xx in that dialect's shape, and the file is untouched",
    "API-3:null-removes": "null for a server removes its entry from the file, and its session",
    "API-3:holds": "what an editor writes runs and loosens nothing before an operator's yes, also after restarts",
    "API-4:secrets-never-render": "no secret appears in a plan, a rendering or a message",
    "API-4:literals-go-to-the-vault": "a literal secret that comes in goes to the vault, and `***` keeps the one there",
    "API-4:vault": "a stored secret is sealed for its name, its version and its vault, and only its key opens it",
    "API-4:secret-references": "a reference gets what is stored, and a new version of it opens its servers anew",
    "API-4:secret-command": "secrets are stored, listed, forgotten and sealed anew by command, and never shown",
    "API-4:secret-routes": "secrets are stored, listed and forgotten over HTTP by operators, and never answered",
    "API-4:no-secret-comes-out": "no secret in an answer, log, plan, state, error or command line, however written",
    "API-4:vault-whole": "a stored secret that was acknowledged outlives any kill and a full disk",
    "API-4:vault-key": "the key is in the keyring, in a file for its owner alone or in a variable; a lost one is said",
    "API-4:rotation": "a rotation seals everything under another key, and the old one opens nothing any more",
    "PAGE-2:pack": "servers travel with the stored secrets they name; what is of this machine stays a reference",
    "PAGE-2:merge": "what is imported comes beside what is here, and replaces no server, group or stored secret",
    "PAGE-2:off": "what would run, or get something of this machine, comes off until a person wants it on",
    "PAGE-2:preview": "a preview says what is ready, what needs a person and what would run, and changes nothing",
    "PAGE-2:between-engines": "what one engine exports another imports: servers, groups and secrets, at most once",
    "PAGE-2:command-line": "export and import by command: passphrase typed or of a file, nothing written over or shown",
    "PAGE-2:page": "the page exports to a download and imports after a preview with a button on each row that is off",
    "PAGE-2:sealed": "an exported file opens to what was put in, under its own passphrase and no weak one",
    "PAGE-2:refusals": "not ours, newer, damaged, wrong passphrase and altered are told apart, with a way out",
    "PAGE-2:every-byte": "a file with any byte changed is refused, and nothing of what it seals is told",
    "PAGE-2:hostile": "a hostile file is refused before a key is derived, in bounded time",
    "PAGE-2:vectors": "the format is written down; a writer and a reader made of that alone agree with ours",
    "PAGE-2:explorer-file": "files of MCP Explorer are opened and written as that product does",
    "PAGE-2:explorer-servers": "its connections become servers and go back, and what is lost is told",
    "PAGE-2:on-disk": "an exported file is for its owner alone, whole or not at all, and follows no link",
    "AUTH-1:learnt-addresses": "an address that a server told us gets a packet only if public, or in the file",
    "AUTH-1:client-credentials": "a program signs in with a secret that goes to its own issuer alone",
    "AUTH-1:azure": "a program signs in at Microsoft Entra, and is told in one sentence why it cannot",
    "AUTH-1:one-token": "a token is fetched once for everybody, ahead of its end, and anew when it is refused",
    "AUTH-1:conformance": "the official conformance suite passes for signing in, in every scored scenario",
    "AUTH-1:sign-in": "a person signs in at the page that the status names, and the session opens at once",
    "AUTH-1:stays-signed-in": "who signed in stays so over restarts, and while the authorization server is in trouble",
    "AUTH-1:one-renewal": "calls that meet the end of a token renew it once, and never wait for each other",
    "AUTH-1:kept-before-use": "a token is on the disk before it is used: an engine that is killed loses none",
    "AUTH-1:one-sign-in-asked": "where a renewal is refused, one page is shown and nothing is tried again by itself",
    "AUTH-1:several-at-once": "several servers are signed in to at once without being mixed up",
    "AUTH-1:state": "a state holds once, for the sign-in it was made for; anything else is refused",
    "AUTH-1:issuer": "what one issuer gave is shown to no other; an answer of another issuer is refused",
    "AUTH-1:proof": "nobody signs in without PKCE under S256",
    "AUTH-1:page": "only pages under https or of this machine are shown, and they lead back to the engine",
    "AUTH-1:client": "a client is registered when it must be, and that of the file used as the file says",
    "AUTH-1:scopes": "only the scopes that are named are asked for; more is asked for once when a call needs it",
    "AUTH-1:way-out": "a server that wants a sign-in nobody set up says how",
    "AUTH-1:forget": "a sign-in can be forgotten",
    "AUTH-1:other-places": "a token is shown to the server it was given for, and to no other",
    "AUTH-1:secrets": "no token stands in the state, the status or an answer",
    "AUTH-1:callback": "the page that a browser comes back to needs no token, runs nothing and says what happened",
    "AUTH-1:command": "a person signs in by command, in a browser or by pasting an address",
    "PAGE-1:entering": "a one-time link lets a browser in, and nothing else does; the answer to anybody else says how",
    "PAGE-1:back": "what did not work leads back to the page of ours that it was below, and never elsewhere",
    "PAGE-1:list": "servers stand by group with count and health; each says how it is and why, and only as text",
    "PAGE-1:switches": "a switch writes into the file that decides; what was never said yes to is shown first",
    "PAGE-1:for-me": "a switch is for everyone or for this machine alone and says which; one's own is taken back",
    "PAGE-1:search": "servers are found by what they are called and by their health, without a script too",
    "PAGE-1:closed": "a group that somebody closed stays closed in that browser, and open for everybody else",
    "PAGE-1:live": "what changed is shown while somebody looks, and nothing else is made or sent again",
    "PAGE-1:tour": "a browser goes through every sentence of the page's document: by mouse, by keys, without a script",
    "PAGE-1:accessible": "axe finds nothing in any view, keys do everything, and nothing needs a script",
    "PAGE-1:hostile": "no text of a server, a file or a caller is taken for mark-up or a program by a browser",
    "PAGE-1:server": "the page of one server shows how it is, what waits, what it offers, its lock, sign-in and output",
    "PAGE-1:form": "a form says all that the file can say of a connection, both ways; what it does not know stays",
    "PAGE-1:new": "a server is added in a form, under an id made of its name; mistakes stand beside their fields",
    "PAGE-1:snippet": "a piece of a client's file fills the form of a new server; several lead to the import's preview",
    "PAGE-1:edit": "a server is edited in a form; what others changed meanwhile stays, or is asked about",
    "PAGE-1:test": "a connection is tried as it is typed, a command after a yes to it, and nothing of that stays",
    "PAGE-1:write-only": "what was typed as a secret is never shown, and is not lost either",
    "PAGE-1:typed-before": "what was typed in a visit that ended stays in the page, and the next visit's form has it",
    "PAGE-1:review": "a change is shown before it is made, with the command it runs; the yes is to exactly that",
    "PAGE-1:delete": "a server is deleted after a question that says what goes, and can be put back as it was",
    "PAGE-1:try": "a tool is tried with a form made of its schema, through the gate, and the answer is shown as text",
    "PAGE-1:approvals": "calls that wait are shown whole without secrets, and answered once, as they were shown",
    "PAGE-1:plan": "what waits, the plan of the file and the way back are shown, and each yes is to exactly that",
    "PAGE-1:events": "what happened is shown newest first, by server and kind",
    "PAGE-1:clients": "each client is told what to paste and how to get a token, and no token is shown",
    "OPS-1:read-only": "an engine that only reads changes no file, and answers with the patch to commit",
    "OPS-1:configuration": "the configuration is read, planned and changed, each change for the version that it names",
    "OPS-1:doctor": "doctor looks at the machine and the file, and names what to mend",
    "OPS-1:events-logs": "events and the logs of each server can be read",
    "OPS-1:event-series": "what happens again and again is one event with a count, and pushes out nothing else",
    "OPS-1:described": "every route says what it is, and the OpenAPI document is made of that",
    "OPS-1:strict": "a request that is not as described is refused, with the place",
    "OPS-1:event-stream": "events come as Server-Sent Events and go on where a client left off",
    "OPS-1:tokens": "tokens are made, listed and taken back over the API, none above its maker's role",
    "OPS-1:import": "servers of another file come in beside those that are here, which stay as they are",
    "OPS-1:export": "the configuration is handed out without its secrets",
    "OPS-1:readiness": "readiness says whether what is required lives, and metrics count it",
    "OPS-1:client": "a typed client has every route, over the local socket and over TCP",
    "OPS-1:promises": "each promise of SAFETY.md has a command that tries to break it, and what it found",
    "OPS-1:fuzzed": "no generated request causes a server error, or an answer that is not as described",
}


def _manifest() -> dict[str, Requirement]:
    begun = {name.partition(":")[0] for name in _BUILT}
    rows = [Requirement(name, source, text, name in begun) for name, (source, text) in _ROWS.items()]
    parts = [Requirement(name, _ROWS[name.partition(":")[0]][0], text, True) for name, text in _BUILT.items()]
    return {each.id: each for each in (*rows, *parts)}


REQUIREMENTS = _manifest()
"""Everything, by id. A row is built as soon as one of its behaviours is."""


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Say which requirements a test shows. An id that the list does not have stops the import."""
    if not ids:
        raise LookupError("requirement() needs at least one id")
    unknown = unknown_ids(ids)
    if unknown:
        raise LookupError(f"no such requirement: {', '.join(unknown)}; the list is in tests/requirements.py")
    return pytest.mark.requirement(*ids)


def unknown_ids(ids: Iterable[str]) -> list[str]:
    """Those of `ids` that the list does not have."""
    return sorted({name for name in ids if name not in REQUIREMENTS})
