"""Error codes that clients act on."""

from __future__ import annotations

import boto3
import botocore.exceptions

from ...model import Skipped
from ...trial import Trial
from .client import Boto3, case


@case("error codes of buckets and keys")
def codes(_: Boto3, t: Trial) -> None:
    bucket, absent = t.bucket(), t.bucket_name()
    with t.refused("NoSuchKey", 404):
        t.s3.get_object(Bucket=bucket, Key="absent")
    with t.refused("404", 404):
        t.s3.head_object(Bucket=bucket, Key="absent")
    with t.refused("404", 404):
        t.s3.head_bucket(Bucket=absent)
    for call, more in (
        (t.s3.list_objects_v2, {}), (t.s3.list_objects, {}), (t.s3.delete_bucket, {}),
        (t.s3.get_object, {"Key": "k"}), (t.s3.put_object, {"Key": "k", "Body": b"x"}),
        (t.s3.delete_object, {"Key": "k"}), (t.s3.create_multipart_upload, {"Key": "k"}),
        (t.s3.get_bucket_location, {}), (t.s3.list_multipart_uploads, {}),
    ):
        with t.refused("NoSuchBucket", 404):
            call(Bucket=absent, **more)
    with t.refused("BucketAlreadyOwnedByYou", 409):
        t.s3.create_bucket(Bucket=bucket)
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with t.refused("BucketNotEmpty", 409):
        t.s3.delete_bucket(Bucket=bucket)


@case("bad names are refused")
def bad_names(_: Boto3, t: Trial) -> None:
    for name in ("ab", "UPPER-case", "under_score", "a..b", "-dash", "192.168.1.1"):
        try:
            t.s3.create_bucket(Bucket=name)
        except botocore.exceptions.ClientError as error:
            t.equal(error.response["Error"]["Code"], "InvalidBucketName", f"code for {name!r}")
        except botocore.exceptions.ParamValidationError:
            continue
        else:
            t.true(False, f"the bucket name {name!r} was taken")


@case("replies carry a request id and the region")
def reply_headers(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    said = t.s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    t.true(said.get("x-amz-request-id"), "no x-amz-request-id")
    t.equal(said.get("x-amz-bucket-region"), t.world.region, "x-amz-bucket-region")
    try:
        t.s3.get_object(Bucket=bucket, Key="absent")
    except botocore.exceptions.ClientError as error:
        meta = error.response["ResponseMetadata"]
        t.true(meta["HTTPHeaders"].get("x-amz-request-id"), "an error without x-amz-request-id")
        t.true(error.response["Error"].get("Message"), "an error without a message")
        t.equal(meta["HTTPHeaders"].get("content-type"), "application/xml", "type of an error")


@case("sub-resources that are not built answer 501 as XML")
def not_built(_: Boto3, t: Trial) -> None:
    if not t.world.is_holdfast:
        raise Skipped("what is built differs by server")
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    for call, more in (
        (t.s3.put_bucket_accelerate_configuration,
         {"AccelerateConfiguration": {"Status": "Enabled"}}),
        (t.s3.put_bucket_logging, {"BucketLoggingStatus": {}}),
        (t.s3.get_object_torrent, {"Key": "k"}),
        (t.s3.restore_object, {"Key": "k"}),
        (t.s3.put_bucket_request_payment, {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
    ):
        with t.refused("NotImplemented", 501):
            call(Bucket=bucket, **more)
    t.equal(t.stored(bucket, "k"), b"kept", "the object after all that")


@case("wrong keys and secrets are refused", transport=True)
def credentials(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    for access, secret, code in (
        (t.world.access_key, "not the secret", "SignatureDoesNotMatch"),
        ("NOSUCHKEY", "x", "InvalidAccessKeyId"),
    ):
        s3 = boto3.client("s3", endpoint_url=t.world.endpoint, region_name=t.world.region,
                          aws_access_key_id=access, aws_secret_access_key=secret)
        with t.refused(code, 403):
            s3.list_objects_v2(Bucket=bucket)
        with t.refused(code, 403):
            s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    t.equal(t.keys(bucket), [], "keys")


@case("any region is accepted in the signature")
def regions(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    if not t.world.is_holdfast:
        raise Skipped("regions differ by server")
    s3 = boto3.client("s3", endpoint_url=t.world.endpoint, region_name="eu-central-1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    t.equal(t.stored(bucket, "k"), b"x", "bytes")
