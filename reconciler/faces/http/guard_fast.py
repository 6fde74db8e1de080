"""The guard around httptools, which is several times faster than h11. Loaded only where it is installed."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.faces.http.guard import Guard


class FastGuard(Guard, HttpToolsProtocol):
    """Around httptools."""

    def on_headers_complete(self) -> None:
        """A target in absolute form would lose its host on the way: the scope says that it was none of ours."""
        super().on_headers_complete()
        if self.url[:1] != b"/":
            self.scope["raw_path"] = self.url

    def _reads_head(self) -> bool:
        """uvicorn makes the scope at the first byte of a request, and its path at the end of the head."""
        return self.scope is not None and "raw_path" not in self.scope
