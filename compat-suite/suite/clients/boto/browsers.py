"""What boto3 makes for browsers: forms and cross-origin rules; and what tools probe."""

from __future__ import annotations

from ...trial import Trial
from ...world import md5_hex
from .client import Boto3, case


def _submit(t: Trial, form: dict, *extra: str, size: int = 1000) -> tuple[str, str]:
    """Submits a form with curl; its body and its status."""
    words = [word for name, value in form["fields"].items() for word in ("-F", f"{name}={value}")]
    file = t.file(size, "posted file.bin")
    said = t.run(["curl", "-sS", "-w", "\n%{http_code}", *words, *extra, "-F", f"file=@{file}",
                  form["url"]]).text
    body, _, status = said.rpartition("\n")
    return body, status


def _forms(label: str, **config: str) -> None:
    @case(f"presigned post: {label}", transport=True)
    def forms(_: Boto3, t: Trial) -> None:
        bucket, s3 = t.bucket(), t.world.s3(**config)
        conditions = [
            ["starts-with", "$Content-Type", "text/"],
            {"x-amz-meta-a": "b"},
            {"success_action_status": "201"},
            ["content-length-range", 1, 2000],
        ]
        fields = {"Content-Type": "text/plain", "x-amz-meta-a": "b",
                  "success_action_status": "201"}
        form = s3.generate_presigned_post(bucket, "up/${filename}", fields, conditions)
        body, status = _submit(t, form)
        t.equal(status, "201", f"status of the form: {body}")
        key = "up/posted file.bin"
        stored = t.s3.get_object(Bucket=bucket, Key=key)
        data = stored["Body"].read()
        t.equal(data, (t.folder / "posted file.bin").read_bytes(), "bytes of the form")
        t.equal(stored["ContentType"], "text/plain", "ContentType")
        t.equal(stored["Metadata"], {"a": "b"}, "metadata")
        for part in ("<PostResponse>", f"<Bucket>{bucket}</Bucket>", f"<Key>{key}</Key>",
                     md5_hex(data)):
            t.true(part in body, f"{part} is not in {body}")

        body, status = _submit(t, form, size=2001)
        t.true(status == "400" and "EntityTooLarge" in body, f"too large: {status} {body}")
        body, status = _submit(t, form, size=0)
        t.true(status == "400" and "EntityTooSmall" in body, f"too small: {status} {body}")
        body, status = _submit(t, form, "-F", "x-amz-meta-c=d")
        t.true(status == "403" and "Extra input fields" in body, f"extra field: {status} {body}")
        wrong = {**form, "fields": {**form["fields"], "Content-Type": "image/png"}}
        body, status = _submit(t, wrong)
        t.true(status == "403" and "Policy Condition failed" in body, f"type: {status} {body}")
        t.equal(t.keys(bucket), [key], "keys after the refusals")


_forms("default (SigV2 in us-east-1)")
_forms("SigV4", signature_version="s3v4")


@case("cross-origin rules")
def cors(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    with t.refused("NoSuchCORSConfiguration", 404):
        t.s3.get_bucket_cors(Bucket=bucket)
    rules = [
        {"ID": "app", "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://*.example"],
         "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]},
    ]
    t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    t.equal(t.s3.get_bucket_cors(Bucket=bucket)["CORSRules"], rules, "rules")
    url = f"{t.world.endpoint}/{bucket}/key"
    said = t.run(["curl", "-sS", "-i", "-X", "OPTIONS", "-H", "Origin: https://a.example",
                  "-H", "Access-Control-Request-Method: PUT", url]).text.lower()
    t.true(" 200" in said.splitlines()[0], said)
    t.true("access-control-allow-origin: https://a.example" in said, said)
    said = t.run(["curl", "-sS", "-X", "OPTIONS", "-H", "Origin: https://a.other",
                  "-H", "Access-Control-Request-Method: PUT", url]).text
    t.true("<Code>AccessForbidden</Code>" in said, said)
    wrong = {"CORSRules": [{"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}]}
    with t.refused("InvalidRequest", 400):
        t.s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=wrong)
    t.s3.delete_bucket_cors(Bucket=bucket)
    with t.refused("NoSuchCORSConfiguration", 404):
        t.s3.get_bucket_cors(Bucket=bucket)


@case("configurations that nobody made")
def probes(_: Boto3, t: Trial) -> None:
    bucket = t.bucket()
    t.equal(t.s3.get_bucket_request_payment(Bucket=bucket)["Payer"], "BucketOwner", "payer")
    for read, member in (
        (t.s3.get_bucket_logging, "LoggingEnabled"),
        (t.s3.get_bucket_accelerate_configuration, "Status"),
        (t.s3.get_bucket_notification_configuration, "QueueConfigurations"),
        (t.s3.list_bucket_analytics_configurations, "AnalyticsConfigurationList"),
        (t.s3.list_bucket_inventory_configurations, "InventoryConfigurationList"),
        (t.s3.list_bucket_metrics_configurations, "MetricsConfigurationList"),
        (t.s3.list_bucket_intelligent_tiering_configurations, "IntelligentTieringConfigurationList"),
    ):
        t.true(member not in read(Bucket=bucket), f"{member} is there")
    for read, code in (
        (t.s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (t.s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (t.s3.get_bucket_policy, "NoSuchBucketPolicy"),
    ):
        with t.refused(code, 404):
            read(Bucket=bucket)
    with t.refused("NoSuchConfiguration", 404):
        t.s3.get_bucket_metrics_configuration(Bucket=bucket, Id="absent")
    grants = t.s3.get_bucket_acl(Bucket=bucket)["Grants"]
    t.equal([grant["Permission"] for grant in grants], ["FULL_CONTROL"], "grants")
