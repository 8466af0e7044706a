"""Checksums in headers (http) and trailers (https), asked for and checked on the way back."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib

import botocore.exceptions

from ...trial import Trial
from ...world import MIB
from .client import Boto3, case

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3",
              "XXHASH128")


def _known(algorithm: str, data: bytes) -> str | None:
    """The checksum where the standard library can compute it."""
    raw = {
        "CRC32": lambda: zlib.crc32(data).to_bytes(4, "big"),
        "SHA1": lambda: hashlib.sha1(data).digest(),
        "SHA256": lambda: hashlib.sha256(data).digest(),
        "SHA512": lambda: hashlib.sha512(data).digest(),
    }.get(algorithm)
    return base64.b64encode(raw()).decode() if raw else None


def _by_algorithm(algorithm: str) -> None:
    field = f"Checksum{algorithm}"

    @case(f"{algorithm}: put, read back with ChecksumMode", transport=True)
    def put(_: Boto3, t: Trial) -> None:
        bucket = t.bucket()
        for size in (0, 1, 65_537, 3 * MIB):
            data = t.bytes(size, str(size))
            said = t.s3.put_object(Bucket=bucket, Key="c", Body=io.BytesIO(data),
                                   ChecksumAlgorithm=algorithm)
            t.true(field in said, f"the reply to put_object has no {field}")
            if expected := _known(algorithm, data):
                t.equal(said[field], expected, f"{field} of {size} bytes")
            got = t.s3.get_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
            t.true(got["Body"].read() == data, "bytes differ")
            t.equal(got.get(field), said[field], f"{field} on get_object")
            t.equal(got.get("ChecksumType"), "FULL_OBJECT", "ChecksumType")
            head = t.s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
            t.equal(head.get(field), said[field], f"{field} on head_object")
            if size:
                part = t.s3.get_object(Bucket=bucket, Key="c", Range="bytes=0-0",
                                       ChecksumMode="ENABLED")
                t.equal(part["Body"].read(), data[:1], "a range with ChecksumMode")

    @case(f"{algorithm}: multipart", transport=True)
    def multipart(_: Boto3, t: Trial) -> None:
        bucket, path = t.bucket(), t.file(9 * MIB)
        t.s3.upload_file(str(path), bucket, "m", ExtraArgs={"ChecksumAlgorithm": algorithm})
        got = t.s3.get_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")
        t.true(got["Body"].read() == path.read_bytes(), "bytes differ")
        t.true(field in got, f"get_object has no {field}")
        full = got.get("ChecksumType") == "FULL_OBJECT"
        t.equal(full, "-" not in got[field], "ChecksumType agrees with the value's form")
        if full and (expected := _known(algorithm, path.read_bytes())):
            t.equal(got[field], expected, field)
        back = t.folder / "back"
        t.s3.download_file(bucket, "m", str(back))
        t.true(back.read_bytes() == path.read_bytes(), "downloaded bytes differ")


for _algorithm in ALGORITHMS:
    _by_algorithm(_algorithm)


@case("a wrong checksum, Content-MD5 or length stores nothing", transport=True)
def wrong_digests(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    wrong = {
        "ChecksumCRC32": base64.b64encode(b"\0\0\0\1").decode(),
        "ChecksumCRC32C": base64.b64encode(b"\0\0\0\1").decode(),
        "ChecksumCRC64NVME": base64.b64encode(b"\0" * 7 + b"\1").decode(),
        "ChecksumSHA1": base64.b64encode(b"\1" * 20).decode(),
        "ChecksumSHA256": base64.b64encode(b"\1" * 32).decode(),
        "ContentMD5": base64.b64encode(b"\1" * 16).decode(),
    }
    for name, value in wrong.items():
        for body in (b"small", b"x" * MIB):
            try:
                t.s3.put_object(Bucket=bucket, Key=name, Body=body, **{name: value})
            except botocore.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                t.equal(code, "BadDigest", f"code for a wrong {name}")
            else:
                t.true(False, f"a wrong {name} was taken")
    with t.refused("InvalidDigest", 400):
        t.s3.put_object(Bucket=bucket, Key="md5", Body=b"x", ContentMD5="not base64 of 16 bytes")
    t.equal(t.keys(bucket), [], "keys after refused writes")
    right = base64.b64encode(hashlib.md5(b"small").digest()).decode()
    t.s3.put_object(Bucket=bucket, Key="right", Body=b"small", ContentMD5=right)


@case("checksums in get_object_attributes or 501")
def attributes(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="a", Body=b"four")
    try:
        said = t.s3.get_object_attributes(Bucket=bucket, Key="a",
                                          ObjectAttributes=["ETag", "ObjectSize"])
    except botocore.exceptions.ClientError as error:
        t.equal(error.response["Error"]["Code"], "NotImplemented", "code when it is not built")
    else:
        t.equal(said["ObjectSize"], 4, "ObjectSize")
