"""stdout: raw"""

import subprocess


def test():
    subprocess.run(["printenv", "CANARY_TOKEN"], stdout=subprocess.PIPE, check=True)
