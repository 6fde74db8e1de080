"""Which exact package a command runs."""

import pytest

from reconciler.model.package import package_of

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("npx -y @scope/name@1.2.3", "npm:@scope/name@1.2.3"),
        ("npx name@1.2.3-beta.1 --flag", "npm:name@1.2.3-beta.1"),
        ("npx.cmd name@1.2.3", "npm:name@1.2.3"),
        ("bunx --package a@1.0.0 b", "npm:a@1.0.0"),
        ("npx --package=a@1.0.0 b", "npm:a@1.0.0"),
        ("uvx name==1.2", "pypi:name==1.2"),
        ("uvx name@2025.9.1", "pypi:name==2025.9.1"),
        ("/opt/bin/uvx --from mcp[cli]==1.2.0 mcp", "pypi:mcp==1.2.0"),
        (f"docker run -i --rm ghcr.io/a/b@{DIGEST}", f"oci:ghcr.io/a/b@{DIGEST}"),
        ("npx name", None),
        ("npx name@latest", None),
        ("npx name@^1.2.3", None),
        ("uvx name>=1.2", None),
        ("uvx name==1.*", None),
        ("npx", None),
        ("npx -y", None),
        ("npx -p", None),
        ("docker run a/b:1.2.3", None),
        ("python3 server.py name@1.2.3", None),
        ("npx ${env:NAME}@1.2.3", None),
    ],
)
def test_only_an_exact_version_is_one(command: str, expected: str | None) -> None:
    program, *args = command.split()
    assert package_of(program, args) == expected
