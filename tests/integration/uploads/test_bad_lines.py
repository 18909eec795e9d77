"""Uploads over long and bad lines: every digest is right, nothing that was acknowledged is sent again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.uploads.slow_line import Weather

MIB = 1 << 20
TABLE = {
    "100 ms": Weather(round_trip_s=0.1),
    "200 ms": Weather(round_trip_s=0.2),
    "one reset in a hundred pieces": Weather(round_trip_s=0.005, reset=0.01),
    "resets at 100 ms": Weather(round_trip_s=0.1, reset=0.01),
    "cuts after N bytes": Weather(cut_after=(1, 70_000, MIB, 5 * MIB + 1, 11 * MIB)),
    "the lost piece comes after the retry": Weather(round_trip_s=0.02, reset=0.01, late_s=0.2),
    "late pieces after cuts": Weather(round_trip_s=0.1, cut_after=(MIB, 3 * MIB, 9 * MIB), late_s=0.5),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_file_arrives_whole(post: Any, lines: Any, name: str) -> None:
    weather = TABLE[name]
    file = post.file("a.bin", 16 * MIB)
    line = lines(post.port, weather)
    client, direct = post.client(line.url), post.client(post.nginx.url)
    created = post.create(file, direct)
    post.send(client, created, file)
    post.arrived(direct, created)
    assert post.noting.resent == []
    if weather.cut_after:
        assert line.resets >= len(weather.cut_after) - 1  # the last may come with the last byte
        assert post.noting.patches > 2


def test_a_round_trip_of_200_ms_does_not_bound_the_rate(post: Any, lines: Any) -> None:
    """The link carries 16 MB/s; one streaming PATCH waits for nothing but its last answer."""
    file = post.file("a.bin", 80 * MIB)
    rates = {}
    for round_trip_s in (0.001, 0.2):
        line = lines(post.port, Weather(round_trip_s=round_trip_s, bytes_per_s=16e6))
        client = post.client(line.url)
        created = post.create(file, client)
        rates[round_trip_s] = file.size / post.send(client, created, file) / 1e6
        post.arrived(client, created)
    print({f"{1000 * trip:g} ms": f"{rate:.1f} MB/s" for trip, rate in rates.items()})  # noqa: T201 - a figure
    assert rates[0.2] >= 0.8 * rates[0.001], rates
