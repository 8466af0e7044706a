"""One trial of one case: its scratch folder, its buckets, its processes, its expectations."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import botocore.exceptions

from .model import Failed
from .world import World, content


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a process said and how it ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode("utf-8", "replace")


class Trial:
    """Handed to a case; cleans up after it."""

    def __init__(self, world: World, client: str, title: str) -> None:
        self.world = world
        self.client = client
        self.seed = f"{client}/{title}/{world.run_id}"
        self.folder = world.scratch / world.free_name("trial")
        self.folder.mkdir()
        self.s3 = world.s3()  # the referee's own client, for set-up and looking behind the scenes
        self._buckets: list[str] = []

    # ---- surroundings ----------------------------------------------------------------

    def bucket_name(self) -> str:
        """A fresh bucket name, cleaned up afterwards if the case makes the bucket."""
        name = self.world.free_name(self.client)
        self._buckets.append(name)
        return name

    def bucket(self) -> str:
        """A fresh bucket made by the referee."""
        name = self.bucket_name()
        self.s3.create_bucket(Bucket=name)
        return name

    def bytes(self, size: int, label: str = "") -> bytes:
        """Bytes of this trial alone, so that no server can have seen them before."""
        return content(f"{self.seed}/{label}", size)

    def file(self, size: int, name: str = "sample.bin") -> Path:
        """A file of such bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes(size, name))
        return path

    def run(
        self,
        command: Sequence[object],
        *,
        ok: bool = True,
        stdin: bytes = b"",
        timeout: float = 600,
        env: dict[str, str | None] | None = None,
    ) -> Ran:
        """Runs a client; unless `ok` is False its failure is the case's failure."""
        argv = [str(word) for word in command]
        variables = self.world.environment | (env or {})
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value is not None},
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
        if ok and ran.code != 0:
            said = (ran.err.strip() or ran.text.strip())[-600:]
            raise Failed(f"exit {ran.code} of `{shlex.join(argv)}`: {said}")
        return ran

    def clean_up(self) -> None:
        """Removes the folder and, as far as the server lets us, the buckets."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for bucket in self._buckets:
            with contextlib.suppress(botocore.exceptions.ClientError):
                self._empty(bucket)
                self.s3.delete_bucket(Bucket=bucket)

    def _empty(self, bucket: str) -> None:
        for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            self.s3.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
            if keys:
                self.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})

    # ---- looking behind the scenes ---------------------------------------------------

    def stored(self, bucket: str, key: str) -> bytes:
        """The bytes of an object as the referee reads them."""
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def etag(self, bucket: str, key: str) -> str:
        """The ETag of an object, without its quotes."""
        return self.s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys of a bucket in the order the server lists them."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    # ---- expectations ----------------------------------------------------------------

    def equal(self, actual: object, expected: object, what: str) -> None:
        """The two are the same, else the case fails and says how they differ."""
        if actual != expected:
            raise Failed(f"{what}: got {_brief(actual)}, expected {_brief(expected)}")

    def true(self, condition: object, what: str) -> None:
        """The condition holds."""
        if not condition:
            raise Failed(what)

    def same_tree(self, actual: Path, expected: Path) -> None:
        """The two folders hold the same files with the same bytes."""
        self.equal(sorted(_files(actual)), sorted(_files(expected)), "names of the files")
        for name in _files(expected):
            same = (actual / name).read_bytes() == (expected / name).read_bytes()
            self.true(same, f"bytes of {name} differ")

    @contextlib.contextmanager
    def refused(self, code: str, status: int | None = None) -> Iterator[None]:
        """The boto3 call inside is refused with this S3 error code."""
        try:
            yield
        except botocore.exceptions.ClientError as error:
            got = error.response["Error"].get("Code")
            got_status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self.equal(got, code, "error code")
            if status is not None:
                self.equal(got_status, status, f"status of {code}")
        else:
            raise Failed(f"succeeded, expected {code}")


def _files(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


def _brief(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 64:
        return f"{len(value)} bytes beginning {value[:24]!r}"
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"
