"""Which addresses a URL may lead to."""

from __future__ import annotations

import ipaddress

import pytest

from penstock.errors import InvalidInput, Unreachable
from penstock.staging.addresses import is_public, resolve


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_the_internets_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.1.2.3", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)  # fmt: skip
def test_others_are_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_a_private_host_is_refused_unless_allowed() -> None:
    assert resolve("127.0.0.1", 80, allow_private=True) == ["127.0.0.1"]
    with pytest.raises(InvalidInput, match=r"'127\.0\.0\.1' has the address 127\.0\.0\.1"):
        resolve("127.0.0.1", 80, allow_private=False)


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "0177.0.0.1"])
def test_other_spellings_of_loopback_are_seen_through(host: str) -> None:
    with pytest.raises(InvalidInput, match="not public"):
        resolve(host, 80, allow_private=False)


def test_a_name_that_cannot_be_one_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="has no address"):
        resolve("a..b", 80, allow_private=True)
