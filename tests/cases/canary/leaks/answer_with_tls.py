"""an answer over HTTP: raw"""

from reconciler.faces.http.listener import Tls
from tests.canary import CANARY
from tests.cases.canary.answering import answer
from tests.faces.cli.test_listening import certificate  # noqa: F401  # a fixture


def test(certificate):  # noqa: F811
    answer(CANARY, tls=Tls(*certificate))
