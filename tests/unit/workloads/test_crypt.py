"""Hashes of the drop box: exact forms, checked by libcrypt, and nothing else."""

from __future__ import annotations

import subprocess

import pytest

from penstock.errors import InvalidInput
from penstock.workloads import crypt

SHA512 = "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49dFL1U4wX/"
SHA256 = "$5$abcdefghijklmnop$gu.71QnGu.GrGbdJF.mj20x/mWJF1VliZRmeYNpAtDB"


@pytest.mark.parametrize("kind", ["-6", "-5"])
def test_what_openssl_makes_is_accepted_and_checked(kind: str) -> None:
    command = ["openssl", "passwd", kind, "-stdin"]
    hashed = subprocess.run(command, input="pässword\n", capture_output=True, text=True, check=True).stdout.strip()
    assert crypt.check_hash(hashed) == hashed
    assert crypt.matches(hashed, "pässword")
    assert not crypt.matches(hashed, "password")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "$6$rounds=999999999$abcdefgh$" + "a" * 86,
        "$6$short$" + "a" * 86,
        "$6$" + "a" * 17 + "$" + "a" * 86,
        SHA512 + "a",
        SHA512[:-1],
        SHA512 + "\n",
        "\n" + SHA512,
        SHA512 + "\nroot:$6$x",
        SHA512.replace("abcdefgh", "abcd:fgh"),
        SHA512.replace("abcdefgh", "abcdéfgh"),
        SHA256.replace("$5$", "$6$"),
        "$1$abcdefgh$" + "a" * 22,
        "$apr1$abcdefgh$" + "a" * 22,
        "$2b$12$" + "a" * 53,
        "$2y$31$" + "a" * 53,
        "$y$j9T$" + "a" * 22 + "$" + "a" * 43,
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{PLAIN}secret",
        "abJnggxhB/yWI",
        "*",
        "!",
    ],
)
def test_no_other_hash_is_accepted_nor_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        crypt.check_hash(text)
    assert len(text) < 5 or text not in str(refused.value)
    assert not crypt.matches(text, "secret")


@pytest.mark.parametrize("secret", ["", "pw\0", "pw ", "p" * 257, "\ud800"])
def test_almost_the_secret_is_wrong(secret: str) -> None:
    assert crypt.matches(SHA512, "pw")
    assert crypt.matches(SHA256, "pw")
    assert not crypt.matches(SHA512, secret)


@pytest.mark.parametrize("name", ["ada", "a", "A.b-c_9", "x" * 32])
def test_names_of_accounts(name: str) -> None:
    assert crypt.check_name(name) == name


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\n", "-a", ".a", "x" * 33, "ä", "a/b", "a;b"])
def test_names_that_no_account_has(name: str) -> None:
    with pytest.raises(InvalidInput):
        crypt.check_name(name)
