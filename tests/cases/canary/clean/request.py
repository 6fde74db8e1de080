"""What a request brings is not what is answered."""

from tests.canary import CANARY
from tests.cases.canary.answering import answer


def test():
    answer("nothing", asked=CANARY)
