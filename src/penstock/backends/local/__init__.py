"""Attempts as sandboxed processes of this machine: ``backend.LocalBackend``.

Two programs share this folder. The agent: ``backend``, ``site``, ``plan``, ``launch``, ``watch``, ``room``, ``tools``.
The runner, one process for each attempt that outlives the agent: ``runner``, ``fetch``, ``sandbox``, and what it shares
with other backends (``penstock.backends.attempt``). It starts for every task, so its modules import only fast parts of
the standard library, and this file nothing.
"""
