"""Write tests/data/kubernetes/*.json: what Kubernetes says that our manifests' kinds look like.

kubernetes_schemas.py FOLDER…: sources of Kubernetes, as `go list -m -f '{{.Dir}}' k8s.io/kubernetes` names them in a
folder of mirror/. Descriptions are left out, unknown fields are not allowed: what the API server would silently drop is
an error.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "kubernetes"
KINDS = {
    "": "ConfigMap Namespace PersistentVolume PersistentVolumeClaim Pod Secret Service ServiceAccount",
    "apiregistration.k8s.io": "APIService",
    "apps": "Deployment StatefulSet",
    "batch": "Job",
    "networking.k8s.io": "Ingress NetworkPolicy",
    "policy": "PodDisruptionBudget",
    "rbac.authorization.k8s.io": "ClusterRole ClusterRoleBinding Role RoleBinding",
}


def plain(node: Any) -> Any:  # noqa: ANN401 - a JSON document
    """Without descriptions and extensions."""
    if isinstance(node, list):
        return [plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: plain(value)
        for key, value in node.items()
        if not key.startswith("x-kubernetes-") and not (key == "description" and isinstance(value, str))
    }
    if kept.get("format") == "int-or-string":
        kept["type"] = ["integer", "string"]
    if isinstance(kept.get("properties"), dict) and "additionalProperties" not in kept and "type" in kept:
        kept["additionalProperties"] = False
    return kept


def names(definitions: dict[str, Any]) -> dict[str, str]:
    """`group/Kind` of version v1 with the name of its definition."""
    found = {}
    for name, definition in definitions.items():
        for one in definition.get("x-kubernetes-group-version-kind", []):
            if one["version"] == "v1" and one["kind"] in KINDS.get(one["group"], "").split():
                found[f"{one['group']}/{one['kind']}"] = name
    return found


def schemas(swagger: dict[str, Any]) -> dict[str, Any]:
    """The kinds, and all that they are made of."""
    definitions, kinds = swagger["definitions"], names(swagger["definitions"])
    wanted, kept = list(kinds.values()), {}
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = plain(definitions[name])
            if name.endswith(".Quantity"):
                kept[name]["type"] = ["number", "string"]
            wanted += re.findall(r'"#/definitions/([^"]+)"', json.dumps(kept[name]))
    return {"version": swagger["info"]["version"], "kinds": kinds, "definitions": kept}


def main() -> None:
    """One file for each minor version."""
    for folder in sys.argv[1:]:
        swagger = json.loads((Path(folder) / "api" / "openapi-spec" / "swagger.json").read_text())
        minor = re.search(r"@v(\d+\.\d+)", folder)
        found = schemas(swagger)
        (DATA / f"{minor[1] if minor else found['version']}.json").write_text(
            json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n"
        )


if __name__ == "__main__":
    main()
