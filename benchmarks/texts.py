"""Configurations of any size, as people write them: a third of the servers remote, references, groups, comments."""

from __future__ import annotations

GROUPS = 10


def configuration(count: int, changed: int | None = None) -> str:
    """YAML text of `count` servers; `changed` is the number of one whose arguments are other ones."""
    groups = "".join(f"  group-{number}: {{name: Group {number}}}\n" for number in range(GROUPS))
    servers = "".join(_server(number, number == changed) for number in range(count))
    return f"version: 1\nproject: benchmark\ngroups:\n{groups}mcpServers:\n{servers or '  {}'}"


def _server(number: int, changed: bool) -> str:
    head = f"  server-{number:05}:  # the one with number {number}\n"
    common = f"    description: Number {number} of the servers\n    group: group-{number % GROUPS}\n"
    if number % 3 == 2:
        port = 9000 if changed else 8000
        return (
            f"{head}    url: https://host-{number}.example.com:{port}/mcp\n"
            f'    headers: {{Authorization: "Bearer ${{env:TOKEN_{number}}}"}}\n{common}'
        )
    return (
        f"{head}    command: npx\n"
        f'    args: ["-y", "@example/server-{number}@{2 if changed else 1}"]\n'
        f'    env: {{TOKEN: "${{env:TOKEN_{number}}}", MODE: fast}}\n{common}    requireApproval: writes\n'
    )
