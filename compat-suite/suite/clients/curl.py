"""curl with its own SigV4: the barest client there is."""

from __future__ import annotations

import hashlib
import json
import urllib.parse

from ..model import Cases, Client
from ..trial import Ran, Trial
from ..world import MIB, SIZES, md5_hex
from .names import FILE_NAMES


class Curl(Client):
    """The machine's curl."""

    name = "curl"
    cases = Cases()

    def missing(self) -> str | None:
        version = tuple(int(n) for n in self.version().split(".")[:2])
        return None if version >= (7, 88) else f"curl {self.version()} cannot sign for S3 (7.88 can)"

    def version(self) -> str:
        trial = Trial(self.world, self.name, "version")
        said = trial.run(["curl", "--version"]).text
        trial.clean_up()
        return said.split()[1]


case = Curl.cases


UNSIGNED = "UNSIGNED-PAYLOAD"


def curl(
    t: Trial,
    path: str,
    *words: object,
    ok: bool = True,
    stdin: bytes = b"",
    payload: str | None = UNSIGNED,
) -> Ran:
    """Runs curl, signing, on a path of the endpoint; its failure counts unless `ok` is False.

    S3 demands x-amz-content-sha256, which curl before 8 does not send by itself.
    """
    world = t.world
    signing = ["--aws-sigv4", f"aws:amz:{world.region}:s3",
               "--user", f"{world.access_key}:{world.secret_key}"]
    fail = ["--fail-with-body"] if ok else []
    hashed = ["-H", f"x-amz-content-sha256: {payload}"] if payload else []
    return t.run(["curl", "-sS", *fail, *signing, *hashed, *words, world.endpoint + path], ok=ok,
                 stdin=stdin)


def status(t: Trial, path: str, *words: object, payload: str | None = UNSIGNED) -> int:
    """The status of a signed request, its body thrown away."""
    said = curl(t, path, "-o", "/dev/null", "-w", "%{http_code}", *words, ok=False, payload=payload)
    return int(said.text)


@case("put, get, head, delete of all sizes", transport=True)
def round_trip(_: Curl, t: Trial) -> None:
    bucket = t.bucket_name()
    t.equal(status(t, f"/{bucket}", "-X", "PUT"), 200, "status of the bucket's creation")
    for size in SIZES.values():
        path = t.file(size)
        where = f"/{bucket}/size-{size}"
        curl(t, where, "-T", path)
        back = t.folder / "back"
        curl(t, where, "-o", back)
        t.true(back.read_bytes() == path.read_bytes(), f"{size} bytes differ")
        headers = curl(t, where, "-I").text.lower()
        t.true(f'etag: "{md5_hex(path.read_bytes())}"' in headers, f"ETag of {size} bytes")
        t.true(f"content-length: {size}\r\n" in headers, f"Content-Length of {size} bytes")
        t.equal(status(t, where, "-X", "DELETE"), 204, "status of the delete")
    t.equal(status(t, f"/{bucket}", "-X", "DELETE"), 204, "status of the bucket's end")


@case("bodies with their hash, unsigned, expected, chunked", transport=True)
def payload_forms(_: Curl, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(200_000)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    curl(t, f"/{bucket}/hashed", "-X", "PUT", "--data-binary", f"@{path}", payload=digest)
    curl(t, f"/{bucket}/unsigned", "-X", "PUT", "--data-binary", f"@{path}")
    curl(t, f"/{bucket}/expected", "-T", path, "-H", "Expect: 100-continue")
    for key in ("hashed", "unsigned", "expected"):
        t.true(t.stored(bucket, key) == data, f"bytes of the {key} body differ")
    got = status(t, f"/{bucket}/chunked", "-T", path, "-H", "Transfer-Encoding: chunked")
    t.true(got in (200, 411), f"a chunked body without a length: {got}")
    if got == 200:
        t.true(t.stored(bucket, "chunked") == data, "bytes of the chunked body differ")


@case("a get as curl 7.88 signs it, without x-amz-content-sha256", holdfast=True)
def no_payload_header(_: Curl, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    t.equal(curl(t, f"/{bucket}/k", payload=None).out, b"body", "bytes")


@case("odd keys in raw paths")
def odd_keys(_: Curl, t: Trial) -> None:
    bucket, names = t.bucket(), [*FILE_NAMES, "a", "a/b", "a//b", "/", "trailing/"]
    for name in names:
        where = f"/{bucket}/{urllib.parse.quote(name, safe='/~')}"
        path = t.folder / "body"
        path.write_bytes(name.encode())
        # Not -T: curl adds the file's name to a URL that ends in a slash.
        curl(t, where, "--path-as-is", "-X", "PUT", "--data-binary", f"@{path}", "--globoff")
        t.equal(curl(t, where, "--path-as-is", "--globoff").out, name.encode(), f"bytes of {name!r}")
    t.equal(t.keys(bucket), sorted(names, key=str.encode), "keys")


@case("listing, ranges, conditions")
def reads(_: Curl, t: Trial) -> None:
    bucket, data = t.bucket(), t.bytes(5000)
    t.s3.put_object(Bucket=bucket, Key="k", Body=data)
    listed = curl(t, f"/{bucket}?list-type=2&max-keys=5&prefix=k").text
    for piece in ("<Key>k</Key>", "<KeyCount>1</KeyCount>", "<IsTruncated>false</IsTruncated>",
                  "<MaxKeys>5</MaxKeys>", f"<Name>{bucket}</Name>"):
        t.true(piece in listed, f"the listing lacks {piece}: {listed[:400]}")
    t.equal(curl(t, f"/{bucket}/k", "-r", "10-19").out, data[10:20], "a range")
    said = curl(t, f"/{bucket}/k", "-r", "6000-", "-D", "-", ok=False).text
    t.true(" 416 " in said and "content-range: bytes */5000" in said.lower(), f"416: {said[:400]}")
    etag = f'If-None-Match: "{md5_hex(data)}"'
    t.equal(status(t, f"/{bucket}/k", "-H", etag), 304, "status of If-None-Match")
    t.equal(status(t, f"/{bucket}/k", "-H", 'If-Match: "0"'), 412, "status of If-Match")
    t.equal(status(t, f"/{bucket}/k", "-X", "PUT", "-H", "If-None-Match: *"), 412,
            "status of a put over an object")


@case("unsigned and wrongly signed requests", transport=True)
def signatures(_: Curl, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    url = f"{t.world.endpoint}/{bucket}/k"
    said = t.run(["curl", "-sS", "-w", "%{http_code}", url]).text
    t.true(said.endswith("403") and "<Code>AccessDenied</Code>" in said, f"unsigned: {said}")
    signing = ["--aws-sigv4", f"aws:amz:{t.world.region}:s3",
               "-H", f"x-amz-content-sha256: {UNSIGNED}", "--user"]
    said = t.run(["curl", "-sS", "-w", "%{http_code}", *signing, f"{t.world.access_key}:no", url])
    t.true(said.text.endswith("403") and "SignatureDoesNotMatch" in said.text, f"{said.text}")
    big = t.file(20 * MIB)
    said = t.run(["curl", "-sS", "-w", "%{http_code}", *signing, f"{t.world.access_key}:no",
                  "-T", big, url])
    t.true(said.text.endswith("403"), f"a wrongly signed upload: {said.text[-200:]}")
    t.equal(t.stored(bucket, "k"), b"secret", "the object after refused writes")


@case("malformed requests get S3 errors, nothing is stored")
def malformed(_: Curl, t: Trial) -> None:
    bucket = t.bucket()
    for query, body in (("delete", b"<Delete><Object><Key>k</Key>"), ("delete", b"not xml"),
                        ("delete", b"<Wrong/>")):
        said = curl(t, f"/{bucket}?{query}=", "-X", "POST", "--data-binary", "@-", stdin=body,
                    ok=False).text
        t.true("<Code>MalformedXML</Code>" in said, f"{body!r}: {said[:300]}")
    path = t.file(1000)
    for header, code in (("Content-MD5: AAAA", "InvalidDigest"),
                         ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
                         ("x-amz-checksum-crc32: AAAAAA==", "BadDigest")):
        said = curl(t, f"/{bucket}/k", "-T", path, "-H", header, ok=False).text
        t.true(f"<Code>{code}</Code>" in said, f"{header}: {said[:300]}")
    said = curl(t, f"/{bucket}/k", "-T", path, ok=False, payload="0" * 64).text
    t.true("<Code>XAmzContentSHA256Mismatch</Code>" in said, f"a wrong SHA-256: {said[:300]}")
    t.equal(t.keys(bucket), [], "keys after refused writes")


def api(t: Trial, path: str, *words: object) -> dict:
    """A signed call of Holdfast's extension API that answers JSON, exactly as curl signs it."""
    return json.loads(curl(t, path, *words, payload=None).text)
