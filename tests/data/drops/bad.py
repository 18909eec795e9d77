"""Tars that the drop box must refuse, each with words that its sender must read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable

import zstandard

HASH = "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49dFL1U4wX/"
MANIFEST = f"pipeline: lines\ninputs: {{text: a.txt}}\naccount: {{name: ada, hash: {HASH}}}\n"
Entry = tuple[tarfile.TarInfo, bytes]
TEXT = b"text"


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Entry:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def pack(*entries: Entry, encoding: str = "utf-8", kind: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=kind, encoding=encoding) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def manifest(text: str = MANIFEST) -> Entry:
    return entry("workload.yml", text.encode())


def good(*more: Entry) -> bytes:
    """What would be right, but for what comes besides."""
    return pack(manifest(), entry("a.txt", TEXT), *more)


def said(old: str, new: str) -> bytes:
    """A tar whose manifest is changed in one place."""
    assert old in MANIFEST
    return pack(manifest(MANIFEST.replace(old, new)), entry("a.txt", TEXT))


def sparse() -> bytes:
    info, _ = entry("a.txt")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    content = b"1\n0\n4\n".ljust(512, b"\0") + TEXT
    info.size = len(content)
    return pack(manifest(), (info, content))


def old_sparse() -> bytes:
    info, content = entry("a.txt", TEXT, tarfile.GNUTYPE_SPARSE)
    return pack(manifest(), (info, content), kind=tarfile.GNU_FORMAT)


def huge_header() -> bytes:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    return header.tobuf(tarfile.USTAR_FORMAT) + good()


def lying_size() -> bytes:
    info, _ = entry("a.txt")
    info.size = 1 << 40
    return pack(manifest())[: -20 * 512] + manifest_blocks() + info.tobuf(tarfile.PAX_FORMAT) + TEXT


def manifest_blocks() -> bytes:
    info, content = manifest()
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def many() -> bytes:
    folders = b"".join(tarfile.TarInfo(f"{n}").tobuf() for n in range(20_001))
    return manifest_blocks() + folders + bytes(1024)


def bomb(squeeze: Callable[[bytes], bytes]) -> bytes:
    return squeeze(pack(manifest(), entry("a.txt", bytes(4 << 20))))


DEEP = "/".join(["d"] * 17) + "/a.txt"
CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "climbs": (lambda: good(entry("../evil", b"x")), "not allowed"),
    "climbs inside": (lambda: good(entry("x/../../evil", b"x")), "not allowed"),
    "absolute": (lambda: good(entry("/etc/cron.d/evil", b"x")), "not a plain relative path"),
    "absolute, twice": (lambda: good(entry("//etc/evil", b"x")), "not a plain relative path"),
    "a detour": (lambda: good(entry("x/./evil", b"x")), "not a plain relative path"),
    "a control character": (lambda: good(entry("evil\n.txt", b"x")), "not allowed"),
    "an escape sequence": (lambda: good(entry("\x1b[2Jevil", b"x")), "not allowed"),
    "a name of 300 characters": (lambda: good(entry("e" * 300, b"x")), "not allowed"),
    "a path of 2000 characters": (lambda: good(entry("/".join(["evil"] * 400), b"x")), "not a plain relative path"),
    "17 folders deep": (lambda: good(entry(DEEP, b"x")), "16 folders deep"),
    "a symbolic link": (lambda: good(entry("evil", kind=tarfile.SYMTYPE, link="/etc/passwd")), "not a plain file"),
    "an input as a link": (
        lambda: pack(manifest(), entry("a.txt", kind=tarfile.SYMTYPE, link="/etc/passwd")),
        "not a plain file",
    ),
    "the manifest as a link": (
        lambda: pack(entry("workload.yml", kind=tarfile.SYMTYPE, link="/etc/passwd"), entry("a.txt", TEXT)),
        "not a plain file",
    ),
    "a hard link": (lambda: good(entry("evil", kind=tarfile.LNKTYPE, link="a.txt")), "not a plain file"),
    "a hard link outside": (lambda: good(entry("evil", kind=tarfile.LNKTYPE, link="/etc/passwd")), "not a plain file"),
    "a character device": (lambda: good(entry("evil", kind=tarfile.CHRTYPE)), "not a plain file"),
    "a block device": (lambda: good(entry("evil", kind=tarfile.BLKTYPE)), "not a plain file"),
    "a named pipe": (lambda: good(entry("evil", kind=tarfile.FIFOTYPE)), "not a plain file"),
    "a type that is none": (lambda: good(entry("evil", b"x", kind=b"Z")), "not a plain file"),
    "more entries than may be": (many, "more than 20000 entries"),
    "a sparse file of a petabyte": (sparse, "not a plain file"),
    "an old sparse file": (old_sparse, "not a plain file"),
    "a header of 4 GiB": (huge_header, "header of"),
    "a size that lies": (lying_size, "cannot be read"),
    "a bomb in gzip": (lambda: bomb(gzip.compress), "uncompressed"),
    "a bomb in bzip2": (lambda: bomb(bz2.compress), "uncompressed"),
    "a bomb in xz": (lambda: bomb(lzma.compress), "uncompressed"),
    "a bomb in zstd": (lambda: bomb(zstandard.ZstdCompressor().compress), "uncompressed"),
    "a zip": (lambda: b"PK\x03\x04" + bytes(2000), "uncompressed"),
    "nothing": (lambda: b"", "uncompressed"),
    "zeros": (lambda: bytes(10240), "has no workload.yml"),
    "noise": (lambda: b"\xff" * 10240, "uncompressed"),
    "the same file twice": (lambda: good(entry("a.txt", TEXT)), "there twice"),
    "the same file by another name": (lambda: good(entry("./a.txt", TEXT)), "there twice"),
    "two manifests": (lambda: good(manifest()), "there twice"),
    "a name in latin-1": (lambda: pack(manifest(), entry("\xe9.txt", TEXT), encoding="latin-1", kind=0), "not allowed"),
    "cut in a header": (lambda: good()[:700], "cannot be read"),
    "cut in a file": (lambda: good()[: 512 + 512 + 512 + 2], "cannot be read"),
    "garbage behind the end": (lambda: good() + b"x" * 512, "no entry"),
    "another tar behind the end": (lambda: good() + good(), "no entry"),
    "a broken header in the middle": (
        lambda: manifest_blocks() + b"y" * 512 + entry("a.txt", TEXT)[0].tobuf() + TEXT.ljust(512, b"\0"),
        "no entry",
    ),
    "no manifest": (lambda: pack(entry("a.txt", TEXT)), "has no workload.yml"),
    "a manifest in a folder": (lambda: pack(entry("x/workload.yml", b""), entry("a.txt", TEXT)), "has no workload.yml"),
    "a file that is not named": (lambda: good(entry("b.txt", TEXT)), "'b.txt' is not named"),
    "a file that is not there": (lambda: said("a.txt", "b.txt"), "'b.txt', which is not in the tar"),
    "a file named twice": (lambda: said("a.txt", "[a.txt, a.txt]"), "named twice"),
    "a file outside": (lambda: said("a.txt", "../../etc/passwd"), "not allowed"),
    "an absolute file": (lambda: said("a.txt", "/etc/passwd"), "not a plain relative path"),
    "a URL": (lambda: said("a.txt", "file:///etc/passwd"), "not a plain relative path"),
    "an empty manifest": (lambda: pack(manifest(""), entry("a.txt", TEXT)), "workload.yml"),
    "a list": (lambda: pack(manifest("[1, 2]"), entry("a.txt", TEXT)), "workload.yml"),
    "no YAML": (lambda: pack(manifest("{"), entry("a.txt", TEXT)), "cannot be read in line"),
    "no text": (lambda: pack(entry("workload.yml", b"\xff\xfe\0"), entry("a.txt", TEXT)), "cannot be read"),
    "a billion laughs": (
        lambda: pack(manifest("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), entry("a.txt", TEXT)),
        "anchors",
    ),
    "an object of Python": (lambda: said("lines", "!!python/object/apply:os.system [id]"), "cannot be read"),
    "a key twice": (lambda: said("pipeline: lines", "pipeline: lines\npipeline: other"), "twice"),
    "a key that is none": (lambda: said("pipeline: lines", "pipeline: lines\nowner: root"), "owner: Extra inputs"),
    "a manifest of a megabyte": (lambda: pack(manifest(MANIFEST + "#" * (1 << 20)), entry("a.txt", TEXT)), "At most"),
    "no account": (lambda: said("account", "accounts"), "account: Field required"),
    "no hash": (lambda: said(f", hash: {HASH}", ""), "account.hash: Field required"),
    "a secret in plain text": (lambda: said(HASH, "hunter2"), "hash is not in a form"),
    "a hash with its cost": (lambda: said("$6$", "$6$rounds=999999999$"), "hash is not in a form"),
    "a hash by bcrypt": (lambda: said(HASH, "$2b$31$" + "a" * 53), "hash is not in a form"),
    "a hash by MD5": (lambda: said(HASH, "$1$abcdefgh$" + "a" * 22), "hash is not in a form"),
    "a hash of two lines": (lambda: said(HASH, f'"{HASH}\\nroot:x"'), "hash is not in a form"),
    "a name with a colon": (lambda: said("ada", '"ada:eve"'), "account's name"),
    "a name of two lines": (lambda: said("ada", '"ada\\neve"'), "account's name"),
    "no pipeline of the catalogue": (lambda: said("lines", "nonsense"), "nonsense"),
    "a pipeline outside": (lambda: said("lines", "../../etc"), "../../etc"),
    "a role that is none": (lambda: said("text:", "reads:"), "reads"),
    "no input": (lambda: said("{text: a.txt}", "{}"), "inputs"),
    "a parameter that is none": (lambda: said("inputs", "parameters: {x: $(id)}\ninputs"), "x"),
    "an ending that is none": (
        lambda: pack(manifest(MANIFEST.replace("a.txt", "a.exe")), entry("a.exe", TEXT)),
        "a.exe",
    ),
}
BY_CATALOGUE = {  # known only with the catalogue at hand
    "no pipeline of the catalogue",
    "a pipeline outside",
    "a role that is none",
    "a parameter that is none",
    "an ending that is none",
}
