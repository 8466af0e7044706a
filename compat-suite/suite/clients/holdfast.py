"""What only Holdfast does, done with unmodified clients: special objects and the extension API."""

from __future__ import annotations

import json
import urllib.parse

from ..model import Cases, Client
from ..trial import Trial
from ..world import MIB, content
from . import awscli
from .curl import api, curl, status


class Finalize(awscli.AwsCliV1):
    """The aws cli on the special objects."""

    name = "holdfast-objects"
    cases = Cases()


class Extension(Client):
    """curl on /_holdfast/v1."""

    name = "holdfast-api"
    cases = Cases()

    def version(self) -> str:
        return "v1"


case = Finalize.cases
extension = Extension.cases


def _package(t: Trial) -> tuple[str, dict[str, bytes]]:
    """A bucket with a few files, one of them uploaded in parts."""
    bucket = t.bucket()
    files = {f"data/file {n:02}+ü.bin": content(f"{t.seed} {n}", n * 997) for n in range(25)}
    for key, body in files.items():
        t.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/x-test")
    path = t.file(9 * MIB, "large.bin")
    t.s3.upload_file(str(path), bucket, "large.bin")
    files["large.bin"] = path.read_bytes()
    return bucket, files


def _read_json(cli: awscli.AwsCli, t: Trial, url: str) -> dict:
    return json.loads(cli.aws(t, "s3", "cp", url, "-").out)


@case("finalize by cp -, manifest, SHA256SUMS, status", holdfast=True, transport=True)
def finalize(cli: Finalize, t: Trial) -> None:
    bucket, files = _package(t)
    special = f"s3://{bucket}/.holdfast"
    cli.refused(t, "404", "s3", "cp", f"{special}/manifest.json", t.folder / "none")
    t.equal(_read_json(cli, t, f"{special}/status.json")["status"], "created", "status before")
    cli.aws(t, "s3", "cp", "-", f"{special}/finalize")
    manifest = _read_json(cli, t, f"{special}/manifest.json")
    t.equal(manifest["package"]["status"], "finalized", "status in the manifest")
    listed = {f["relative_path"]: f["size_bytes"] for f in manifest["files"]}
    t.equal(listed, {key: len(body) for key, body in files.items()}, "files in the manifest")
    t.equal(_read_json(cli, t, f"{special}/status.json")["status"], "finalized", "status after")
    digests = {
        t.s3.head_object(Bucket=bucket, Key=f".holdfast/manifest.{form}")["Metadata"][
            "holdfast-digest"] for form in ("cbor", "json")
    }
    t.equal(len(digests), 1, f"manifest digests {digests}")
    down = t.folder / "down"
    cli.aws(t, "s3", "sync", f"s3://{bucket}", down, "--no-progress")
    cli.aws(t, "s3", "cp", f"{special}/SHA256SUMS", t.folder / "SHA256SUMS")
    t.true(not (down / ".holdfast").exists(), "the special objects came along with sync")
    ran = t.run(["sh", "-c", "cd down && sha256sum -c --strict ../SHA256SUMS"])
    t.equal(ran.text.count(": OK"), len(files), "files checked by sha256sum")


@case("finalize again, and with the other clients", holdfast=True)
def finalize_again(cli: Finalize, t: Trial) -> None:
    bucket, _ = _package(t)
    url = f"s3://{bucket}/.holdfast/finalize"
    cli.aws(t, "s3", "cp", "-", url)
    digest = t.s3.head_object(Bucket=bucket, Key=".holdfast/manifest.cbor")["Metadata"]
    cli.aws(t, "s3", "cp", "-", url)
    body = t.folder / "body.json"
    body.write_text("{}")
    cli.api(t, "put-object", "--bucket", bucket, "--key", ".holdfast/finalize", "--body", body)
    v2 = awscli.AwsCliV2(t.world)
    if not v2.missing():
        v2.aws(t, "s3", "cp", "-", url)
    headers = curl(t, f"/{bucket}/.holdfast/finalize", "-X", "PUT", "-D", "-").text.lower()
    t.true(digest["holdfast-digest"] in headers, f"x-holdfast-manifest-digest: {headers}")
    after = t.s3.head_object(Bucket=bucket, Key=".holdfast/manifest.cbor")["Metadata"]
    t.equal(after, digest, "digest after finalizing again")


@case("a finalized package is frozen, a re-run succeeds", holdfast=True)
def frozen(cli: Finalize, t: Trial) -> None:
    bucket, files = _package(t)
    tree = t.folder / "tree"
    cli.aws(t, "s3", "sync", f"s3://{bucket}", tree, "--no-progress")
    t.s3.put_object(Bucket=bucket, Key=".holdfast/finalize", Body=b"")
    last = _read_json(cli, t, f"s3://{bucket}/.holdfast/status.json")["last_sequence"]
    key = "data/file 03+ü.bin"
    t.file(3, "other")
    cli.refused(t, "AccessDenied", "s3", "cp", t.folder / "other", f"s3://{bucket}/new")
    cli.refused(t, "AccessDenied", "s3", "cp", t.folder / "other", f"s3://{bucket}/{key}")
    cli.refused(t, "AccessDenied", "s3", "rm", f"s3://{bucket}/{key}")
    cli.refused(t, "AccessDenied", "s3", "cp", f"s3://{bucket}/{key}", f"s3://{bucket}/copy")
    cli.refused(t, "AccessDenied", "s3", "rb", f"s3://{bucket}")
    with t.refused("AccessDenied", 403):
        t.s3.create_multipart_upload(Bucket=bucket, Key="parts")
    said = t.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    t.equal([e["Code"] for e in said["Errors"]], ["AccessDenied"], "delete_objects")
    ran = cli.aws(t, "s3", "cp", "--recursive", tree / "data", f"s3://{bucket}/data")
    t.equal(ran.text.count("upload:"), 25, "files of the repeated upload")
    t.s3.put_object(Bucket=bucket, Key=key, Body=files[key])
    now = _read_json(cli, t, f"s3://{bucket}/.holdfast/status.json")["last_sequence"]
    t.equal(now, last, "last sequence after all that")
    t.equal(sorted(t.keys(bucket)), sorted(files), "keys")


@case("open uploads refuse finalize unless aborted", holdfast=True)
def open_uploads(cli: Finalize, t: Trial) -> None:
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="open")["UploadId"]
    said = curl(t, f"/{bucket}/.holdfast/finalize", "-X", "PUT", "-w", "%{http_code}", ok=False)
    t.true(said.text.endswith("409") and upload in said.text, f"finalize: {said.text}")
    body = json.dumps({"abort_uploads": True}).encode()
    cli.aws(t, "s3", "cp", "-", f"s3://{bucket}/.holdfast/finalize", stdin=body)
    t.equal(t.stored(bucket, ".holdfast/finalize"), body, "the action's body read back")


@case("events/since as JSON lines", holdfast=True)
def events_object(cli: Finalize, t: Trial) -> None:
    bucket, files = _package(t)
    t.s3.put_object(Bucket=bucket, Key=".holdfast/finalize", Body=b"")
    text = cli.aws(t, "s3", "cp", f"s3://{bucket}/.holdfast/events/since/0.jsonl", "-").text
    events = [json.loads(line) for line in text.splitlines()]
    kinds = [event["event_type"] for event in events]
    t.equal(kinds[:2], ["v1.package.created", "v1.retention.default_applied"], "first events")
    t.equal(kinds[-1], "v1.package.finalized", "last event")
    t.equal(kinds.count("v1.file.ingested"), len(files), "files ingested")
    numbers = [event["sequence"] for event in events]
    t.equal(numbers, sorted(set(numbers)), "sequences")
    later = cli.aws(t, "s3", "cp", f"s3://{bucket}/.holdfast/events/since/{numbers[-2]}.jsonl", "-")
    t.equal(json.loads(later.text)["sequence"], numbers[-1], "the event after the last but one")


@case("the reserved prefix: hidden, listed on demand, closed", holdfast=True)
def reserved(cli: Finalize, t: Trial) -> None:
    bucket, files = _package(t)
    for key in (".holdfast/other", ".holdfast/manifest.json", ".holdfast/"):
        with t.refused("InvalidRequest", 400):
            t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    t.s3.put_object(Bucket=bucket, Key=".holdfast/finalize", Body=b"")
    t.equal(sorted(t.keys(bucket)), sorted(files), "keys of a plain listing")
    special = t.keys(bucket, prefix=".holdfast")
    for name in ("manifest.cbor", "manifest.json", "SHA256SUMS", "status.json"):
        t.true(f".holdfast/{name}" in special, f".holdfast/{name} is not listed: {special}")
    etag = t.etag(bucket, ".holdfast/manifest.json")
    cli.aws(t, "s3", "cp", "--recursive", f"s3://{bucket}/.holdfast/", t.folder / "special",
            "--exclude", "events/*", "--exclude", "finalize")
    t.true((t.folder / "special/manifest.cbor").exists(), "the special objects do not download")
    t.true(etag, "no ETag on the manifest")


@extension("health without a signature", holdfast=True, transport=True)
def health(_: Extension, t: Trial) -> None:
    for name in ("live", "ready"):
        url = f"{t.world.endpoint}/_holdfast/v1/health/{name}"
        said = t.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url])
        t.equal(said.text, "200", name)
    url = f"{t.world.endpoint}/_holdfast/v1/events"
    said = t.run(["curl", "-sS", "-w", "%{http_code}", url]).text
    t.true(said.endswith("403") and "code" in json.loads(said[:-3]), f"unsigned events: {said}")


@extension("events as JSON, NDJSON, CBOR sequence", holdfast=True, transport=True)
def events(_: Extension, t: Trial) -> None:
    bucket, files = _package(t)
    path = f"/_holdfast/v1/events?limit=1000&package={bucket}&since=0"
    batch = api(t, path)["events"]
    t.equal(len(batch), 2 + len(files), "events of the package")
    said = curl(t, path, "-H", "Accept: application/x-ndjson", "-D", t.folder / "headers",
                payload=None)
    lines = [json.loads(line) for line in said.text.splitlines()]
    t.equal(lines, batch, "NDJSON against JSON")
    headers = (t.folder / "headers").read_text().lower()
    t.true("x-holdfast-log-head: " in headers, f"no log head: {headers}")
    t.true("x-holdfast-log-epoch: " in headers, f"no log epoch: {headers}")
    said = curl(t, path, "-H", "Accept: application/cbor-seq", "-D", t.folder / "headers")
    t.true("application/cbor-seq" in (t.folder / "headers").read_text(), "type of the sequence")
    t.true(said.out and said.out[0] >> 5 == 5, "the sequence does not begin with a CBOR map")
    for cursor in ("-1", "x", "1.5"):
        got = status(t, f"/_holdfast/v1/events?since={cursor}", payload=None)
        t.equal(got, 400, f"status of the cursor {cursor}")
    head = int(headers.split("x-holdfast-log-head: ")[1].split()[0])
    t.equal(api(t, f"/_holdfast/v1/events?since={head + 10_000}")["events"], [], "beyond the head")


@extension("events as SSE, resumed by Last-Event-ID", holdfast=True, transport=True)
def sse(_: Extension, t: Trial) -> None:
    bucket, files = _package(t)

    def tail(*words: str) -> list[tuple[int, dict]]:
        ran = curl(t, f"/_holdfast/v1/events?package={bucket}&since=0", "-N", "--max-time", "3",
                   "-H", "Accept: text/event-stream", *words, ok=False, payload=None)
        t.equal(ran.code, 28, "curl's code after three seconds (28: still open)")
        seen = []
        for block in ran.text.replace("\r", "").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "id" in fields:
                seen.append((int(fields["id"]), json.loads(fields["data"])))
        return seen

    seen = tail()
    t.equal(len(seen), 2 + len(files), "events in the tail")
    t.true(all(data["sequence"] == number for number, data in seen), "id and sequence differ")
    rest = tail("-H", f"Last-Event-ID: {seen[4][0]}")
    t.equal([n for n, _ in rest], [n for n, _ in seen[5:]], "ids after Last-Event-ID")


@extension("packages, files, content, manifest", holdfast=True)
def packages(_: Extension, t: Trial) -> None:
    bucket, files = _package(t)
    base = f"/_holdfast/v1/packages/{bucket}"
    package = api(t, base)
    t.equal((package["name"], package["status"]), (bucket, "created"), "the package")
    t.equal(api(t, f"/_holdfast/v1/packages/{package['id']}")["id"], package["id"], "by its id")
    listed = api(t, f"/_holdfast/v1/packages?subject={bucket}")["packages"]
    t.equal([p["id"] for p in listed], [package["id"]], "packages by subject")
    found, after = [], ""
    while True:
        page = api(t, f"{base}/files?{after}limit=10")
        found += page["files"]
        if not page.get("next"):
            break
        after = f"after={urllib.parse.quote(page['next'], safe='')}&"
    t.equal({f["relative_path"]: f["size_bytes"] for f in found},
            {k: len(v) for k, v in files.items()}, "files over pages")
    large = next(f for f in found if f["relative_path"] == "large.bin")
    got = curl(t, f"/_holdfast/v1/files/{large['id']}/content", "-r", "100-299").out
    t.equal(got, files["large.bin"][100:300], "a range of the content")
    t.equal(status(t, f"{base}/manifest"), 404, "the manifest of an open package")
    finalized = api(t, f"{base}/finalize", "-X", "POST")
    manifest = api(t, f"{base}/manifest?format=json")
    t.equal(len(manifest["files"]), len(files), "files in the manifest")
    t.true(finalized.get("manifest_digest"), f"finalize says {finalized}")
    t.equal(api(t, base)["status"], "finalized", "status afterwards")
    t.equal(status(t, "/_holdfast/v1/packages/no-such-package"), 404, "an absent package")
