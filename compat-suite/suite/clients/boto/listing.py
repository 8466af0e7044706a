"""Listings, both versions: order, pages, delimiters, prefixes."""

from __future__ import annotations

from ...trial import Trial
from .client import Boto3, case


def _fill(t: Trial, keys: list[str]) -> str:
    bucket = t.bucket()
    for key in keys:
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket


KEYS = [
    *[f"a/{n:02}" for n in range(12)], *[f"b/{n}/deep" for n in range(3)], "b", "b-x", "b/",
    "c//d", "c/d", "ü/1", "z",
]


def _model(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing holds, keys and prefixes mixed, in byte order."""
    entries = set()
    for key in keys:
        if key.startswith(prefix):
            rest = key[len(prefix):]
            cut = rest.find(delimiter) if delimiter else -1
            entries.add(key if cut < 0 else prefix + rest[: cut + len(delimiter)])
    return sorted(entries, key=str.encode)


def _walk(t: Trial, version: int, bucket: str, page: int, **ask: str) -> list[str]:
    """All entries in the order of the pages, each page checked for its size."""
    name = "list_objects_v2" if version == 2 else "list_objects"
    pages = t.s3.get_paginator(name).paginate(
        Bucket=bucket, PaginationConfig={"PageSize": page}, **ask
    )
    entries = []
    for said in pages:
        keys = [e["Key"] for e in said.get("Contents", [])]
        prefixes = [p["Prefix"] for p in said.get("CommonPrefixes", [])]
        t.true(len(keys) + len(prefixes) <= page, f"a page holds more than {page}")
        if version == 2:
            t.equal(said["KeyCount"], len(keys) + len(prefixes), "KeyCount")
        entries += sorted([*keys, *prefixes], key=str.encode)
    return entries


@case("pages of every size, prefix and delimiter, V1 and V2")
def pages(_: Boto3, t: Trial) -> None:
    bucket = _fill(t, KEYS)
    for version in (1, 2):
        for prefix in ("", "a/", "b", "c/", "none"):
            for delimiter in ("", "/", "//", "-"):
                ask = {"Prefix": prefix} | ({"Delimiter": delimiter} if delimiter else {})
                for page in (1, 2, 5, 1000):
                    got = _walk(t, version, bucket, page, **ask)
                    what = f"V{version} prefix {prefix!r} delimiter {delimiter!r} pages of {page}"
                    t.equal(got, _model(KEYS, prefix, delimiter), what)


@case("StartAfter, Marker, MaxKeys=0, owner")
def starting_points(_: Boto3, t: Trial) -> None:
    bucket = _fill(t, KEYS)
    in_order = sorted(KEYS, key=str.encode)
    for start in ("a/05", "a/055", "b", "zz"):
        expected = [k for k in in_order if k.encode() > start.encode()]
        said = t.s3.list_objects_v2(Bucket=bucket, StartAfter=start)
        t.equal([e["Key"] for e in said.get("Contents", [])], expected, f"after {start!r}, V2")
        said = t.s3.list_objects(Bucket=bucket, Marker=start)
        t.equal([e["Key"] for e in said.get("Contents", [])], expected, f"after {start!r}, V1")
    said = t.s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    t.equal((said["KeyCount"], said["IsTruncated"]), (0, False), "MaxKeys=0")
    said = t.s3.list_objects_v2(Bucket=bucket, FetchOwner=True, MaxKeys=1)
    t.true(said["Contents"][0].get("Owner", {}).get("ID"), "FetchOwner gives no owner")
    entry = said["Contents"][0]
    t.equal((entry["Size"], entry["StorageClass"]), (1, "STANDARD"), "Size and StorageClass")
    t.true(entry["ETag"].startswith('"'), "the ETag is not quoted")


@case("a bad continuation token or MaxKeys is refused")
def bad_tokens(_: Boto3, t: Trial) -> None:
    bucket = _fill(t, ["a", "b"])
    with t.refused("InvalidArgument", 400):
        t.s3.list_objects_v2(Bucket=bucket, ContinuationToken="no such token, surely")
    with t.refused("InvalidArgument", 400):
        t.s3.list_objects_v2(Bucket=bucket, MaxKeys=-1)


@case("1,005 keys: page limit, delete_objects in bulk")
def more_than_a_page(_: Boto3, t: Trial) -> None:
    keys = [f"bulk/{n:04} é" for n in range(1005)]
    bucket = _fill(t, keys)
    said = t.s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    t.equal((len(said["Contents"]), said["IsTruncated"]), (1000, True), "a page is 1,000 at most")
    t.equal(_walk(t, 2, bucket, 300), keys, "keys over pages")
    wanted = [{"Key": key} for key in keys[:1000]]
    said = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    t.equal(len(said["Deleted"]), 1000, "deleted")
    wanted = [{"Key": key} for key in keys[1000:]]
    said = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True})
    t.equal((said.get("Deleted"), said.get("Errors")), (None, None), "a quiet delete's reply")
    t.equal(t.keys(bucket), [], "keys left")


@case("list_buckets")
def buckets(_: Boto3, t: Trial) -> None:
    made = sorted([t.bucket(), t.bucket()])
    said = t.s3.list_buckets()
    names = [b["Name"] for b in said["Buckets"]]
    t.true(set(made) <= set(names), "the buckets are not listed")
    t.equal(names, sorted(names), "the order of the buckets")
    t.true(said["Owner"]["ID"], "no owner")
