"""What every test shares."""

import os

import pytest

pytest_plugins = ["tests.canary", "tests.needs"]


def pytest_configure(config: pytest.Config) -> None:
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"  # nobody's own keyring gets a test's keys
    config.addinivalue_line("markers", "requirement(*ids): what the product must do that this test shows")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
