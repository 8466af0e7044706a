"""Conditional reads and writes."""

from __future__ import annotations

import datetime
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions

from ...trial import Trial
from ...world import MIB
from .client import Boto3, case


@case("conditional put: If-None-Match, If-Match", transport=True)
def conditional_put(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    first = t.s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with t.refused("PreconditionFailed", 412):
        t.s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    with t.refused("PreconditionFailed", 412):
        t.s3.put_object(Bucket=bucket, Key="k", Body=b"x" * MIB, IfMatch='"0"')
    t.equal(t.stored(bucket, "k"), b"1", "bytes after refused writes")
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first["ETag"])
    t.equal(t.stored(bucket, "k"), b"3", "bytes after If-Match")
    with t.refused("NoSuchKey", 404):
        t.s3.put_object(Bucket=bucket, Key="absent", Body=b"", IfMatch=first["ETag"])


@case("conditional multipart completion")
def conditional_complete(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    uploads = []
    for body in (b"one", b"two"):
        where = {"Bucket": bucket, "Key": "m"}
        where["UploadId"] = t.s3.create_multipart_upload(**where)["UploadId"]
        etag = t.s3.upload_part(**where, PartNumber=1, Body=body)["ETag"]
        uploads.append((where, {"Parts": [{"PartNumber": 1, "ETag": etag}]}))
    (first, parts), (second, other_parts) = uploads
    t.s3.complete_multipart_upload(**first, MultipartUpload=parts, IfNoneMatch="*")
    with t.refused("PreconditionFailed", 412):
        t.s3.complete_multipart_upload(**second, MultipartUpload=other_parts, IfNoneMatch="*")
    t.equal(t.stored(bucket, "m"), b"one", "bytes")


@case("8 writers race If-None-Match: * and one wins")
def race(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    client = t.world.s3(max_pool_connections=8)

    def write(key: str, body: bytes) -> str:
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            key, bodies = f"race-{number}", [b"writer %d" % n for n in range(8)]
            verdicts = list(pool.map(lambda body: write(key, body), bodies))
            t.equal(verdicts.count("won"), 1, f"winners among {verdicts}")
            losers = set(verdicts) - {"won", "PreconditionFailed", "ConditionalRequestConflict"}
            t.equal(losers, set(), "unexpected refusals")
            winner = bodies[verdicts.index("won")]
            t.equal(t.stored(bucket, key), winner, "bytes of the winner")


@case("conditional get and head")
def conditional_get(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    etag = t.s3.put_object(Bucket=bucket, Key="k", Body=b"body")["ETag"]
    modified = t.s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    second = datetime.timedelta(seconds=1)
    for call in (t.s3.get_object, t.s3.head_object):
        call(Bucket=bucket, Key="k", IfMatch=etag)
        call(Bucket=bucket, Key="k", IfNoneMatch='"0"')
        call(Bucket=bucket, Key="k", IfModifiedSince=modified - second)
        call(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)
        # A true If-Match outweighs a false If-Unmodified-Since.
        call(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=modified - second)
        with t.refused("304", 304):
            call(Bucket=bucket, Key="k", IfNoneMatch=etag)
        with t.refused("304", 304):
            call(Bucket=bucket, Key="k", IfModifiedSince=modified)
    with t.refused("PreconditionFailed", 412):
        t.s3.get_object(Bucket=bucket, Key="k", IfMatch='"0"')
    with t.refused("PreconditionFailed", 412):
        t.s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified - second)
    with t.refused("412", 412):
        t.s3.head_object(Bucket=bucket, Key="k", IfMatch='"0"')


@case("conditional copy")
def conditional_copy(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    etag = t.s3.put_object(Bucket=bucket, Key="k", Body=b"body")["ETag"]
    where = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    for condition in ({"CopySourceIfMatch": '"0"'}, {"CopySourceIfNoneMatch": etag}):
        with t.refused("PreconditionFailed", 412):
            t.s3.copy_object(**where, **condition)
    t.s3.copy_object(**where, CopySourceIfMatch=etag)
    t.equal(t.stored(bucket, "copy"), b"body", "bytes of the copy")
