#!/usr/bin/python3
"""Remove what a node's kubelet and containerd leave behind, once both have ended: processes, mounts, networks, cgroups.

    clear_node.py FOLDER…

Says what it removed, one a line; can be repeated. The folders are those of containerd, the kubelet and the cluster.
Pods are found by their cgroups, shims by the socket they serve, mounts by the folders they lie in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PARENTS = ("kubepods", "kubepods.slice", "k8s.io")  # of pods; and what containerd uses without the kubelet
NETWORK = "penstock"  # other programs have networks of these plugins, too
LEASES = Path("/var/lib/cni")  # of the plugins
RESULTS = (f"{NETWORK}-*", "cni-loopback-*")  # the second is what containerd calls a pod's own interface
END_S = 15.0


def say(what: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{what}\n")


def run(*command: str, given: str | None = None) -> str:
    """What a command says; nothing where it fails or does not exist."""
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def hierarchies() -> Iterator[Path]:
    """Where cgroups are mounted: one place with version 2, one a controller with version 1."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(place)


def pod_cgroups() -> list[Path]:
    """All cgroups of pods of this node, the innermost first."""
    tops = [top / parent for top in hierarchies() for parent in PARENTS if (top / parent).is_dir()]
    found = [folder for top in tops for folder in (top, *(path for path in top.rglob("*") if path.is_dir()))]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def pids_of_pods() -> set[int]:
    """Processes in those cgroups."""
    texts = ((folder / "cgroup.procs").read_text() for folder in pod_cgroups() if (folder / "cgroup.procs").exists())
    return {int(word) for text in texts for word in text.split()}


def pids_of_shims() -> set[int]:
    """The shims of our containerd's pods; another machine's node in namespaces has mounts of its own."""
    ours = Path("/proc/self/ns/mnt").readlink()
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            shim = words[0].endswith(b"containerd-shim-runc-v2") and b"k8s.io" in words
            if shim and (folder / "ns/mnt").readlink() == ours:
                found.add(int(folder.name))
        except (OSError, ValueError):
            continue  # no process, or one that has just ended
    return found


def end(what: str, pids: Callable[[], set[int]]) -> None:
    """Kill until none is left."""
    deadline = time.monotonic() + END_S
    first = pids()
    while left := pids():
        if time.monotonic() > deadline:
            sys.exit(f"{what} do not end: {sorted(left)}")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
    if first:
        say(f"{len(first)} {what}")


def mounts_below(folders: list[Path]) -> list[Path]:
    """What is mounted there, the last mounted first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return [place for place in reversed(places) if any(place.is_relative_to(folder) for folder in folders)]


def unmount(folders: list[Path]) -> None:
    """Unmount all of it."""
    found = mounts_below(folders)
    for place in found:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)
    if found:
        say(f"{len(found)} mounts")


def remove_networks() -> None:
    """The bridge, and the rules of network plugins and of kube-proxy."""
    if run("ip", "link", "show", "cni0"):
        run("ip", "link", "delete", "cni0")
        say("cni0")
    for family in ("ip", "ip6"):
        if run("nft", "list", "table", family, "kube-proxy"):
            run("nft", "delete", "table", family, "kube-proxy")
            say(f"the rules of kube-proxy for {family}")
    for suffix in ("", "6"):
        rules = run(f"ip{suffix}tables-save").splitlines()
        kept = rules_of_others(rules)
        if kept != rules:
            run(f"ip{suffix}tables-restore", given="\n".join([*kept, ""]))
            say(f"rules of ip{suffix}tables")
    remove_empty_tables()
    remove_leases()


def rules_of_others(rules: list[str]) -> list[str]:
    """All but kube-proxy's and those of our network; a chain that only its rules led to goes with them."""
    named = f'name: \\"{NETWORK}\\"'
    chains = {line.split(" -j ")[1].split()[0] for line in rules if named in line and " -j CNI-" in line}
    gone = re.compile("|".join([r"\bKUBE-", re.escape(named), *(rf"\b{chain}\b" for chain in sorted(chains))]))
    kept = [line for line in rules if not gone.search(line)]
    forwards = any(re.search(r"-j CNI-DN-", line) for line in kept)
    return [line for line in kept if forwards or "CNI-HOSTPORT-" not in line]


def remove_leases() -> None:
    """Addresses that pods had; the folder itself where nobody else has any."""
    found = [
        *LEASES.glob(f"networks/{NETWORK}"),
        *(path for name in RESULTS for path in LEASES.glob(f"results/{name}")),
    ]
    for place in found:
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    if found:
        say(f"{len(found)} leases of addresses")
    for folder in (*LEASES.glob("*"), LEASES):
        try:
            folder.rmdir()
        except OSError:
            continue  # it has something, is a mount, or is not there


def remove_empty_tables() -> None:
    """Tables of iptables that hold nothing: looking at one makes it."""
    for family in ("ip", "ip6"):
        for table in ("nat", "filter", "mangle", "raw"):
            lines = [line.strip() for line in run("nft", "list", "table", family, table).splitlines()]
            plain = ("table ", "chain ", "type ", "}", "#")
            empty = all(not line or line.startswith(plain) for line in lines)
            if lines and empty and "policy drop" not in "".join(lines):
                run("nft", "delete", "table", family, table)


def remove_cgroups() -> None:
    """They are empty now."""
    found = pod_cgroups()
    for folder in found:
        try:
            folder.rmdir()
        except OSError:
            continue  # the kernel still lets go of what was in it: the next run removes it
    if found:
        say(f"{len(found)} cgroups")


def remove_folders(folders: list[Path]) -> None:
    """Files last; a folder that is a mount of its own stays, empty."""
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            for left in folder.iterdir() if folder.is_dir() else []:
                say(f"{left} stays")
            say(str(folder))


def main() -> None:
    """Everything, from what uses to what is used."""
    folders = [Path(word) for word in sys.argv[1:]]
    end("processes of pods", pids_of_pods)
    end("shims", pids_of_shims)
    unmount(folders)
    remove_networks()
    remove_cgroups()
    remove_folders(folders)


if __name__ == "__main__":
    main()
