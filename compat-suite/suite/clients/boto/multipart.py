"""Multipart uploads by hand."""

from __future__ import annotations

import hashlib

import botocore.exceptions

from ...trial import Trial
from ...world import MIB, md5_hex
from .client import Boto3, case


def _begin(t: Trial, bucket: str, key: str, **more: object) -> dict:
    said = t.s3.create_multipart_upload(Bucket=bucket, Key=key, **more)
    return {"Bucket": bucket, "Key": key, "UploadId": said["UploadId"]}


def _listed(etags: dict[int, str]) -> dict:
    return {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]}


@case("parts out of order, replaced, listed, completed", transport=True)
def out_of_order(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    upload = _begin(t, bucket, "dir/multi é", Metadata={"a": "b"}, ContentType="x/y")
    bodies = {
        1: t.bytes(5 * MIB, "1"), 2: t.bytes(5 * MIB + 1, "2"), 5: t.bytes(7 * MIB, "5"),
        9: t.bytes(11, "9"),
    }
    etags = {}
    t.s3.upload_part(**upload, PartNumber=2, Body=b"to be replaced")
    for number in (9, 2, 5, 1):
        said = t.s3.upload_part(**upload, PartNumber=number, Body=bodies[number])
        t.equal(said["ETag"], f'"{md5_hex(bodies[number])}"', f"ETag of part {number}")
        etags[number] = said["ETag"]
    t.equal(t.keys(bucket), [], "keys while the upload is open")
    listed = []
    for page in t.s3.get_paginator("list_parts").paginate(
        **upload, PaginationConfig={"PageSize": 3}
    ):
        listed += [(p["PartNumber"], p["Size"], p["ETag"]) for p in page["Parts"]]
    expected = [(n, len(bodies[n]), etags[n]) for n in sorted(bodies)]
    t.equal(listed, expected, "listed parts")
    said = t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    digests = b"".join(hashlib.md5(bodies[n]).digest() for n in sorted(bodies))
    t.equal(said["ETag"], f'"{md5_hex(digests)}-4"', "ETag")
    t.true(said.get("Location") and said["Key"] == "dir/multi é", "Location and Key of the reply")
    whole = b"".join(bodies[n] for n in sorted(bodies))
    got = t.s3.get_object(Bucket=bucket, Key="dir/multi é")
    t.true(got["Body"].read() == whole, "bytes differ")
    t.equal((got["Metadata"], got["ContentType"]), ({"a": "b"}, "x/y"), "metadata")
    piece = t.s3.get_object(Bucket=bucket, Key="dir/multi é", Range="bytes=5242870-5242890")
    t.equal(piece["Body"].read(), whole[5242870:5242891], "a range across the first seam")


@case("reads by PartNumber")
def part_number(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    upload = _begin(t, bucket, "p")
    bodies = {1: t.bytes(5 * MIB, "1"), 2: t.bytes(100, "2")}
    etags = {n: t.s3.upload_part(**upload, PartNumber=n, Body=b)["ETag"] for n, b in bodies.items()}
    t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    said = t.s3.get_object(Bucket=bucket, Key="p", PartNumber=2)
    t.equal(said["Body"].read(), bodies[2], "bytes of part 2")
    t.equal((said["PartsCount"], said["ContentLength"]), (2, 100), "PartsCount and length")
    head = t.s3.head_object(Bucket=bucket, Key="p", PartNumber=1)
    t.equal((head["PartsCount"], head["ContentLength"]), (2, 5 * MIB), "head of part 1")


@case("upload_part_copy: whole, ranges, refusals")
def part_copy(_: Boto3, t: Trial) -> None:
    bucket, data = t.bucket(), t.bytes(11 * MIB)
    t.s3.put_object(Bucket=bucket, Key="source +ü", Body=data)
    source = {"Bucket": bucket, "Key": "source +ü"}
    upload = _begin(t, bucket, "target")
    etags = {}
    cuts = {1: (5 * MIB, 11 * MIB), 2: (1, 5 * MIB + 1), 3: (0, 9)}
    for number, (start, end) in cuts.items():
        said = t.s3.upload_part_copy(**upload, PartNumber=number, CopySource=source,
                                     CopySourceRange=f"bytes={start}-{end - 1}")
        etags[number] = said["CopyPartResult"]["ETag"]
        t.equal(etags[number], f'"{md5_hex(data[start:end])}"', f"ETag of part {number}")
    whole = t.s3.upload_part_copy(**upload, PartNumber=4, CopySource=source)
    etags[4] = whole["CopyPartResult"]["ETag"]
    try:
        t.s3.upload_part_copy(**upload, PartNumber=5, CopySource=source,
                              CopySourceRange=f"bytes=0-{len(data)}")
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        t.true(code in ("InvalidArgument", "InvalidRange"), f"a range past the end: {code}")
    else:
        t.true(False, "a range past the end was taken")
    with t.refused("EntityTooSmall", 400):
        t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    del etags[3]
    t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    expected = data[5 * MIB:] + data[1:5 * MIB + 1] + data
    t.true(t.stored(bucket, "target") == expected, "bytes differ")


@case("list_multipart_uploads: prefix, delimiter, pages")
def open_uploads(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    made = [_begin(t, bucket, key) for key in ("a/1", "a/1", "a/2", "b", "c/x y")]
    expected = sorted((u["Key"], u["UploadId"]) for u in made)
    seen = []
    for page in t.s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 2}
    ):
        seen += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
    t.equal([key for key, _ in seen], [key for key, _ in expected], "keys of open uploads")
    t.equal(sorted(seen), expected, "open uploads over pages")
    said = t.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    t.equal([p["Prefix"] for p in said["CommonPrefixes"]], ["a/", "c/"], "CommonPrefixes")
    t.equal([u["Key"] for u in said["Uploads"]], ["b"], "uploads outside the prefixes")
    said = t.s3.list_multipart_uploads(Bucket=bucket, Prefix="a/2")
    t.equal([u["Key"] for u in said["Uploads"]], ["a/2"], "uploads with a prefix")
    t.true("Initiated" in said["Uploads"][0], "no Initiated")


@case("abort, refused completions, completing twice")
def refusals(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    upload = _begin(t, bucket, "k")
    etags = {
        n: t.s3.upload_part(**upload, PartNumber=n, Body=t.bytes(5 * MIB, str(n)))["ETag"]
        for n in (1, 2)
    }
    first, second = ({"PartNumber": n, "ETag": etags[n]} for n in (1, 2))
    for code, parts in (
        ("InvalidPartOrder", [second, first]),
        ("InvalidPart", [first, {"PartNumber": 7, "ETag": etags[1]}]),
        ("InvalidPart", [{"PartNumber": 1, "ETag": etags[2]}]),
        ("MalformedXML", []),
    ):
        with t.refused(code, 400):
            t.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    for number in (0, 10_001):
        with t.refused("InvalidArgument", 400):
            t.s3.upload_part(**upload, PartNumber=number, Body=b"x")
    done = t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    again = t.s3.complete_multipart_upload(**upload, MultipartUpload=_listed(etags))
    t.equal(again["ETag"], done["ETag"], "the reply to a repeated completion")
    dropped = _begin(t, bucket, "dropped")
    t.s3.upload_part(**dropped, PartNumber=1, Body=b"x")
    t.s3.abort_multipart_upload(**dropped)
    for call, more in (
        (t.s3.list_parts, {}), (t.s3.upload_part, {"PartNumber": 1, "Body": b"x"}),
        (t.s3.complete_multipart_upload, {"MultipartUpload": _listed({1: etags[1]})}),
    ):
        with t.refused("NoSuchUpload", 404):
            call(**dropped, **more)
    t.equal(t.keys(bucket), ["k"], "keys")
