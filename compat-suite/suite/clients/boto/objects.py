"""Objects up and down, metadata, copies."""

from __future__ import annotations

import datetime
import io

from ...trial import Trial
from ...world import MIB, SIZES, md5_hex, multipart_etag
from .client import Boto3, case

CHUNK = 8 * MIB


def _transfer(label: str, size: int) -> None:
    @case(f"upload_file, download_file {label}, ETag", transport=True)
    def transfer(_: Boto3, t: Trial) -> None:
        bucket, path = t.bucket(), t.file(size)
        data = path.read_bytes()
        t.s3.upload_file(str(path), bucket, "up")
        expected = md5_hex(data) if size < CHUNK else multipart_etag(data, CHUNK)
        t.equal(t.etag(bucket, "up"), expected, "ETag")
        t.equal(t.s3.head_object(Bucket=bucket, Key="up")["ContentLength"], size, "length")
        back = t.folder / "back"
        t.s3.download_file(bucket, "up", str(back))
        t.true(back.read_bytes() == data, "bytes differ after the round trip")


for _label, _size in SIZES.items():
    _transfer(_label, _size)


@case("put_object from bytes, file and stream", transport=True)
def bodies(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    for size in (0, 1, 70_000, 5 * MIB):
        data = t.bytes(size, str(size))
        path = t.folder / "body"
        path.write_bytes(data)
        with path.open("rb") as handle:
            for kind, body in (("bytes", data), ("stream", io.BytesIO(data)), ("file", handle)):
                said = t.s3.put_object(Bucket=bucket, Key=kind, Body=body)
                t.equal(said["ETag"], f'"{md5_hex(data)}"', f"ETag of {size} bytes from {kind}")
                t.true(t.stored(bucket, kind) == data, f"{size} bytes from {kind} differ")


@case("overwrite and delete", transport=True)
def overwrite(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    for body in (b"first", b"second and longer", b"", b"x" * MIB):
        t.s3.put_object(Bucket=bucket, Key="k", Body=body)
        t.equal(t.stored(bucket, "k"), body, "bytes after overwriting")
    for _attempt in range(2):
        said = t.s3.delete_object(Bucket=bucket, Key="k")
        t.equal(said["ResponseMetadata"]["HTTPStatusCode"], 204, "status of the delete")
    t.equal(t.keys(bucket), [], "keys")


HEADERS = {
    "ContentType": "application/x-unusual",
    "CacheControl": "no-store",
    "ContentDisposition": "inline",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "Expires": datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc),
}


@case("metadata and content headers", transport=True)
def metadata(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    meta = {"plain": "value", "spaces": "a  b", "empty": "", "punct": "a=b;c,d/e\"f'"}
    t.s3.put_object(Bucket=bucket, Key="m", Body=b"x", Metadata=meta, **HEADERS)
    for said in (t.s3.head_object(Bucket=bucket, Key="m"), t.s3.get_object(Bucket=bucket, Key="m")):
        got = {name: said.get(name) for name in HEADERS}
        t.equal(got, HEADERS, "content headers")
        # The signature itself folds runs of blanks, so a server may keep one.
        kept = {k: " ".join(v.split()) for k, v in said["Metadata"].items()}
        t.equal(kept, {k: " ".join(v.split()) for k, v in meta.items()}, "Metadata")
    plain = t.s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    t.true("ETag" in plain, "no ETag")
    default = t.s3.head_object(Bucket=bucket, Key="plain")["ContentType"]
    t.equal(default, "binary/octet-stream", "default ContentType")


@case("response header overrides")
def overrides(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    said = t.s3.get_object(
        Bucket=bucket, Key="o", ResponseContentType="text/plain", ResponseCacheControl="no-cache",
        ResponseContentDisposition='attachment; filename="a b.txt"',
        ResponseContentLanguage="fr", ResponseContentEncoding="identity",
    )
    t.equal(said["ContentType"], "text/plain", "ContentType")
    t.equal(said["CacheControl"], "no-cache", "CacheControl")
    t.equal(said["ContentDisposition"], 'attachment; filename="a b.txt"', "ContentDisposition")
    t.equal(said["ContentLanguage"], "fr", "ContentLanguage")


@case("copy_object: COPY, REPLACE, onto itself")
def copies(_: Boto3, t: Trial) -> None:
    bucket, other = t.bucket(), t.bucket()
    key, data = "source ü+%/x y", t.bytes(300_000)
    t.s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata={"a": "1"}, ContentType="a/b")
    source = {"Bucket": bucket, "Key": key}
    said = t.s3.copy_object(Bucket=other, Key="copied", CopySource=source)["CopyObjectResult"]
    t.equal(said["ETag"], f'"{md5_hex(data)}"', "ETag in the reply")
    head = t.s3.head_object(Bucket=other, Key="copied")
    t.equal((head["Metadata"], head["ContentType"]), ({"a": "1"}, "a/b"), "COPY keeps")
    t.s3.copy_object(Bucket=other, Key="replaced", CopySource=source, Metadata={"b": "2"},
                     ContentType="c/d", MetadataDirective="REPLACE")
    head = t.s3.head_object(Bucket=other, Key="replaced")
    t.equal((head["Metadata"], head["ContentType"]), ({"b": "2"}, "c/d"), "REPLACE replaces")
    with t.refused("InvalidRequest", 400):
        t.s3.copy_object(Bucket=bucket, Key=key, CopySource=source)
    t.s3.copy_object(Bucket=bucket, Key=key, CopySource=source, MetadataDirective="REPLACE",
                     Metadata={"c": "3"})
    t.equal(t.s3.head_object(Bucket=bucket, Key=key)["Metadata"], {"c": "3"}, "onto itself")
    for where, name in ((bucket, key), (other, "copied"), (other, "replaced")):
        t.true(t.stored(where, name) == data, f"bytes of {name} differ")
    t.s3.delete_object(Bucket=bucket, Key=key)
    t.true(t.stored(other, "copied") == data, "the copy went with its source")
    with t.refused("NoSuchKey", 404):
        t.s3.copy_object(Bucket=other, Key="x", CopySource=source)


@case("copy of a large object (managed, by parts)")
def managed_copy(_: Boto3, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(17 * MIB + 5)
    t.s3.upload_file(str(path), bucket, "large", ExtraArgs={"Metadata": {"a": "b"}})
    t.s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy")
    t.true(t.stored(bucket, "copy") == path.read_bytes(), "bytes differ")


@case("ranges")
def ranges(_: Boto3, t: Trial) -> None:
    bucket, data = t.bucket(), t.bytes(3 * MIB + 17)
    for key, body in (("small", data[:5000]), ("large", data)):
        t.s3.put_object(Bucket=bucket, Key=key, Body=body)
        size = len(body)
        for spec, start, end in (
            ("bytes=0-0", 0, 1), ("bytes=1-99", 1, 100), (f"bytes={size - 1}-", size - 1, size),
            ("bytes=-7", size - 7, size), (f"bytes=10-{size + 999}", 10, size),
            (f"bytes=-{size + 1}", 0, size), ("bytes=1023-1024", 1023, 1025),
        ):
            said = t.s3.get_object(Bucket=bucket, Key=key, Range=spec)
            t.true(said["Body"].read() == body[start:end], f"bytes of {key} {spec}")
            t.equal(said["ContentRange"], f"bytes {start}-{end - 1}/{size}", "Content-Range")
            t.equal(said["ResponseMetadata"]["HTTPStatusCode"], 206, f"status of {spec}")
        for spec in (f"bytes={size}-", "bytes=-0"):
            with t.refused("InvalidRange", 416):
                t.s3.get_object(Bucket=bucket, Key=key, Range=spec)
    t.equal(t.s3.get_object(Bucket=bucket, Key="small", Range="lines=1-2")["ContentLength"], 5000,
            "an unknown unit is ignored")
