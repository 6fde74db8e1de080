"""log: raw"""

import logging

from tests.canary import CANARY


def test():
    logging.getLogger("any").debug(CANARY)
