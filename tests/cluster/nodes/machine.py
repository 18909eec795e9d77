"""What a machine has: mounts, interfaces, routes, cgroups, packet filters, files. To compare two moments."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Where a cluster leaves something, if it does.
FOLDERS = (
    "/etc",
    "/etc/cni/net.d",
    "/opt",
    "/run",
    "/run/netns",
    "/usr/local/bin",
    "/usr/libexec",
    "/var/lib",
    "/var/log",
)


def _words(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(line.split()[4] for line in lines)


def _cgroups() -> list[str]:
    return sorted(str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir())


def _filters() -> list[str]:
    """Rules that filter or rewrite packets, without their counters; tables and chains that hold none do nothing."""
    lines = [line for tool in ("iptables-save", "ip6tables-save") for line in _words(tool) if line.startswith("-A")]
    return sorted(lines + [line for line in _words("nft", "list", "tables") if "kube-proxy" in line])


def _settings() -> list[str]:
    return _words("sysctl", "net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables")


def state() -> dict[str, list[str]]:
    """All of it, by kind; two states of an unchanged machine are equal."""
    return {
        "mounts": _mounts(),
        "interfaces": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "routes": sorted(_words("ip", "route", "show")),
        "namespaces": sorted(_words("ip", "netns", "list")),
        "cgroups": _cgroups(),
        "filters": _filters(),
        "settings": _settings(),
        "files": sorted(str(path) for folder in FOLDERS if Path(folder).is_dir() for path in Path(folder).iterdir()),
        "hosts": Path("/etc/hosts").read_text().splitlines(),
    }


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """What came and what went, by kind; empty when nothing did."""
    found = {}
    for kind in before:
        came = [one for one in after[kind] if one not in before[kind]]
        went = [one for one in before[kind] if one not in after[kind]]
        if came or went:
            found[kind] = {"came": came, "went": went}
    return found
