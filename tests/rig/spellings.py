"""Ways to spell what is inside, as the host of a URL, and names that lead there."""

from collections.abc import Mapping, Sequence

SERVER, ELSEWHERE = "93.184.216.34", "93.184.216.35"
"""Two public addresses."""

LOOPBACK = (
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1"),
    *("0177.0.0.1", "0177.1", "017700000001", "0000177.0.0.01", "127.0.0.1.", "0.0.0.0", "0", "0x0"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[::ffff:0:127.0.0.1]"),
    *("localhost", "LOCALHOST", "localhost.", "ip6-localhost", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1"),
)
METADATA = (
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.254.43518"),
    *("169.16689662", "169.254.169.254.", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]"),
    *("[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "[fd20:ce::254]"),
    *("[fe80::a9fe:a9fe]", "[fe80::1%25lo]", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
)
PRIVATE = (
    *("10.0.0.1", "10.1", "0xa000001", "012.0.0.1", "167772161", "172.16.0.1", "192.168.0.1", "192.168.1"),
    *("100.64.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "[::ffff:10.0.0.1]", "[2002:c0a8:1::]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]"),
    *("[ff02::1]", "[2001:db8::1]", "[2001::1]", "[100::1]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
)
TRICKS = (
    *(f"{SERVER}@127.0.0.1", f"{SERVER}:443@10.0.0.1", "mcp.example@[::1]", f"{SERVER}%40127.0.0.1"),
    *(f"127.0.0.1\\@{SERVER}", f"{SERVER}\\@127.0.0.1", f"127.0.0.1#@{SERVER}", "127.0.0.1%00.mcp.example"),
    *("127.0.0.1%2f.mcp.example", "127.0.0.1%09", "[::1", "::1", "", "."),
)
"""User information that looks like a host, and what only some parsers take for one."""

NAMES: Mapping[str, Sequence[Sequence[str]]] = {
    "mcp.example": [[SERVER]],
    "loop.example": [["127.0.0.1"]],
    "loop6.example": [["::1"]],
    "private.example": [["10.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "metadata6.example": [["fd00:ec2::254"]],
    "mixed.example": [[ELSEWHERE, "10.0.0.1"]],
    "mixed-first.example": [["10.0.0.1", ELSEWHERE]],
    "mixed6.example": [[ELSEWHERE, "::1"]],
    "mapped.example": [["::ffff:10.0.0.1"]],
    "nat64.example": [["64:ff9b::a00:1"]],
    "sixtofour.example": [["2002:a00:1::"]],
    "zero.example": [["0.0.0.0"]],
    "rebind.example": [[ELSEWHERE], ["127.0.0.1"]],
    "rebind-often.example": [[ELSEWHERE], ["10.0.0.1"], [ELSEWHERE], ["169.254.169.254"], [ELSEWHERE], ["::1"]],
    "rebind6.example": [[ELSEWHERE], ["::1"]],
    "rebind-loop.example": [["127.0.0.1"], ["10.0.0.1"]],
}
"""Addresses of each name, one list for each time it is asked for."""

INSIDE = (*LOOPBACK, *METADATA, *PRIVATE, *(name for name in NAMES if name != "mcp.example"))
