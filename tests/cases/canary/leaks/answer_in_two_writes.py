"""an answer over HTTP: raw"""

from tests.canary import CANARY
from tests.cases.canary.answering import answer


def test():
    answer(CANARY[:7], CANARY[7:])
