"""s3cmd, path style, otherwise as `s3cmd --configure` leaves it."""

from __future__ import annotations

from ..model import Cases, Client
from ..trial import Ran, Trial
from ..world import CLIENTS, MIB, SIZES, content, md5_hex, multipart_etag
from .names import FILE_NAMES

CHUNK = 15 * MIB  # what is larger goes up in parts of this size


class S3cmd(Client):
    """The current s3cmd."""

    name = "s3cmd"
    cases = Cases()
    program = CLIENTS / "s3cmd/bin/s3cmd"

    def missing(self) -> str | None:
        return None if self.program.exists() else "not installed: install.sh"

    def version(self) -> str:
        trial = Trial(self.world, self.name, "version")
        said = trial.run([self.program, "--version"]).text
        trial.clean_up()
        return said.split()[-1]

    def s3cmd(self, trial: Trial, *words: object, ok: bool = True, stdin: bytes = b"") -> Ran:
        """Runs s3cmd with a configuration of its own."""
        config = trial.folder / "s3cfg"
        if not config.exists():
            lines = [
                "[default]", f"access_key = {self.world.access_key}",
                f"secret_key = {self.world.secret_key}", f"host_base = {self.world.host}",
                f"host_bucket = {self.world.host}", f"use_https = {self.world.is_https}",
                f"signurl_use_https = {self.world.is_https}",
                f"ca_certs_file = {self.world.ca or ''}",
            ]
            config.write_text("\n".join(lines) + "\n")
        command = [self.program, "--config", config, "--no-progress", *words]
        return trial.run(command, ok=ok, stdin=stdin)


case = S3cmd.cases


@case("mb, ls, info, rb", transport=True)
def buckets(cli: S3cmd, t: Trial) -> None:
    bucket = t.bucket_name()
    cli.s3cmd(t, "mb", f"s3://{bucket}")
    t.true(f"s3://{bucket}\n" in cli.s3cmd(t, "ls").text, "ls does not show the bucket")
    cli.s3cmd(t, "info", f"s3://{bucket}")
    cli.s3cmd(t, "rb", f"s3://{bucket}")
    ran = cli.s3cmd(t, "ls", f"s3://{bucket}", ok=False)
    t.true("NoSuchBucket" in ran.err, f"expected NoSuchBucket: {ran.err[-300:]}")


def _up_and_down(label: str, size: int) -> None:
    @case(f"put, get {label}, ETag", transport=True)
    def up_and_down(cli: S3cmd, t: Trial) -> None:
        bucket, path = t.bucket(), t.file(size)
        data = path.read_bytes()
        cli.s3cmd(t, "put", path, f"s3://{bucket}/up.bin")
        expected = md5_hex(data) if size <= CHUNK else multipart_etag(data, CHUNK)
        t.equal(t.etag(bucket, "up.bin"), expected, "ETag")
        ran = cli.s3cmd(t, "get", f"s3://{bucket}/up.bin", t.folder / "back.bin")
        t.true("MD5" not in ran.err, f"s3cmd complains: {ran.err[-300:]}")
        t.true((t.folder / "back.bin").read_bytes() == data, "bytes differ after the round trip")


for _label, _size in SIZES.items():
    _up_and_down(_label, _size)


@case("sync up, again, down")
def sync(cli: S3cmd, t: Trial) -> None:
    bucket, tree = t.bucket(), t.folder / "tree"
    for n in range(150):
        t.file(n * 50, f"tree/d {n % 7}/f{n}")
    first = cli.s3cmd(t, "sync", f"{tree}/", f"s3://{bucket}/t/")
    t.equal(first.text.count("upload: "), 150, "files of the first sync")
    again = cli.s3cmd(t, "sync", f"{tree}/", f"s3://{bucket}/t/")
    t.equal(again.text.count("upload: "), 0, "files of the second sync")
    down = t.folder / "down"
    down.mkdir()
    cli.s3cmd(t, "sync", f"s3://{bucket}/t/", f"{down}/")
    t.same_tree(down, tree)
    (tree / "d 1/f1").unlink()
    ran = cli.s3cmd(t, "sync", "--delete-removed", f"{tree}/", f"s3://{bucket}/t/")
    t.equal(ran.text.count("delete: "), 1, "files removed")


@case("put --recursive of odd names")
def odd_names(cli: S3cmd, t: Trial) -> None:
    bucket, tree = t.bucket(), t.folder / "odd"
    for name in FILE_NAMES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content(name, 100))
    cli.s3cmd(t, "put", "--recursive", f"{tree}/", f"s3://{bucket}/odd/")
    in_order = sorted((f"odd/{name}" for name in FILE_NAMES), key=str.encode)
    t.equal(t.keys(bucket), in_order, "keys and their order")
    back = t.folder / "back"
    back.mkdir()
    cli.s3cmd(t, "get", "--recursive", f"s3://{bucket}/odd/", f"{back}/")
    t.same_tree(back, tree)


@case("headers, info, modify, cp, mv")
def metadata(cli: S3cmd, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(2000)
    cli.s3cmd(t, "put", path, f"s3://{bucket}/m", "--add-header", "x-amz-meta-colour: red",
              "--mime-type", "text/x-test")
    info = cli.s3cmd(t, "info", f"s3://{bucket}/m").text
    t.true("text/x-test" in info and "red" in info, f"info: {info}")
    cli.s3cmd(t, "modify", f"s3://{bucket}/m", "--add-header", "x-amz-meta-colour: blue")
    t.equal(t.s3.head_object(Bucket=bucket, Key="m")["Metadata"]["colour"], "blue", "colour")
    cli.s3cmd(t, "cp", f"s3://{bucket}/m", f"s3://{bucket}/c d")
    cli.s3cmd(t, "mv", f"s3://{bucket}/c d", f"s3://{bucket}/e+f")
    t.equal(t.keys(bucket), ["e+f", "m"], "keys")
    t.equal(t.stored(bucket, "e+f"), path.read_bytes(), "bytes")


@case("ls, du, del --recursive")
def listing(cli: S3cmd, t: Trial) -> None:
    bucket = t.bucket()
    for n in range(12):
        t.s3.put_object(Bucket=bucket, Key=f"d{n % 3}/f{n:02}", Body=b"x" * n)
    t.equal(cli.s3cmd(t, "ls", f"s3://{bucket}").text.count("DIR"), 3, "folders")
    du = cli.s3cmd(t, "du", f"s3://{bucket}").text.split()
    t.equal(du[:2], [str(sum(range(12))), "12"], "du")
    cli.s3cmd(t, "del", f"s3://{bucket}/d0/f00")
    cli.s3cmd(t, "del", "--recursive", "--force", f"s3://{bucket}/")
    t.equal(t.keys(bucket), [], "keys")


@case("signurl, fetched by curl", transport=True)
def signurl(cli: S3cmd, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="d/x y", Body=b"signed")
    url = cli.s3cmd(t, "signurl", f"s3://{bucket}/d/x y", "+600").text.strip()
    t.equal(t.run(["curl", "-sSf", url]).out, b"signed", "bytes behind the URL")


@case("multipart: list, abort; put from stdin")
def multipart(cli: S3cmd, t: Trial) -> None:
    bucket = t.bucket()
    upload = t.s3.create_multipart_upload(Bucket=bucket, Key="left")["UploadId"]
    t.true(upload in cli.s3cmd(t, "multipart", f"s3://{bucket}").text, "not listed")
    cli.s3cmd(t, "abortmp", f"s3://{bucket}/left", upload)
    t.true(upload not in cli.s3cmd(t, "multipart", f"s3://{bucket}").text, "still listed")
    data = t.bytes(16 * MIB)
    cli.s3cmd(t, "put", "-", f"s3://{bucket}/stdin", stdin=data)
    t.true(t.stored(bucket, "stdin") == data, "bytes from stdin differ")
