"""The AWS command line, version 1 (PyPI) and version 2 (Debian's package)."""

from __future__ import annotations

import json

from ..model import Cases, Client
from ..trial import Ran, Trial
from ..world import CLIENTS, MIB, SIZES, content, md5_hex, multipart_etag
from .names import FILE_NAMES

CHUNK = 8 * MIB  # both versions cut at and into 8 MiB


class AwsCli(Client):
    """What both versions share: how to call them, and the cases."""

    cases = Cases()
    program = ""

    def missing(self) -> str | None:
        return None if (CLIENTS / self.program).exists() else "not installed: install.sh"

    def version(self) -> str:
        trial = Trial(self.world, self.name, "version")
        said = trial.run([CLIENTS / self.program, "--version"])
        trial.clean_up()
        return (said.text or said.err).split()[0].removeprefix("aws-cli/")

    def aws(self, trial: Trial, *words: object, ok: bool = True, stdin: bytes = b"") -> Ran:
        """Runs `aws … --endpoint-url URL`."""
        command = [CLIENTS / self.program, *words, "--endpoint-url", self.world.endpoint]
        return trial.run(command, ok=ok, stdin=stdin)

    def api(self, trial: Trial, *words: object) -> dict:
        """Runs `aws s3api …` and reads its JSON."""
        text = self.aws(trial, "s3api", *words, "--output", "json").text
        return json.loads(text) if text.strip() else {}

    def refused(self, trial: Trial, code: str, *words: object) -> None:
        """The command fails and names this S3 error."""
        ran = self.aws(trial, *words, ok=False)
        trial.true(ran.code != 0, f"succeeded, expected {code}: aws {' '.join(map(str, words))}")
        trial.true(f"({code})" in ran.err, f"expected ({code}): {ran.err.strip()[-300:]}")


class AwsCliV1(AwsCli):
    """The current version 1."""

    name = "aws-cli-v1"
    program = "awscli-v1/bin/aws"


class AwsCliV2(AwsCli):
    """Debian's version 2."""

    name = "aws-cli-v2"
    program = "awscli-v2/aws"


case = AwsCli.cases


@case("mb, ls, mb again, rb", transport=True)
def make_and_remove_buckets(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket_name()
    cli.aws(t, "s3", "mb", f"s3://{bucket}")
    t.true(f" {bucket}\n" in cli.aws(t, "s3", "ls").text, "s3 ls does not show the bucket")
    cli.refused(t, "BucketAlreadyOwnedByYou", "s3api", "create-bucket", "--bucket", bucket)
    cli.api(t, "head-bucket", "--bucket", bucket)
    cli.api(t, "get-bucket-location", "--bucket", bucket)
    cli.aws(t, "s3", "rb", f"s3://{bucket}")
    cli.refused(t, "NoSuchBucket", "s3", "ls", f"s3://{bucket}")


def _up_and_down(label: str, size: int) -> None:
    @case(f"cp {label} up and down, ETag", transport=True)
    def up_and_down(cli: AwsCli, t: Trial) -> None:
        bucket, path = t.bucket(), t.file(size)
        data = path.read_bytes()
        cli.aws(t, "s3", "cp", path, f"s3://{bucket}/up.bin")
        expected = md5_hex(data) if size < CHUNK else multipart_etag(data, CHUNK)
        t.equal(t.etag(bucket, "up.bin"), expected, "ETag")
        back = t.folder / "back.bin"
        cli.aws(t, "s3", "cp", f"s3://{bucket}/up.bin", back)
        t.true(back.read_bytes() == data, "bytes differ after the round trip")


for _label, _size in SIZES.items():
    _up_and_down(_label, _size)


@case("cp from stdin and to stdout", transport=True)
def streams(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    for size in (0, 5, 9 * MIB):
        data = t.bytes(size, str(size))
        cli.aws(t, "s3", "cp", "-", f"s3://{bucket}/{size}", stdin=data)
        back = cli.aws(t, "s3", "cp", f"s3://{bucket}/{size}", "-").out
        t.true(back == data, f"{size} bytes differ after the round trip")


@case("sync 3,000 small files; again; down; --delete")
def sync(cli: AwsCli, t: Trial) -> None:
    bucket, tree = t.bucket(), t.world.small_files()
    first = cli.aws(t, "s3", "sync", tree, f"s3://{bucket}/tree", "--no-progress")
    t.equal(first.text.count("upload:"), 3000, "files uploaded")
    again = cli.aws(t, "s3", "sync", tree, f"s3://{bucket}/tree", "--no-progress")
    t.equal(again.text.strip(), "", "output of the second sync")
    down = t.folder / "down"
    cli.aws(t, "s3", "sync", f"s3://{bucket}/tree", down, "--no-progress")
    t.same_tree(down, tree)
    again = cli.aws(t, "s3", "sync", f"s3://{bucket}/tree", down, "--no-progress")
    t.equal(again.text.strip(), "", "output of the second sync down")
    (down / "folder 01/file-0001.bin").write_bytes(b"changed, and of another size")
    (down / "folder 02/file-0002.bin").unlink()
    delta = cli.aws(t, "s3", "sync", down, f"s3://{bucket}/tree", "--delete", "--no-progress")
    t.equal(delta.text.count("upload:"), 1, "files uploaded after one change")
    t.equal(delta.text.count("delete:"), 1, "files deleted after one removal")


@case("cp --recursive of odd names")
def odd_names(cli: AwsCli, t: Trial) -> None:
    bucket, tree = t.bucket(), t.folder / "odd"
    for name in FILE_NAMES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content(name, 100))
    cli.aws(t, "s3", "cp", "--recursive", tree, f"s3://{bucket}/odd")
    in_order = sorted((f"odd/{name}" for name in FILE_NAMES), key=str.encode)
    t.equal(t.keys(bucket), in_order, "keys and their order")
    cli.aws(t, "s3", "cp", "--recursive", f"s3://{bucket}/odd", t.folder / "back")
    t.same_tree(t.folder / "back", tree)
    listed = cli.aws(t, "s3", "ls", "--recursive", f"s3://{bucket}/odd/").text
    for name in FILE_NAMES:
        t.true(f" odd/{name}\n" in listed, f"s3 ls does not show {name!r}")


@case("keys with // and a beside a/b")
def odd_keys(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    for key in ("a", "a/b", "a//b", "//", "/lead"):
        path = t.folder / "body"
        path.write_bytes(key.encode())
        cli.api(t, "put-object", "--bucket", bucket, "--key", key, "--body", path)
        cli.api(t, "get-object", "--bucket", bucket, "--key", key, t.folder / "back")
        t.equal((t.folder / "back").read_bytes(), key.encode(), f"bytes of {key!r}")
    listed = cli.api(t, "list-objects-v2", "--bucket", bucket)["Contents"]
    t.equal([e["Key"] for e in listed], ["//", "/lead", "a", "a//b", "a/b"], "keys")


@case("metadata and content headers", transport=True)
def metadata(cli: AwsCli, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(1000)
    cli.aws(t, "s3", "cp", path, f"s3://{bucket}/m", "--metadata", "colour=red,size=two words",
            "--content-type", "text/x-test; charset=utf-8", "--cache-control", "max-age=60",
            "--content-disposition", 'attachment; filename="x y"', "--content-encoding", "identity",
            "--content-language", "de-AT", "--expires", "2030-01-02T03:04:05Z")
    head = cli.api(t, "head-object", "--bucket", bucket, "--key", "m")
    t.equal(head["Metadata"], {"colour": "red", "size": "two words"}, "Metadata")
    t.equal(head["ContentType"], "text/x-test; charset=utf-8", "ContentType")
    t.equal(head["CacheControl"], "max-age=60", "CacheControl")
    t.equal(head["ContentDisposition"], 'attachment; filename="x y"', "ContentDisposition")
    t.equal(head["ContentEncoding"], "identity", "ContentEncoding")
    t.equal(head["ContentLanguage"], "de-AT", "ContentLanguage")
    t.true("2030" in str(head.get("Expires", head.get("ExpiresString"))), "Expires is lost")
    cli.aws(t, "s3", "cp", f"s3://{bucket}/m", f"s3://{bucket}/copy")
    copied = cli.api(t, "head-object", "--bucket", bucket, "--key", "copy")
    t.equal(copied["Metadata"], head["Metadata"], "Metadata after a copy")
    cli.aws(t, "s3", "cp", f"s3://{bucket}/m", f"s3://{bucket}/m", "--metadata-directive",
            "REPLACE", "--metadata", "colour=blue")
    replaced = cli.api(t, "head-object", "--bucket", bucket, "--key", "m")
    t.equal(replaced["Metadata"], {"colour": "blue"}, "Metadata after REPLACE onto itself")
    t.equal(t.stored(bucket, "m"), path.read_bytes(), "bytes after REPLACE onto itself")


@case("cp within the server: small and multipart")
def server_side_copy(cli: AwsCli, t: Trial) -> None:
    source, target = t.bucket(), t.bucket()
    for size in (1000, 9 * MIB + 3):
        path = t.file(size, f"{size}.bin")
        cli.aws(t, "s3", "cp", path, f"s3://{source}/{size}", "--metadata", "a=b")
        cli.aws(t, "s3", "cp", f"s3://{source}/{size}", f"s3://{target}/copy/{size}")
        t.true(t.stored(target, f"copy/{size}") == path.read_bytes(), f"{size} bytes differ")
        # Version 1 does not carry metadata over when it copies by parts.
        if size < CHUNK or cli.name == "aws-cli-v2":
            head = t.s3.head_object(Bucket=target, Key=f"copy/{size}")
            t.equal(head["Metadata"], {"a": "b"}, f"Metadata of the copy of {size} bytes")


@case("sync between buckets")
def sync_buckets(cli: AwsCli, t: Trial) -> None:
    source, target = t.bucket(), t.bucket()
    for n in range(20):
        t.s3.put_object(Bucket=source, Key=f"s/{n:02} x+y", Body=b"%d" % n)
    ran = cli.aws(t, "s3", "sync", f"s3://{source}", f"s3://{target}", "--no-progress")
    t.equal(ran.text.count("copy:"), 20, "objects copied")
    again = cli.aws(t, "s3", "sync", f"s3://{source}", f"s3://{target}", "--no-progress")
    t.equal(again.text.strip(), "", "output of the second sync")


@case("mv up, within, down")
def move(cli: AwsCli, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(5000)
    data = path.read_bytes()
    cli.aws(t, "s3", "mv", path, f"s3://{bucket}/one")
    t.true(not path.exists(), "the local file is still there")
    cli.aws(t, "s3", "mv", f"s3://{bucket}/one", f"s3://{bucket}/two")
    t.equal(t.keys(bucket), ["two"], "keys")
    cli.aws(t, "s3", "mv", f"s3://{bucket}/two", path)
    t.equal(path.read_bytes(), data, "bytes")
    t.equal(t.keys(bucket), [], "keys at the end")


@case("ls with folders, pages and a summary")
def listing(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    for n in range(25):
        t.s3.put_object(Bucket=bucket, Key=f"dir{n % 5}/f{n:02}", Body=b"x" * n)
    t.s3.put_object(Bucket=bucket, Key="top", Body=b"")
    lines = cli.aws(t, "s3", "ls", f"s3://{bucket}").text.splitlines()
    t.equal([line.split()[-1] for line in lines], [f"dir{n}/" for n in range(5)] + ["top"], "ls")
    text = cli.aws(t, "s3", "ls", f"s3://{bucket}", "--recursive", "--summarize",
                   "--page-size", "7").text
    t.true("Total Objects: 26" in text, f"summary: {text[-120:]!r}")
    t.true(f"Total Size: {sum(range(25))}" in text, f"summary: {text[-120:]!r}")


@case("list-objects and list-objects-v2 in pages")
def list_pages(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    expected = [f"k{n:03}" for n in range(30)]
    for key in expected:
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for command in ("list-objects", "list-objects-v2"):
        said = cli.api(t, command, "--bucket", bucket, "--page-size", "8")
        t.equal([e["Key"] for e in said["Contents"]], expected, f"keys of {command}")
    part = cli.api(t, "list-objects-v2", "--bucket", bucket, "--start-after", "k027")
    t.equal([e["Key"] for e in part["Contents"]], ["k028", "k029"], "keys after k027")


@case("rm, rm --recursive, rb --force")
def remove(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    for n in range(12):
        t.s3.put_object(Bucket=bucket, Key=f"d/{n}", Body=b"x")
    cli.aws(t, "s3", "rm", f"s3://{bucket}/d/0")
    cli.refused(t, "BucketNotEmpty", "s3api", "delete-bucket", "--bucket", bucket)
    cli.aws(t, "s3", "rm", "--recursive", f"s3://{bucket}/d", "--exclude", "*5")
    t.equal(t.keys(bucket), ["d/5"], "keys after rm --recursive")
    cli.aws(t, "s3", "rb", "--force", f"s3://{bucket}")
    cli.refused(t, "404", "s3api", "head-bucket", "--bucket", bucket)


@case("presign, fetched by curl", transport=True)
def presign(cli: AwsCli, t: Trial) -> None:
    bucket, key = t.bucket(), "dir/a b+c%ü.txt"
    t.s3.put_object(Bucket=bucket, Key=key, Body=b"shared")
    url = cli.aws(t, "s3", "presign", f"s3://{bucket}/{key}").text.strip()
    t.equal(t.run(["curl", "-sSf", url]).out, b"shared", "bytes behind the presigned URL")
    head, tail = url.split("Signature=")
    tampered = f"{head}Signature={'1' if tail[0] == '0' else '0'}{tail[1:]}"
    status = t.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", tampered]).text
    t.equal(status, "403", "status of a tampered URL")


@case("get-object: ranges and conditions")
def ranges(cli: AwsCli, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(10_000)
    data = path.read_bytes()
    etag = cli.api(t, "put-object", "--bucket", bucket, "--key", "r", "--body", path)["ETag"]
    back = t.folder / "back"
    where = ("--bucket", bucket, "--key", "r")
    for text, piece in (("bytes=0-0", data[:1]), ("bytes=100-199", data[100:200]),
                        ("bytes=9990-", data[9990:]), ("bytes=-5", data[-5:])):
        cli.api(t, "get-object", *where, "--range", text, back)
        t.equal(back.read_bytes(), piece, text)
    get = ("s3api", "get-object", *where)
    cli.refused(t, "InvalidRange", *get, "--range", "bytes=10000-", back)
    cli.refused(t, "PreconditionFailed", *get, "--if-match", '"0"', back)
    cli.refused(t, "304", *get, "--if-none-match", etag, back)
    cli.api(t, "get-object", *where, "--if-match", etag, back)


@case("multipart by hand: out of order, list, abort")
def multipart(cli: AwsCli, t: Trial) -> None:
    bucket = t.bucket()
    where = ("--bucket", bucket, "--key", "multi part+")
    upload = cli.api(t, "create-multipart-upload", *where)["UploadId"]
    with_upload = (*where, "--upload-id", upload)
    sizes = {1: 5 * MIB, 2: 6 * MIB, 3: 10}
    etags = {}
    for number in (3, 1, 2):
        path = t.file(sizes[number], f"part{number}")
        said = cli.api(t, "upload-part", *with_upload, "--part-number", number, "--body", path)
        etags[number] = said["ETag"]
    listed = cli.api(t, "list-parts", *with_upload)["Parts"]
    t.equal([(p["PartNumber"], p["Size"]) for p in listed], sorted(sizes.items()), "parts")
    open_uploads = cli.api(t, "list-multipart-uploads", "--bucket", bucket)["Uploads"]
    t.equal([u["UploadId"] for u in open_uploads], [upload], "open uploads")
    parts = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]}
    cli.api(t, "complete-multipart-upload", *with_upload, "--multipart-upload", json.dumps(parts))
    whole = b"".join((t.folder / f"part{n}").read_bytes() for n in (1, 2, 3))
    t.true(t.stored(bucket, "multi part+") == whole, "bytes differ")
    other = cli.api(t, "create-multipart-upload", *where)["UploadId"]
    cli.api(t, "abort-multipart-upload", *where, "--upload-id", other)
    cli.refused(t, "NoSuchUpload", "s3api", "list-parts", *where, "--upload-id", other)


@case("delete-objects", transport=True)
def delete_objects(cli: AwsCli, t: Trial) -> None:
    bucket, keys = t.bucket(), ["one", "two & <three>", "missing"]
    for key in keys[:2]:
        t.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    wanted = json.dumps({"Objects": [{"Key": key} for key in keys]})
    said = cli.api(t, "delete-objects", "--bucket", bucket, "--delete", wanted)
    t.equal(sorted(d["Key"] for d in said["Deleted"]), sorted(keys), "deleted keys")
    t.equal(t.keys(bucket), [], "keys left")


@case("error codes")
def errors(cli: AwsCli, t: Trial) -> None:
    bucket, back = t.bucket(), t.folder / "back"
    cli.refused(t, "NoSuchKey", "s3api", "get-object", "--bucket", bucket, "--key", "no", back)
    cli.refused(t, "404", "s3api", "head-object", "--bucket", bucket, "--key", "no")
    cli.refused(t, "NoSuchBucket", "s3api", "list-objects-v2", "--bucket", f"{bucket}-no")
    cli.refused(t, "404", "s3", "cp", f"s3://{bucket}/no", back)
