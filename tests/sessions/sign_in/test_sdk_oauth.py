"""The insides of the SDK's OAuth client that signing in builds upon are what they were. After an update, look here."""

import inspect
import logging
from typing import Any

import pytest
from mcp.client.auth import OAuthClientProvider, oauth2, utils
from mcp.client.auth.oauth2 import OAuthContext
from mcp.shared import _httpx_utils

from reconciler.sessions import sdk
from reconciler.sessions.sign_in import sdk_oauth
from tests.requirements import requirement

pytestmark = requirement("AUTH-1:sign-in")


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (OAuthClientProvider._initialize, ["self"]),
        (OAuthClientProvider._select_authorization_server, ["self", "advertised"]),
        (OAuthClientProvider._expected_issuer, ["self"]),
        (OAuthClientProvider._validate_resource_match, ["self", "prm"]),
        (OAuthClientProvider._perform_authorization, ["self"]),
        (OAuthClientProvider._refresh_token, ["self"]),
        (OAuthClientProvider._get_token_endpoint, ["self"]),
        (OAuthContext.should_include_resource_param, ["self", "protocol_version"]),
        (OAuthContext.get_resource_url, ["self"]),
        (utils.extract_scope_from_www_auth, ["response"]),
        (utils.extract_resource_metadata_from_www_auth, ["response"]),
    ],
)
def test_what_we_call_or_replace_has_this_signature(function: Any, expected: list[str]) -> None:
    assert parameters(function) == expected


def test_the_flow_asks_what_we_replace_in_this_order() -> None:
    source = inspect.getsource(OAuthClientProvider._auth_flow)
    steps = (
        "await self._initialize()",
        "await self._validate_resource_match(prm)",
        "self._select_authorization_server(",
        "expected_issuer = self._expected_issuer()",
        "validate_metadata_issuer(asm, expected_issuer)",
        "if not self.context.client_info:",
        "await self.context.storage.set_client_info(client_information)",
        "await self._perform_authorization()",
        "await self._handle_token_response(token_response)",
        "yield request",
    )
    places = [source.rindex(step) if step == "yield request" else source.index(step) for step in steps]
    assert places == sorted(places)


def test_the_answer_is_checked_against_state_and_issuer_before_the_code_goes_anywhere() -> None:
    source = inspect.getsource(OAuthClientProvider._perform_authorization_code_grant)
    assert source.index("compare_digest(result.state, state)") < source.index("validate_authorization_response_iss(")


def test_the_resource_is_asked_of_the_context_wherever_it_is_sent() -> None:
    source = inspect.getsource(oauth2)
    assert source.count('["resource"] = self.context.get_resource_url()') == 3
    assert source.count("if self.context.should_include_resource_param(self.context.protocol_version):") == 3


def test_requests_of_the_flow_are_made_by_whoever_drives_it() -> None:
    assert "yield outgoing" in inspect.getsource(_httpx_utils.RedirectAwareAuth.async_auth_flow)
    assert "AsyncClient(" not in inspect.getsource(oauth2)


def test_the_flow_says_nothing_in_logs() -> None:
    assert sdk is not None and sdk_oauth is not None  # the first makes it quiet, and is loaded with every session
    assert not logging.getLogger(oauth2.__name__).isEnabledFor(logging.CRITICAL)
