"""Keys that file systems cannot hold, and keys that have to be encoded everywhere."""

from __future__ import annotations

from ...trial import Trial
from ..names import CONTROL_NAMES, FILE_NAMES, KEY_NAMES
from .client import Boto3, case


@case("odd keys: put, head, get, list, copy, delete", transport=True)
def odd_keys(_: Boto3, t: Trial) -> None:
    bucket, names = t.bucket(), [*FILE_NAMES, *KEY_NAMES]
    for name in names:
        t.s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    for name in names:
        t.equal(t.stored(bucket, name), name.encode(), f"bytes of {name!r}")
        t.s3.head_object(Bucket=bucket, Key=name)
    t.equal(t.keys(bucket), sorted(names, key=str.encode), "keys in byte order")
    for name in names:
        copied = {"Bucket": bucket, "Key": name}
        if len(name) < 1000:
            t.s3.copy_object(Bucket=bucket, Key=f"copy of {name}", CopySource=copied)
            t.equal(t.stored(bucket, f"copy of {name}"), name.encode(), f"copy of {name!r}")
        t.equal(t.keys(bucket, prefix=name)[0], name, f"first key with prefix {name!r}")
    for name in names:
        t.s3.delete_object(Bucket=bucket, Key=name)
    t.true(all(key.startswith("copy of ") for key in t.keys(bucket)), "deleted keys remain")


@case("control characters in keys")
def control_characters(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    for name in CONTROL_NAMES:
        t.s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
        t.equal(t.stored(bucket, name), name.encode(), f"bytes of {name!r}")
    t.equal(t.keys(bucket), sorted(CONTROL_NAMES, key=str.encode), "keys")
    said = t.s3.list_objects_v2(Bucket=bucket, Delimiter="\n", EncodingType="url")
    t.equal([p["Prefix"] for p in said["CommonPrefixes"]], ["line%0A"], "prefixes, url-encoded")


@case("a key of 1,025 bytes is refused")
def long_key(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    with t.refused("KeyTooLongError", 400):
        t.s3.put_object(Bucket=bucket, Key="é" * 512 + "x", Body=b"")
