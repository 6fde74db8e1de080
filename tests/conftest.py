"""What every test shares."""

import os

import pytest

pytest_plugins = ["tests.canary", "tests.needs"]


def pytest_configure(config: pytest.Config) -> None:
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"  # nobody's own keyring gets a test's keys
    config.addinivalue_line("markers", "requirement(*ids): what the product must do that this test shows")
    config.addinivalue_line("markers", "long: takes a while, and is begun first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones come first; `scripts/test` has the workers take files in this order."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
