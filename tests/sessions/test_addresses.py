"""Which addresses count as public, and which ones may be dialled for a host from the file or from a server."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sessions.addresses import (
    Forbidden,
    as_literal,
    choose_learnt,
    choose_learnt_from_loopback,
    choose_written,
    is_link_local,
    is_public,
)

NOT_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.1.2.3"),
    *("169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1"),
    *(
        "192.88.99.1",
        "168.63.129.16",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
    ),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("100::1", "100:0:0:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1"),
    *("fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1"),
]
"""Private, loopback, link-local, shared, documentation, benchmarking, multicast, reserved, and IPv4 in disguise."""

NO_ADDRESSES = [
    *("0177.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "127.1", "127.0.1", "１２７.０.０.１", "①②⑦.⓪.⓪.①"),
    *("127.0.0.1.", "127.0.0.1 ", "[::1", "::1]x", "localhost", "example.com", "", "8.8.8", "8.8.8.8/32", "1::2::3"),
]
"""Names, and spellings that only a resolver takes for addresses: judged by what they resolve to."""

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
    *("172.32.0.0", "192.0.1.0", "192.167.255.255", "198.17.255.255", "223.255.255.255"),
    *(
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "2001:200::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ),
]


@pytest.mark.parametrize("text", [*NOT_PUBLIC, *NO_ADDRESSES])
def test_this_is_not_a_public_address(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", PUBLIC)
def test_this_is_a_public_address(text: str) -> None:
    assert is_public(text)


def test_the_table_holds_sixty_spellings() -> None:
    assert len({*NOT_PUBLIC, *NO_ADDRESSES}) >= 60


@given(st.ip_addresses())
def test_what_is_public_is_global_for_the_standard_library_too(address: object) -> None:
    found = ip_address(str(address))
    assert not is_public(found) or found.is_global


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_itself(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(f"64:ff9b::{address}") == is_public(str(address))


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_an_odd_spelling_is_no_literal(text: str) -> None:
    assert as_literal(text) is None


def test_brackets_belong_to_the_url_and_not_to_the_address() -> None:
    assert as_literal("[::1]") == ip_address("::1")


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "192.168.1.1", "::1", "fd00::1", "8.8.8.8"])
def test_a_host_from_the_file_may_be_private_or_loopback(address: str) -> None:
    found = ip_address(address)
    assert list(choose_written("server.lan", [found])) == [found]


LINK_LOCAL = ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_a_name_from_the_file_never_leads_to_a_link_local_address(address: str) -> None:
    assert is_link_local(ip_address(address))
    with pytest.raises(Forbidden, match=r'"metadata\.lan" resolves to the link-local address') as caught:
        choose_written("metadata.lan", [ip_address(address)])
    assert caught.value.terminal and caught.value.code == "address"


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "169.254.43518"])
def test_an_odd_spelling_of_a_link_local_address_is_no_literal_either(host: str) -> None:
    with pytest.raises(Forbidden):
        choose_written(host, [ip_address("169.254.169.254")])


def test_a_link_local_address_may_be_written_out() -> None:
    literal = ip_address("169.254.1.2")
    assert list(choose_written("169.254.1.2", [literal])) == [literal]


def test_of_several_addresses_only_the_link_local_ones_are_left_out() -> None:
    private, local = ip_address("192.168.1.5"), ip_address("fe80::5")
    assert list(choose_written("nas.lan", [local, private])) == [private]


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "2002:7f00:1::"])
def test_a_host_that_a_server_told_must_be_public(address: str) -> None:
    with pytest.raises(Forbidden, match="not a public address"):
        choose_learnt("evil.example", [ip_address(address)])


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(Forbidden):
        choose_learnt("evil.example", [ip_address("8.8.8.8"), ip_address("127.0.0.1")])
    assert len(choose_learnt("good.example", [ip_address("8.8.8.8"), ip_address("1.1.1.1")])) == 2


def test_a_server_on_loopback_may_tell_of_loopback_but_of_nothing_else_inside() -> None:
    here = ip_address("127.0.0.1")
    assert list(choose_learnt_from_loopback("localhost", [here])) == [here]
    for other in ("10.0.0.1", "169.254.169.254"):
        with pytest.raises(Forbidden):
            choose_learnt_from_loopback("x", [here, ip_address(other)])
