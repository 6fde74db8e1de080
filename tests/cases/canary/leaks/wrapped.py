"""stdout: split over lines"""

import base64

from tests.canary import CANARY


def test():
    print(base64.encodebytes(b"x" * 50 + CANARY.encode()).decode())
