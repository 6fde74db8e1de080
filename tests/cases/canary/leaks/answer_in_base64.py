"""an answer over HTTP: base64"""

import base64

from tests.canary import CANARY
from tests.cases.canary.answering import answer


def test():
    answer(base64.b64encode(f"user:{CANARY}".encode()).decode())
