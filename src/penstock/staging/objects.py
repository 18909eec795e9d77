"""``s3://``, ``gs://`` and ``az://`` by obstore: ranges, resume, multipart, listings; a few MiB of memory for any size.

An owner's endpoint is reached by TLS only, unless private addresses are allowed: whoever answers must have its
certificate, so a name that changes its address after it was looked at leads to nobody's data.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.names import check_relative_path
from penstock.staging.addresses import resolve
from penstock.staging.arrival import LARGEST, Arrival, Fetched, arrive, insist
from penstock.staging.storage import Storage
from penstock.staging.urls import Remote, remote, shown

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, RetryConfig, S3Config

PART = 8 << 20
MOST_PARTS = 9000  # S3 takes 10,000
MOST_FILES = 100_000  # of one directory
_PARTS_AT_ONCE = 2
_REGION = "us-east-1"
_FINAL = (
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
    exceptions.InvalidPathError,
    exceptions.NotSupportedError,
    exceptions.UnknownConfigurationKeyError,
)
_TRANSIENT = ("408", "425", "429")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})\b")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_RETRY: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}  # the rest is insisted on by us


class ObjectPlace:
    """What one URL of an object store names."""

    def __init__(self, url: str, storage: Storage | None, *, allow_private: bool, largest: int = LARGEST) -> None:
        self._url, self._shown = url, shown(url)
        self._where = remote(url)
        self._storage = storage
        self._allow_private = allow_private
        self._largest = largest
        self._opened: ObjectStore | None = None

    def fetch(self, target: Path, deadline: Deadline) -> Fetched:
        """The object."""
        return arrive(self._url, target, deadline, self._go_on, largest=self._largest)

    def names(self, deadline: Deadline) -> list[str]:
        """The objects below this prefix, as relative paths."""
        return insist(self._list, deadline)

    def send(self, source: Path, deadline: Deadline) -> None:
        """The object appears at once: several parts are put together when all have come."""
        insist(lambda: self._put(source, deadline), deadline)

    def _go_on(self, arrival: Arrival) -> None:
        with self._told("fetched", arrival):
            options: obstore.GetOptions = {}
            if arrival.size and arrival.validator:
                options = {"range": {"offset": arrival.size}, "if_match": arrival.validator}
            elif arrival.size:
                arrival.restart()
            answer = obstore.get(self._store(), self._where.path, options=options)
            arrival.expect(answer.meta["size"])
            arrival.validator = answer.meta["e_tag"]
            if arrival.size < answer.meta["size"]:
                for chunk in answer.stream(min_chunk_size=1 << 20):
                    arrival.take(bytes(chunk))

    def _list(self) -> list[str]:
        prefix = self._where.path.strip("/")
        found: dict[str, int] = {}
        with self._told("listed"):
            for batch in obstore.list(self._store(), prefix or None):
                found |= {meta["path"]: meta["size"] for meta in batch}
                if len(found) > MOST_FILES:
                    raise InvalidInput(f"{self._shown} holds more than {MOST_FILES} files.")
        names = [path[len(prefix) :].lstrip("/") for path in _without_folders(found) if path != prefix]
        if not names:
            raise InvalidInput(f"{self._shown} does not exist: nothing has this prefix.")
        for name in names:
            check_relative_path(name)
        return sorted(names)

    def _put(self, source: Path, deadline: Deadline) -> None:
        size = source.stat().st_size
        part = max(PART, -(-size // MOST_PARTS))
        with self._told("sent"):
            if size <= part:
                obstore.put(self._store(), self._where.path, source.read_bytes(), use_multipart=False)
                return
            chunks = self._chunks(source, part, deadline)
            obstore.put(self._store(), self._where.path, chunks, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)

    def _chunks(self, source: Path, part: int, deadline: Deadline) -> Iterator[bytes]:
        with source.open("rb") as file:
            while chunk := file.read(part):
                if deadline.passed:
                    raise Unreachable(f"{self._shown} was not sent in time.")
                yield chunk

    def _store(self) -> ObjectStore:
        if self._opened is None:
            check_endpoint(self._shown, endpoint_of(self._where, self._storage), allow_private=self._allow_private)
            self._opened = open_store(self._where, self._storage, allow_http=self._allow_private)
        return self._opened

    @contextlib.contextmanager
    def _told(self, done: str, arrival: Arrival | None = None) -> Iterator[None]:
        """Errors of the store become ours, with the URL and without what a store's answer may repeat of a secret."""
        what = f"{self._shown} cannot be {done}"
        try:
            yield
        except (exceptions.PreconditionError, exceptions.NotModifiedError) as error:
            if arrival is not None:
                arrival.restart()
            raise Unreachable(f"{what}: it changed while it was read.") from error
        except (FileNotFoundError, *_FINAL) as error:
            raise InvalidInput(f"{what}: {self._refusal(error)}.") from error
        except ValueError as error:
            raise InvalidInput(f"{what}: its name or its credentials cannot be used.") from error
        except exceptions.BaseError as error:
            status, code = _answered(str(error))
            if status.startswith("4") and status not in _TRANSIENT:
                raise InvalidInput(f"{what}: {self._refusal(error)}.") from error
            told = f"the store answers {status} {code}".rstrip() if status else "the connection failed"
            raise Unreachable(f"{what}: {told}.") from error

    def _refusal(self, error: Exception) -> str:
        """Why the store does not do it, from what it answered: some say 404 to an unknown key."""
        status, code = _answered(str(error))
        denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        if status in ("401", "403") or isinstance(error, denied) or _is_about_keys(code):
            if self._storage is None:
                return "access is denied, and its owner has stored no credentials for it"
            return f"access is denied with the credentials {self._storage.name!r}" + (f" ({code})" if code else "")
        if status == "404" or isinstance(error, FileNotFoundError):
            return "it does not exist" + (f" ({code})" if code else "")
        return f"the store answers {status} {code}".rstrip() if status else "the store does not support that"


def endpoint_of(where: Remote, storage: Storage | None) -> str:
    """The address that requests go to."""
    if storage is not None and storage.endpoint:
        return storage.endpoint
    if where.scheme == "s3":
        return f"https://s3.{(storage and storage.region) or _REGION}.amazonaws.com"
    if where.scheme == "az":
        return f"https://{storage.secret['account_name'] if storage else ''}.blob.core.windows.net"
    return "https://storage.googleapis.com"


def check_endpoint(url: str, endpoint: str, *, allow_private: bool) -> None:
    """InvalidInput unless ``endpoint`` may be spoken to."""
    parts = urlsplit(endpoint)
    if allow_private:
        return
    if parts.scheme != "https":
        raise InvalidInput(f"{url} is refused: its endpoint {endpoint!r} is not https.")
    try:
        resolve(parts.hostname or "", parts.port or 443, allow_private=False)
    except InvalidInput as error:
        raise InvalidInput(f"{url} is refused: {error.message}", hint=error.hint) from error


def open_store(where: Remote, storage: Storage | None, *, allow_http: bool) -> ObjectStore:
    """The bucket. Without credentials it is read as everybody may."""
    client: ClientConfig = {
        "allow_http": allow_http, "timeout": timedelta(hours=6), "read_timeout": timedelta(seconds=60),
        "connect_timeout": timedelta(seconds=20), "user_agent": "penstock",
    }  # fmt: skip
    if where.scheme == "s3":
        return _open_s3(where, storage, client)
    if where.scheme == "gs":
        return _open_gs(where, storage, client)
    if storage is None:
        raise InvalidInput(
            f"az://{where.place}/ needs credentials.", hint="Store them with `penstock credentials set`."
        )
    account: AzureConfig = {
        "account_name": storage.secret["account_name"],
        "account_key": storage.secret["account_key"],
        "endpoint": endpoint_of(where, storage),
    }
    return AzureStore(where.place, config=account, client_options=client, retry_config=_RETRY)


def _open_s3(where: Remote, storage: Storage | None, client: ClientConfig) -> ObjectStore:
    config: S3Config = {
        "region": (storage and storage.region) or _REGION,
        "endpoint": endpoint_of(where, storage),
    }
    if storage is None:
        config["skip_signature"] = True
    else:
        config["access_key_id"] = storage.secret["access_key_id"]
        config["secret_access_key"] = storage.secret["secret_access_key"]
        if "session_token" in storage.secret:
            config["session_token"] = storage.secret["session_token"]
    return S3Store(where.place, config=config, client_options=client, retry_config=_RETRY)


def _open_gs(where: Remote, storage: Storage | None, client: ClientConfig) -> ObjectStore:
    if storage is None:
        return GCSStore(where.place, skip_signature=True, client_options=client, retry_config=_RETRY)
    # The key's own text may name another address to speak to: only what was checked counts.
    key = {name: value for name, value in json.loads(storage.secret["service_account_key"]).items() if name in _GS_KEY}
    if storage.endpoint:
        key |= {"gcs_base_url": storage.endpoint, "disable_oauth": storage.endpoint.startswith("http:")}
    return GCSStore(where.place, service_account_key=json.dumps(key), client_options=client, retry_config=_RETRY)


_GS_KEY = frozenset({"type", "private_key", "private_key_id", "client_email", "client_id", "project_id"})


def _without_folders(sizes: dict[str, int]) -> list[str]:
    """Objects that are not merely the marks of folders: empty, and with others below them."""
    folders = {path.rpartition("/")[0] for path in sizes}
    return [path for path, size in sizes.items() if size or path not in folders]


def _answered(text: str) -> tuple[str, str]:
    """HTTP status and S3's code in the text of an obstore error, which has no fields for them."""
    status, code = _STATUS.search(text), _CODE.search(text)
    return status[1] if status else "", code[1] if code else ""


def _is_about_keys(code: str) -> bool:
    return any(word in code for word in ("AccessKey", "Signature", "UserNotFound", "AccessDenied", "Token"))
