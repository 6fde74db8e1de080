"""Typed client of our own HTTP API (`/api/v1`), over an engine's local socket or over TCP with a token."""

from reconciler.client.client import Client
from reconciler.client.connection import Answer, ApiError, NoEngine, OnProgress

__all__ = ["Answer", "ApiError", "Client", "NoEngine", "OnProgress"]
