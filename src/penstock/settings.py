"""One validated settings object; every field is ``PENSTOCK_<NAME>`` in the environment (docs/settings.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

import penstock
from penstock.allowances import Allowance
from penstock.errors import SetupError

DEFAULT_URL = "http://127.0.0.1:8642"


def _state_home() -> Path:
    return Path.home() / ".local" / "state" / "penstock"


class Settings(BaseSettings):
    """What server, agent and client can be told. Sizes are bytes, times seconds, unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", extra="ignore", env_ignore_empty=True)

    # Where the server is, and who calls
    url: str = Field(
        DEFAULT_URL, description="Address of the server (or of NGINX before it) that clients and agents call."
    )
    socket: Path | None = Field(None, description="Unix socket to reach the server by, instead of the address's host.")
    token_file: Path = Field(
        default_factory=lambda: Path.home() / ".config" / "penstock" / "token",
        description="File with the bearer token that clients and agents send.",
    )
    ca_file: Path | None = Field(None, description="Certificate authority to trust besides the system's.")
    state: Path = Field(default_factory=_state_home, description="Where the client keeps what it needs to resume.")
    patience_s: float = Field(
        600.0, ge=0, description="How long a client keeps trying when a server that answered before is gone."
    )

    # Server
    data: Path = Field(
        default_factory=lambda: _state_home() / "server",
        description="The server's folder: workspace, database, secrets, sockets.",
    )
    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: int = Field(8642, ge=0, le=65535, description="Port the server listens on; 0 lets the system choose.")
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://user@host/name` or `sqlite:////path` of the database; default: SQLite in the data folder.",
    )
    database_url_file: Path | None = Field(
        None, description="File that holds the database's URL, for one with a password in it."
    )
    database_patience_s: float = Field(
        10.0, ge=0, description="How long a request waits for a PostgreSQL that is away before it is answered with 503."
    )
    key_file: Path | None = Field(
        None,
        description="File with the server's own key, the same for all servers of one store; default: in the data folder.",
    )
    run: Path | None = Field(None, description="Folder of the server's sockets; default: below the data folder.")
    deployment: str = Field("local", pattern=r"^[a-z0-9][a-z0-9-]{0,30}$", description="Name of this deployment.")
    authentication: Literal["tokens", "none"] = Field(
        "tokens", description="Whether requests need a token; 'none' only on loopback."
    )
    anonymous_owner: str = Field(
        "local", description="Owner of what is sent without a token when authentication is 'none'."
    )
    public_url: str | None = Field(
        None,
        description="Address that the server puts into the URLs it hands out; default: the address it was called by.",
    )
    sendfile: Literal["application", "nginx"] = Field(
        "application", description="Who sends downloads: the application, or NGINX by X-Accel-Redirect."
    )
    catalogue: Annotated[list[Path], NoDecode] = Field(
        [], description="Further folders with pipelines, separated by ':'."
    )
    allow_path: Annotated[list[Path], NoDecode] = Field(
        [], description="Folders whose files tasks may name by file:// URLs, separated by ':' (bare serve only)."
    )
    foreign_images: Literal["warn", "refuse"] = Field(
        "warn", description="What the local backend does with an image other than the tools image."
    )
    largest_upload: int = Field(1 << 40, ge=1, description="Largest file that may be uploaded.")
    allow_private_urls: bool = Field(
        False, description="Whether inputs may be fetched from loopback, link-local and private addresses."
    )
    transfer_limit_s: int = Field(
        6 * 3600, ge=1, description="How long fetching the remote inputs of a task, or sending its outputs, may take."
    )
    largest_input: int = Field(1 << 40, ge=1, description="Largest file that a task may fetch as a remote input.")
    workspace_reserve: int = Field(
        1 << 30, ge=0, description="Bytes of the workspace's disk that uploads must leave free."
    )
    drop_box: bool = Field(
        False, description="Whether a tar with a workload.yml, put to /upload/ without a token, starts a workload."
    )
    drop_box_largest: int = Field(10 << 30, ge=1, description="Largest tar that the drop box takes.")
    anonymous_workloads: bool = Field(
        False, description="Whether strangers can create workloads; with authentication 'none' there are none."
    )
    anonymous_largest: int = Field(10 << 30, ge=1, description="Most bytes that one workload without a token may send.")
    anonymous_at_once: int = Field(
        100, ge=1, description="Most workloads without a token that are here at once, the drop box's among them."
    )
    anonymous_per_hour: int = Field(
        600, ge=1, description="Most workloads without a token that are created in an hour."
    )
    quota_workloads: int = Field(0, ge=0, description="Most workloads that one owner may have here; 0: any number.")
    quota_bytes: int = Field(0, ge=0, description="Most bytes that an owner's workloads may have here; 0: any number.")
    quota_files: int = Field(0, ge=0, description="Most files that an owner's workloads may have here; 0: any number.")
    retention_s: int = Field(
        14 * 86_400, ge=60, description="How long a finished workload that nobody acknowledges is kept."
    )
    task_retention_s: int = Field(
        90 * 86_400, ge=60, description="How long a task that ended, and belongs to no workload, is kept."
    )
    warn_before_s: int = Field(
        3 * 86_400,
        ge=0,
        description="How long before its removal the owner of a finished workload is warned; 0: never.",
    )
    webhook_url: str | None = Field(None, description="Address that a warning is posted to as JSON.")
    smtp_host: str | None = Field(None, description="Mail server that warnings are sent by.")
    smtp_port: int = Field(25, ge=1, le=65535, description="Its port.")
    smtp_from: str | None = Field(None, description="Sender of the mails.")
    smtp_to: str | None = Field(None, description="Receiver of the mails; '{owner}' in it is the workload's owner.")
    upload_expiry_s: int = Field(
        2 * 86_400, ge=60, description="How long an upload may stay unfinished without a new byte."
    )
    longest_wait_s: float = Field(
        50.0, gt=0, le=3600, description="Longest long-poll; keep it below the proxy's time-out."
    )
    lease_s: float = Field(30.0, ge=1, description="How long an agent holds an attempt without renewing it.")
    retry_backoff_s: float = Field(
        2.0, ge=0, description="Wait before the second attempt; doubles with each further one, up to 5 minutes."
    )

    owners: dict[str, Allowance] = Field(
        {},
        description="JSON object of owners' shares and limits by name; `*` is everybody (docs/operators.md).",
    )

    # Agent
    site: str = Field("local", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of the agent's site.")
    site_tags: dict[str, str] = Field({}, description="JSON object of tags that tasks can ask for at this site.")
    workspace: Path | None = Field(
        None, description="Where this site mounts the workspace; default: below the data folder."
    )
    agent_state: Path | None = Field(
        None, description="Where the agent keeps its lock and socket; default: below the data folder."
    )
    cpu_cores: float | None = Field(
        None, gt=0, description="CPU cores the agent offers; default: what the machine has."
    )
    ram_gb: float | None = Field(
        None, gt=0, description="Memory the agent offers, in 10^9 bytes; default: 0.9 of what the machine has."
    )
    slots: int = Field(64, ge=1, description="Attempts the agent runs at once, at most.")
    give_up_s: float = Field(
        900.0, gt=0, description="How long an agent lets its runners go on without reaching the server."
    )
    backend: Literal["local", "kubernetes"] = Field(
        "local", description="How the agent runs attempts: in sandboxes of its machine, or as pods."
    )

    # Agent with the backend kubernetes
    kubeconfig: Path | None = Field(
        None, description="File that says how to reach the cluster; default: the service account of the agent's pod."
    )
    namespace: str | None = Field(
        None, description="Namespace of the pods; default: that of the kubeconfig or of the agent's pod."
    )
    workspace_claim: str | None = Field(
        None,
        description="PersistentVolumeClaim with the workspace. Without it files travel through the server.",
    )
    workspace_subpath: str = Field("", description="Folder of the claim in which the workspace lies.")
    workspace_node: str | None = Field(
        None, description="Node on which all pods are kept, where only one node can mount the claim (RWO)."
    )
    tools_image: str = Field("penstock/tools:1", description="Image that stands for penstock/tools:1 in pods.")
    server_image: str = Field(
        f"penstock/server:{penstock.__version__}", description="Image with Penstock, for transfers in pods."
    )
    launcher_image: str = Field(
        f"penstock/launcher:{penstock.__version__}", description="Image with a static busybox at /bin/busybox."
    )
    image_pull_secret: str | None = Field(None, description="Secret of the namespace with the registry's credentials.")
    pod_user: int = Field(10001, ge=1, description="User and group of pods; the owner of the workspace's files.")
    pod_url: str | None = Field(
        None, description="Address of the server as pods reach it; default: the one the agent uses."
    )
    allow_root: bool = Field(False, description="Whether tasks that ask for it run as root in their pods.")
    image_volumes: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether pods mount the launcher's image as a volume (no: a container copies it); auto: it lies in the "
        "workspace where that is mounted and the agent has a static busybox, else yes from Kubernetes 1.35 on.",
    )
    pod_resources: Literal["auto", "yes", "no"] = Field(
        "auto", description="Whether the cluster knows resources of whole pods; auto: from Kubernetes 1.34 on."
    )
    cpu_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Part of a task's CPU cores that its pod requests; below 1 on small nodes, whose own pods take a part.",
    )
    pending_limit_s: float = Field(
        600.0, gt=0, description="How long a pod may wait for a node or its images before the attempt counts as lost."
    )

    # All
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people.")

    @field_validator("catalogue", "allow_path", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(":") if part] if isinstance(value, str) else value

    @property
    def workspace_path(self) -> Path:
        """Root of the workspace on this machine."""
        return self.workspace or self.data / "workspace"

    @property
    def agent_state_path(self) -> Path:
        """The agent's own folder."""
        return self.agent_state or self.data / "agent"

    @property
    def mounts_workspace(self) -> bool:
        """Whether the agent's tasks see the workspace itself."""
        return self.backend == "local" or self.workspace_claim is not None

    @property
    def run_path(self) -> Path:
        """Folder of the server's sockets; bound into sandboxes that may reach the server."""
        return self.run or self.data / "run"

    @property
    def key_path(self) -> Path:
        """The key that signs attempts' tokens."""
        return self.key_file or self.data / "secrets" / "key"

    def store_url(self) -> str:
        """Where the database is, with its password: never to be shown."""
        if self.database_url_file is not None:
            try:
                return self.database_url_file.read_text().strip()
            except OSError as error:
                raise SetupError(
                    f"Cannot read the database's URL in {self.database_url_file}: {error.strerror}."
                ) from error
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data.absolute() / 'penstock.db'}"

    def token(self) -> str | None:
        """The bearer token of ``token_file``; None when there is no such file. It never stands in the environment."""
        try:
            return self.token_file.read_text().strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SetupError(f"Cannot read the token in {self.token_file}: {error.strerror}.") from error
