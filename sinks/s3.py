"""S3-compatible store through s3fs: the only import of s3fs in the project."""

import asyncio
import base64
import errno
import hashlib
import zlib
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import aiohttp
import botocore.exceptions
import s3fs
from fsspec.asyn import sync
from s3fs.core import _error_wrapper

from sinks.store import (
    Lifecycle,
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    Part,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)

_CONCURRENT_REQUESTS = 16  # per call; more only queues in the connection pool
_NO_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.ProfileNotFound,
)
_NO_ANSWER = (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectTimeoutError)
_PERMANENT = (PermissionError, *_NO_CREDENTIALS, botocore.exceptions.ParamValidationError)
_PERMANENT_NUMBERS = {errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.EPERM}  # how s3fs says most 4xx
_TEMPORARY = (OSError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, aiohttp.ClientError)
_BLIP_RETRIES = 2  # of s3fs, each with those of botocore inside
_CONFIG = {
    "retries": {"mode": "standard", "max_attempts": 3},  # for blips; `SteadyStore` waits out what takes longer
    "max_pool_connections": 32,
    "connect_timeout": 5,
    "read_timeout": 30,  # seconds without a byte, not for a whole body
}

_WHOLE = slice(None)

T = TypeVar("T")
_NO_SUCH_RANGE = {"InvalidRange", "416"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412"}  # an object of that key is there, or comes now


class S3Store(ObjectStore):
    """A bucket and prefix, `s3://bucket/prefix`.

    `options` go to `s3fs.S3FileSystem` as they are (key, secret, endpoint_url, client_kwargs, config_kwargs, ...).
    """

    def __init__(self, uri: str, options: Mapping[str, Any] | None = None) -> None:
        self.uri = uri.rstrip("/")
        self._root = self.uri.removeprefix("s3://")
        merged: dict[str, Any] = {
            "use_listings_cache": False,  # other processes write the same lake
            "default_cache_type": "none",
            "skip_instance_cache": True,
            **(options or {}),
        }
        merged["config_kwargs"] = _CONFIG | merged.get("config_kwargs", {})
        named = merged.get("endpoint_url") or dict(merged.get("client_kwargs") or {}).get("endpoint_url")
        self._endpoint = str(named or "AWS S3")
        self._fs = s3fs.S3FileSystem(**merged)
        self._fs.retries = _BLIP_RETRIES
        self._proves_size = True  # an answer that is a whole object tells how large that is

    def put(self, objects: Mapping[str, bytes]) -> None:
        jobs = {key: self._fs._pipe_file(self._path(key), content) for key, content in objects.items()}
        if self._gather(jobs, missing_ok=True):
            raise self._no_bucket()

    def create(self, objects: Mapping[str, bytes]) -> set[str]:
        taken: set[str] = set()

        async def create(key: str, content: bytes) -> None:
            try:
                await self._fs._pipe_file(self._path(key), content, mode="create")
            except OSError as error:
                if _code(error) not in _TAKEN:
                    raise
                taken.add(key)

        if self._gather({key: create(key, content) for key, content in objects.items()}, missing_ok=True):
            raise self._no_bucket()
        return taken

    def read(self, key: str) -> bytes:
        return self._one(key, self._get(key)).content

    def read_part(self, key: str, start: int, length: int) -> Part:
        return self._one(key, self._get(key, slice(start, start + length)))

    def read_tail(self, key: str, length: int) -> Part:
        return self._one(key, self._get(key, slice(-length, None)))

    def size(self, key: str) -> int:
        return int(self._one(key, self._fs._info(self._path(key)))["size"])

    def copy(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = list(pairs)
        jobs = {target: self._fs._cp_file(self._path(source), self._path(target)) for source, target in pairs}
        missing = self._gather(jobs, missing_ok=True)
        return [pair for pair in pairs if pair[1] in missing]

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        for start in range(0, len(keys), 1000):  # one DeleteObjects request takes 1,000 keys
            chunk = [self._path(key) for key in keys[start : start + 1000]]
            self._one(keys[start], self._fs._bulk_delete(chunk))

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        for found in self._pages(Prefix=self.prefix + prefix, **({"StartAfter": self.prefix + after} if after else {})):
            for one in found.get("Contents", []):
                if one["Key"].endswith("/"):
                    continue  # some servers list folders too
                modified_ms = int(one["LastModified"].timestamp() * 1000)
                yield ObjectInfo(one["Key"].removeprefix(self.prefix), int(one["Size"]), modified_ms)

    def folders(self, prefix: str, *, with_old: bool = False) -> Sequence[str]:
        return sorted(self._folders(prefix) | (self._folders_of_versions(prefix) if with_old else set()))

    def lifecycle(self) -> Lifecycle:
        return S3Lifecycle(self)

    def purge_old_versions(self) -> dict[str, str]:
        if not self.call("get_bucket_versioning").get("Status"):
            return {}
        page: dict[str, Any] = {}
        markers: list[dict[str, Any]] = []  # go last: without its marker an old version on the next page is current
        failed: dict[str, str] = {}
        while True:
            found = self.call("list_object_versions", Prefix=self.prefix, **page)
            failed |= self._delete_versions([one for one in found.get("Versions", []) if not one["IsLatest"]])
            markers += found.get("DeleteMarkers", [])
            if not found.get("IsTruncated"):
                break
            page = {"KeyMarker": found["NextKeyMarker"], "VersionIdMarker": found["NextVersionIdMarker"]}
        hiding = [one for one in markers if one["Key"].removeprefix(self.prefix) not in failed]
        return failed | self._delete_versions(hiding)

    def call(self, method: str, **arguments: object) -> dict[str, Any]:
        """One request of the S3 API to the lake's bucket."""
        bucket = self._root.partition("/")[0]
        return cast("dict[str, Any]", self._one("", self._fs._call_s3(method, Bucket=bucket, **arguments)))

    @property
    def prefix(self) -> str:
        """The lake's prefix in its bucket, "" or ending in "/"."""
        inside = self._root.partition("/")[2]
        return f"{inside}/" if inside else ""

    def _folders(self, prefix: str) -> set[str]:
        names: set[str] = set()
        for found in self._pages(Prefix=self.prefix + prefix, Delimiter="/"):
            names |= {one["Prefix"].rstrip("/").rpartition("/")[2] for one in found.get("CommonPrefixes", [])}
        return names

    def _pages(self, **arguments: object) -> Iterator[dict[str, Any]]:
        while True:
            try:
                found = self.call("list_objects_v2", **arguments)
            except ObjectMissing:
                raise self._no_bucket() from None
            yield found
            if not found.get("IsTruncated"):
                return
            arguments.pop("StartAfter", None)
            arguments["ContinuationToken"] = found["NextContinuationToken"]

    def _folders_of_versions(self, prefix: str) -> set[str]:
        try:
            found = self.call("list_object_versions", Prefix=f"{self.prefix}{prefix}", Delimiter="/")
        except (ObjectMissing, StoreRefused):
            return set()  # a server without versions, or a role that may not list them
        return {one["Prefix"].rstrip("/").rpartition("/")[2] for one in found.get("CommonPrefixes", [])}

    def _delete_versions(self, versions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        failed = {}
        for one in versions:
            try:
                self.call("delete_object", Key=one["Key"], VersionId=one["VersionId"])
            except StoreRefused as error:
                failed[one["Key"].removeprefix(self.prefix)] = f"version {one['VersionId']}: {error}"
        return failed

    async def _get(self, key: str, part: slice = _WHOLE) -> Part:
        """An object or a part of it. An answer that holds less is asked for again."""
        return cast("Part", await _error_wrapper(lambda: self._get_once(key, part), retries=_BLIP_RETRIES))

    async def _get_once(self, key: str, part: slice) -> Part:
        """One request. An answer to a range tells how large the object is; to a whole read most servers do."""
        try:
            answer, body = await self._answer(key, "" if part == _WHOLE and self._proves_size else _range(part))
        except OSError as error:
            if _code(error) not in _NO_SUCH_RANGE or part.stop is not None:
                raise
            answer, body = await self._answer(key, "")  # it is empty, and has no range
        total = _total_bytes(answer, body)
        if total is None:
            self._proves_size = False
            total = int((await self._fs._info(self._path(key)))["size"])
        begin, end, _ = part.indices(total)
        if "ContentRange" not in answer:
            body = body[begin:end]  # of a server that knows no ranges
        if len(body) < end - begin:
            raise aiohttp.ClientPayloadError(f"{len(body)} bytes came of {end - begin}")
        return Part(body, total)

    async def _answer(self, key: str, wanted: str) -> tuple[Mapping[str, Any], bytes]:
        bucket, _, name = self._path(key).partition("/")
        answer = await self._fs._call_s3("get_object", Bucket=bucket, Key=name, **({"Range": wanted} if wanted else {}))
        try:
            return answer, bytes(await answer["Body"].read())
        finally:
            answer["Body"].close()

    def _no_bucket(self) -> StoreRefused:
        return StoreRefused(f"lake {self.uri}: no bucket {self._root.partition('/')[0]!r} at {self._endpoint}")

    def _path(self, key: str) -> str:
        if not key or ".." in key.split("/"):
            raise ValueError(f"key {key!r} leaves the lake")
        return f"{self._root}/{key}"

    def _one(self, key: str, job: Coroutine[Any, Any, T]) -> T:
        try:
            return cast("T", sync(self._fs.loop, _await, job))
        except FileNotFoundError as error:
            raise ObjectMissing(f"no object {key!r} in {self.uri}") from error
        except (*_PERMANENT, *_TEMPORARY) as error:
            raise self._fault(key, error) from error
        except (TypeError, ValueError) as error:
            if self._fs._s3 is not None:
                raise  # it had connected: no setting is to blame
            name = "s3.endpoint_url" if "endpoint" in str(error) else "s3.options"
            raise StoreRefused(f"lake {self.uri}: {name}: {error}") from error

    def _fault(self, key: str, error: Exception) -> StoreError:
        """An error of the client in words that name the lake and the setting to look at."""
        at = f" ({key!r})" if key else ""
        if isinstance(error, _NO_CREDENTIALS):
            return StoreRefused(
                f"lake {self.uri}: no S3 credentials: set s3.key and s3.secret (REPLAYLAKE_S3__KEY, "
                f"REPLAYLAKE_S3__SECRET) or one of the usual AWS sources: {error}"
            )
        if isinstance(error, PermissionError):
            return StoreRefused(f"lake {self.uri}: {self._endpoint} refuses s3.key, or what it may do: {error}{at}")
        if isinstance(error, _PERMANENT) or getattr(error, "errno", None) in _PERMANENT_NUMBERS:
            return StoreRefused(f"lake {self.uri}: {self._endpoint} refuses: {error}{at}")
        if isinstance(error, _NO_ANSWER):
            return StoreUnavailable(f"lake {self.uri}: no answer from {self._endpoint} (s3.endpoint_url): {error}{at}")
        return StoreUnavailable(f"lake {self.uri}: {self._endpoint} failed: {error}{at}")

    def _gather(self, jobs: Mapping[str, Coroutine[Any, Any, object]], *, missing_ok: bool = False) -> set[str]:
        """Run all jobs, few at a time; returns the keys that are missing, raises for any other failure."""

        async def run() -> dict[str, BaseException]:
            limit = asyncio.Semaphore(_CONCURRENT_REQUESTS)

            async def limited(job: Coroutine[Any, Any, object]) -> object:
                async with limit:
                    return await job

            results = await asyncio.gather(*map(limited, jobs.values()), return_exceptions=True)
            return {key: r for key, r in zip(jobs, results, strict=True) if isinstance(r, BaseException)}

        failed = self._one("", run())
        missing = {key for key, error in failed.items() if isinstance(error, FileNotFoundError)}
        for key, error in failed.items():
            if not (missing_ok and key in missing):
                self._one(key, _raise(error))
        return missing


def _range(part: slice) -> str:
    """A part with a stop, or a tail."""
    return f"bytes={part.start}-{part.stop - 1}" if part.stop is not None else f"bytes={part.start or '0-'}"


def _code(error: OSError) -> str:
    """S3's code of an error that s3fs has translated."""
    return str(getattr(error.__cause__, "response", {}).get("Error", {}).get("Code"))


def _total_bytes(answer: Mapping[str, Any], body: bytes) -> int | None:
    """Size of the whole object, if the answer proves it. Its Content-Length does not: what shortens a body on its way
    states the length of the rest.
    """
    size = str(answer.get("ContentRange", "")).rpartition("/")[2]  # bytes 0-9/1234
    if size.isdecimal():
        return int(size)
    checksum = str(answer.get("ChecksumCRC32", ""))
    if checksum:  # of the whole object; one of parts is none of any body
        is_whole = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode() == checksum
    else:  # the ETag of most objects is their MD5; that of one which was encrypted or came in parts is not
        is_whole = hashlib.md5(body, usedforsecurity=False).hexdigest() == str(answer.get("ETag", "")).strip('"')
    return len(body) if is_whole else None


async def _await(job: Coroutine[Any, Any, T]) -> T:
    return await job


async def _raise(error: BaseException) -> None:
    raise error


class S3Lifecycle(Lifecycle):
    """The rules of a bucket."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self.root = store.prefix

    def rules(self) -> list[dict[str, object]]:
        try:
            return list(self._store.call("get_bucket_lifecycle_configuration").get("Rules", []))
        except ObjectMissing:
            return []  # a bucket without any rule

    def replace(self, rules: list[dict[str, object]]) -> None:
        if rules:
            self._store.call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})
        else:
            self._store.call("delete_bucket_lifecycle")
