"""Attempts as pods, one for each: ``backend.KubernetesBackend``.

Pure: ``plan`` (work → what the pod needs), ``manifest`` (→ the pod), ``verdict`` (a pod's status → what became of it),
``pods`` and ``access`` (outside data → objects), ``room``. Edges: ``cluster`` (the API server), ``watch``, ``files``
(the attempt's directory). ``launcher.sh`` runs in every executor's container.
"""
