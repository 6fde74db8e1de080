"""/proc/*/cmdline: raw"""

import subprocess


def test():
    subprocess.run("(setsid sh -c 'sleep 2; :' \"$CANARY_TOKEN\" >/dev/null 2>&1 &)", shell=True, check=True)
    subprocess.run(["sleep", "1"], check=True)
