"""stdout: raw"""

import asyncio
from asyncio.subprocess import PIPE


async def run():
    process = await asyncio.create_subprocess_exec("printenv", "CANARY_TOKEN", stdout=PIPE)
    await process.stdout.read()
    await process.wait()


def test():
    asyncio.run(run())
