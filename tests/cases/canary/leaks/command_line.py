"""/proc/*/cmdline: raw"""

import subprocess


def test():
    subprocess.run("sh -c 'sleep 1; :' \"$CANARY_TOKEN\"; :", shell=True, check=True)
