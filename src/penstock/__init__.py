"""Penstock: files in, a pipeline of independent pods, results out."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without its import: a runner starts for every task and imports this package
if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("penstock")
