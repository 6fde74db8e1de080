"""The reconciler: one YAML file describes every MCP server, and this package makes it true and keeps it true."""

TYPE_CHECKING = False  # as type checkers read it; importing it would take longer than all of this package
if TYPE_CHECKING:
    from reconciler.client import ApiError, Client, NoEngine

__all__ = ["ApiError", "Client", "NoEngine", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What asks an engine is loaded by whoever uses it: most commands need this package and nothing else of it."""
    if name in __all__:
        return getattr(__import__("reconciler.client", fromlist=[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
