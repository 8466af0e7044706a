"""Presigned URLs and forms, fetched by plain curl."""

from __future__ import annotations

import time

from ...trial import Trial
from .client import Boto3, case

KEY = "dir/ü +%&=.txt"


def _status(t: Trial, *words: object) -> str:
    said = t.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *words])
    return said.text


def _presigned(label: str, **config: str) -> None:
    @case(f"presigned get, put, head, delete: {label}", transport=True)
    def presigned(_: Boto3, t: Trial) -> None:
        bucket, s3 = t.bucket(), t.world.s3(**config)
        where = {"Bucket": bucket, "Key": KEY}
        path = t.file(70_000)
        url = s3.generate_presigned_url("put_object", Params=where)
        t.equal(_status(t, "-T", path, url), "200", "status of the presigned put")
        t.true(t.stored(bucket, KEY) == path.read_bytes(), "bytes of the presigned put")
        typed = s3.generate_presigned_url("put_object", Params=where | {"ContentType": "a/b"})
        t.equal(_status(t, "-T", path, "-H", "Content-Type: a/b", typed), "200",
                "status of a put with a signed type")
        t.equal(t.s3.head_object(**where)["ContentType"], "a/b", "ContentType")
        url = s3.generate_presigned_url("get_object", Params=where)
        t.true(t.run(["curl", "-sSf", url]).out == path.read_bytes(), "bytes of the presigned get")
        piece = t.run(["curl", "-sSf", "-H", "Range: bytes=5-9", url]).out
        t.equal(piece, path.read_bytes()[5:10], "bytes of a range")
        named = s3.generate_presigned_url(
            "get_object", Params=where | {"ResponseContentDisposition": "attachment; filename=x"})
        headers = t.run(["curl", "-sSf", "-D", "-", "-o", "/dev/null", named]).text.lower()
        t.true("content-disposition: attachment; filename=x" in headers, "the override is lost")
        url = s3.generate_presigned_url("head_object", Params=where)
        t.equal(_status(t, "-I", url), "200", "status of the presigned head")
        listing = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})
        t.true(b"<Key>" in t.run(["curl", "-sSf", listing]).out, "a presigned listing")
        url = s3.generate_presigned_url("delete_object", Params=where)
        t.equal(_status(t, "-X", "GET", url), "403", "status of the wrong method")
        t.equal(_status(t, "-X", "DELETE", url), "204", "status of the presigned delete")


_presigned("default (SigV2 in us-east-1)")
_presigned("SigV4", signature_version="s3v4")


@case("presigned URLs expire, and refuse another key")
def expiry(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    t.s3.put_object(Bucket=bucket, Key="j", Body=b"x")
    for version in ("s3", "s3v4"):
        s3 = t.world.s3(signature_version=version)
        where = {"Bucket": bucket, "Key": "k"}
        short = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=1)
        time.sleep(2.1)
        t.equal(_status(t, short), "403", f"status of an expired {version} URL")
        url = s3.generate_presigned_url("get_object", Params=where)
        t.equal(_status(t, url.replace("/k?", "/j?")), "403", f"{version} URL of another key")



def _multipart(label: str, **config: str) -> None:
    @case(f"presigned multipart upload: {label}", transport=True)
    def multipart(_: Boto3, t: Trial) -> None:
        bucket, s3 = t.bucket(), t.world.s3(**config)
        where = {"Bucket": bucket, "Key": KEY}
        url = s3.generate_presigned_url("create_multipart_upload", Params=where)
        said = t.run(["curl", "-sSf", "-X", "POST", url]).text
        upload = where | {"UploadId": said.split("<UploadId>")[1].split("<")[0]}
        path = t.file(70_000)
        url = s3.generate_presigned_url("upload_part", Params=upload | {"PartNumber": 1})
        head = t.run(["curl", "-sSf", "-D", "-", "-o", "/dev/null", "-T", path, url]).text
        etag = next(line.split(":", 1)[1].strip() for line in head.splitlines()
                    if line.lower().startswith("etag:"))
        url = s3.generate_presigned_url("list_parts", Params=upload)
        t.true(b"<PartNumber>1<" in t.run(["curl", "-sSf", url]).out, "a presigned list of parts")
        url = s3.generate_presigned_url("complete_multipart_upload", Params=upload)
        parts = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        t.run(["curl", "-sSf", "-H", "Content-Type:", "--data-binary", document, url])
        t.true(t.stored(bucket, KEY) == path.read_bytes(), "bytes of the upload")
        created = t.s3.create_multipart_upload(**where)["UploadId"]
        url = s3.generate_presigned_url("abort_multipart_upload",
                                        Params=where | {"UploadId": created})
        t.equal(_status(t, "-X", "DELETE", url), "204", "status of the presigned abort")


_multipart("default (SigV2 in us-east-1)")
_multipart("SigV4", signature_version="s3v4")
