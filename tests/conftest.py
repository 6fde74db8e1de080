"""What every test shares."""

import pytest

pytest_plugins = ["tests.canary", "tests.needs"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): what the product must do that this test shows")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
