"""Which packet filters a node that goes takes with it: its own and kube-proxy's, nobody else's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("clear_node", ROOT / "roles/kubernetes/files/clear_node.py")
assert _spec is not None
assert _spec.loader is not None
clear_node = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(clear_node)

# As iptables-save writes what the plugins bridge, portmap and firewall make.
PODMAN = r"""
*nat
:PREROUTING ACCEPT [0:0]
:CNI-1111 - [0:0]
:CNI-DN-1111 - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \"podman\" id: \"11\"" -j CNI-1111
-A CNI-1111 -d 10.88.0.0/16 -m comment --comment "name: \"podman\" id: \"11\"" -j ACCEPT
-A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \"podman\" id: \"11\"" -m multiport --dports 80 -j CNI-DN-1111
-A CNI-DN-1111 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.88.0.2:80
COMMIT
*filter
:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
COMMIT
""".strip().splitlines()
OURS = r"""
:CNI-2222 - [0:0]
:CNI-DN-2222 - [0:0]
-A POSTROUTING -s 10.244.0.2/32 -m comment --comment "name: \"penstock\" id: \"22\"" -j CNI-2222
-A CNI-2222 -d 10.244.0.0/24 -m comment --comment "name: \"penstock\" id: \"22\"" -j ACCEPT
-A CNI-2222 ! -d 224.0.0.0/4 -j MASQUERADE
-A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \"penstock\" id: \"22\"" -m multiport --dports 443 -j CNI-DN-2222
-A CNI-DN-2222 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.244.0.2:443
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -j KUBE-SERVICES
""".strip().splitlines()
PLAIN = ["*nat", ":PREROUTING ACCEPT [0:0]", "-A POSTROUTING -s 192.168.0.0/24 -j MASQUERADE", "COMMIT"]


def test_rules_of_other_networks_stay_among_ours() -> None:
    assert clear_node.rules_of_others([*PODMAN[:1], *OURS, *PODMAN[1:]]) == PODMAN


@pytest.mark.parametrize("rules", [[], PLAIN, PODMAN], ids=["none", "plain", "another network"])
def test_a_machine_without_our_rules_keeps_all(rules: list[str]) -> None:
    assert clear_node.rules_of_others(rules) == rules


def test_nothing_of_the_plugins_stays_where_only_we_used_them() -> None:
    hostport = [":CNI-HOSTPORT-DNAT - [0:0]", "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"]
    assert clear_node.rules_of_others([*PLAIN[:2], *hostport, *OURS, *PLAIN[2:]]) == PLAIN


def test_leases_of_our_network_go_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear_node, "LEASES", tmp_path / "cni")
    for name in (
        "networks/penstock/10.244.0.2",
        "networks/podman/10.88.0.2",
        "results/penstock-22-eth0",
        "results/cni-loopback-22-lo",
    ):
        (tmp_path / "cni" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cni" / name).touch()
    clear_node.remove_leases()
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "cni", "cni/networks", "cni/networks/podman", "cni/networks/podman/10.88.0.2",
    ]  # fmt: skip


def test_the_plugins_folder_goes_when_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear_node, "LEASES", tmp_path / "cni")
    (tmp_path / "cni" / "networks" / "penstock").mkdir(parents=True)
    clear_node.remove_leases()
    clear_node.remove_leases()
    assert list(tmp_path.iterdir()) == []
