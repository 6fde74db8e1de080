"""Every cap on what a server may send, list or leave behind, in one table. Reads nothing; all of sessions/ reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are bytes, times are seconds. A value equal to its limit passes, one more does not."""

    line: int = 4 * MIB
    """One line from a server, without its line end; a longer one ends the session."""
    outgoing_line: int = 8 * MIB
    """One line to a server; a longer request fails and the session lives on."""
    queue: int = 1 * MIB
    """Waiting to be read by a server; a request beyond that waits for room until its deadline."""
    depth: int = 128
    """Nesting of one message; a deeper one counts as a bad line."""
    bad_lines: int = 100
    """Lines in a row that are no JSON-RPC; with the last of them the session ends."""
    bad_lines_kept: int = 3
    """Bad lines kept for the status, each cut to `shown` characters."""
    shown: int = 200
    unasked_per_second: int = 1000
    """Lines that answer nothing; beyond that the server waits for a moment until we read on."""
    questions: int = 32
    """Requests of one server to us at a time; further ones are refused."""
    unsent: int = 1000
    """Messages, all but a few answers, that wait to be sent to one server over HTTP; with one more the session ends."""
    stderr: int = 64 * KIB
    """The end of standard error that is kept in memory."""
    stderr_per_second: int = 4 * MIB
    """Standard error read in the long run, and at once; who prints more waits for us to read on."""
    log_file: int = 1 * MIB
    """Size at which the log file becomes `<name>.1`; there are never more than these two."""
    log_per_second: int = 64 * KIB
    """Standard error written to the log file in the long run, with four seconds' worth at once; the rest is dropped."""
    pages: int = 50
    """Pages of one list."""
    tools: int = 500
    entries: int = 10_000
    """Prompts, resources or resource templates, each."""
    listing: int = 4 * MIB
    """One list, all its pages together."""
    description: int = 8 * KIB
    """Description of a tool; a longer one is kept and noted."""
    schema: int = 64 * KIB
    """inputSchema or outputSchema of a tool as compact JSON."""
    schema_depth: int = 32
    response: int = 4 * MIB
    """One HTTP answer, after decompression and as received."""
    event_stream: int = 64 * MIB
    """All of one HTTP answer that comes as an event stream; each event may be as long as a `response`."""
    refusal: int = 64 * KIB
    """Read of the body of an HTTP error."""
    metadata: int = 1 * MIB
    """One document about signing in."""
    token: int = 64 * KIB
    """One answer to a request for a token, or to a registration."""
    redirects: int = 5
    """Followed within the origin."""


LIMITS = Limits()
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
