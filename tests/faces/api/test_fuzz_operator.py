"""A short campaign of generated requests as an operator, who is asked for most."""

import pytest

from tests.faces.api.fuzz.short import nothing_is_wrong_for
from tests.requirements import requirement

pytestmark = [pytest.mark.long, requirement("OPS-1:fuzzed")]


def test_no_request_makes_a_server_error_or_an_answer_that_is_not_described() -> None:
    nothing_is_wrong_for("operator")
