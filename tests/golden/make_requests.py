#!/usr/bin/env python3
"""Make the golden requests: what botocore signs and sends, without any code of Holdfast.

Nothing is sent. A real client is asked for each operation with the clock standing still, and the
request is caught before it would leave. `tests/signatures.rs` verifies all of them.

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install botocore==1.44.5
    /tmp/golden/bin/python tests/golden/make_requests.py            # write
    /tmp/golden/bin/python tests/golden/make_requests.py --check    # compare with what is there
"""

import base64
import datetime
import io
import json
import pathlib
import sys
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.session
from botocore.config import Config

HERE = pathlib.Path(__file__).resolve().parent
NOW = datetime.datetime(2026, 11, 23, 8, 15, 30)
EPOCH = NOW.replace(tzinfo=datetime.timezone.utc).timestamp()
ACCESS_KEY = "AKGOLDEN"
SECRET_KEY = "golden/secret+key"
KEY = "k é+ (x)!*'~//..//a%2Fb?c&d=e"


def client(scheme, signature_version, style, region="us-east-1"):
    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=f"{scheme}://s3.example.org:9000",
        config=Config(signature_version=signature_version, s3={"addressing_style": style}),
    )


class Caught(Exception):
    pass


def catch(s3, operation, arguments):
    """The request that the operation would send."""
    caught = []

    def before_send(request, **_):
        caught.append(request)
        raise Caught

    s3.meta.events.register("before-send.s3", before_send)
    try:
        getattr(s3, operation)(**arguments)
    except Caught:
        pass
    request = caught[0]
    body = request.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    headers = []
    for name, value in request.headers.items():
        # These differ from run to run and from machine to machine, and are never signed.
        if name.lower() in ("user-agent", "amz-sdk-invocation-id", "amz-sdk-request"):
            continue
        headers.append([name, value if isinstance(value, str) else value.decode("latin-1")])
    return {
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": base64.b64encode(body or b"").decode(),
    }


def presign(s3, operation, arguments, headers=()):
    method = {"get_object": "GET", "list_objects_v2": "GET", "head_object": "HEAD"}
    url = s3.generate_presigned_url(operation, Params=arguments, ExpiresIn=3600)
    return {
        "method": method.get(operation, "PUT"),
        "url": url,
        "headers": [list(pair) for pair in headers],
        "body": "",
    }


def requests():
    """Yields name and request."""
    data = b"hello world" * 7
    both = {"Bucket": "pkg", "Key": KEY}
    sent = [
        ("put", "put_object", {**both, "Body": data}),
        ("put_stream", "put_object", {**both, "Body": io.BytesIO(data)}),
        (
            "put_meta",
            "put_object",
            {
                **both,
                "Body": data,
                "Metadata": {"a": "two  spaces", "b-c": "x,y", "b": " z "},
                "ContentType": "text/plain",
                "ChecksumAlgorithm": "SHA256",
                "IfNoneMatch": "*",
            },
        ),
        ("get", "get_object", {**both, "Range": "bytes=0-4", "IfMatch": '"x"'}),
        ("head", "head_object", {**both, "VersionId": "v/1"}),
        (
            "list",
            "list_objects_v2",
            {"Bucket": "pkg", "Prefix": "a+b & c=d/é", "Delimiter": "/", "MaxKeys": 2},
        ),
        ("buckets", "list_buckets", {}),
        ("create", "create_bucket", {"Bucket": "pkg"}),
        ("location", "get_bucket_location", {"Bucket": "pkg"}),
        ("copy", "copy_object", {**both, "CopySource": {"Bucket": "src", "Key": KEY}}),
        (
            "part",
            "upload_part",
            {**both, "UploadId": "u/1", "PartNumber": 2, "Body": data},
        ),
        (
            "complete",
            "complete_multipart_upload",
            {
                **both,
                "UploadId": "u/1",
                "MultipartUpload": {"Parts": [{"ETag": '"e"', "PartNumber": 1}]},
            },
        ),
        (
            "delete",
            "delete_objects",
            {"Bucket": "pkg", "Delete": {"Objects": [{"Key": "a"}]}},
        ),
        ("remove", "delete_object", both),
    ]
    for name, operation, arguments in sent:
        for signature_version in ("s3v4", "s3"):
            # Over https the checksum is a trailer, but only with version 4.
            for scheme in ("http", "https") if signature_version == "s3v4" else ("http",):
                for style in ("path", "virtual"):
                    s3 = client(scheme, signature_version, style)
                    if isinstance(arguments.get("Body"), io.BytesIO):
                        arguments["Body"].seek(0)
                    yield (
                        f"{name}-{signature_version}-{scheme}-{style}",
                        catch(s3, operation, arguments),
                    )
    disposition = {"ResponseContentDisposition": 'attachment; filename="a b.txt"'}
    signed = [
        ("url_get", "get_object", both, ()),
        ("url_get_version", "get_object", {**both, "VersionId": "v1", **disposition}, ()),
        ("url_get_mode", "get_object", {**both, "ChecksumMode": "ENABLED"}, (("x-amz-checksum-mode", "ENABLED"),)),
        ("url_head", "head_object", both, ()),
        ("url_list", "list_objects_v2", {"Bucket": "pkg", "Prefix": "a b"}, ()),
        ("url_put", "put_object", both, ()),
        ("url_put_typed", "put_object", {**both, "ContentType": "text/plain", "ACL": "private"},
         (("content-type", "text/plain"), ("x-amz-acl", "private"))),
        ("url_part", "upload_part", {**both, "UploadId": "u/1", "PartNumber": 2}, ()),
    ]
    for name, operation, arguments, headers in signed:
        for signature_version in ("s3v4", "s3"):
            for style in ("path", "virtual"):
                s3 = client("http", signature_version, style)
                yield (
                    f"{name}-{signature_version}-{style}",
                    presign(s3, operation, arguments, headers),
                )


def main():
    with (
        mock.patch("botocore.auth.get_current_datetime", lambda *a, **k: NOW, create=True),
        mock.patch("botocore.auth.time.time", lambda: EPOCH),
        mock.patch("botocore.auth.formatdate", lambda *a, **k: NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    ):
        found = [{"name": name, **request} for name, request in requests()]
    document = {
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "now": NOW.strftime("%Y%m%dT%H%M%SZ"),
        "requests": found,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    path = HERE / "requests.json"
    if "--check" in sys.argv:
        if path.read_text() != text:
            sys.exit(f"{path} differs")
    else:
        path.write_text(text)
    print(len(found), "requests")


if __name__ == "__main__":
    main()
