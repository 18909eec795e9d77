"""A storage credential as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credential:
    """What it opens, and its values sealed; ``bucket`` is a bucket, a container, or the host of an FTP server."""

    owner: str
    name: str
    scheme: str
    bucket: str
    prefix: str
    endpoint: str
    region: str
    sealed: bytes = field(repr=False)
    created_us: int
    changed_us: int

    @property
    def bound(self) -> tuple[str, ...]:
        """What the values are sealed together with: none of it can be changed without its owner."""
        return (self.owner, self.name, self.scheme, self.bucket, self.prefix, self.endpoint, self.region)
