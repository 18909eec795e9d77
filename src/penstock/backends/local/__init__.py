"""Attempts as sandboxed processes of this machine: ``backend.LocalBackend``.

Three programs share this folder. The agent: ``backend``, ``site``, ``plan``, ``launch``, ``births``, ``watch``,
``room``, ``tools``. The runner, one process for each attempt that outlives the agent: ``runner``, ``fetch``,
``sandbox``, and what it shares with other backends (``penstock.backends.attempt``). The runners' parent (``parent``),
which has all that imported and forks them. Where no parent can be had a runner starts by itself, so its modules import
only fast parts of the standard library, and this file nothing.
"""
