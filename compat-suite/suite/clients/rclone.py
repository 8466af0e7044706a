"""rclone, the current one (built by go install) and Debian's, with the provider "Other"."""

from __future__ import annotations

import json

from ..model import Cases, Client
from ..trial import Ran, Trial
from ..world import CLIENTS, MIB, SIZES, content, md5_hex, multipart_etag
from .names import FILE_NAMES

CUTOFF = 200 * MIB  # from here on rclone uploads in parts
CHUNK = 5 * MIB


class AnyRclone(Client):
    """What both versions share: how to call them, and the cases."""

    cases = Cases()
    program = ""

    def missing(self) -> str | None:
        return None if (CLIENTS / self.program).exists() else "not installed: install.sh"

    def version(self) -> str:
        trial = Trial(self.world, self.name, "version")
        said = trial.run([CLIENTS / self.program, "version"]).text
        trial.clean_up()
        return said.split()[1].removeprefix("v")

    def rclone(self, trial: Trial, *words: object, ok: bool = True, stdin: bytes = b"") -> Ran:
        """Runs rclone with a remote `t:` that is configured by the environment alone."""
        remote = {
            "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": self.world.endpoint,
            "ACCESS_KEY_ID": self.world.access_key, "REGION": self.world.region,
            "SECRET_ACCESS_KEY": self.world.secret_key,
        }
        env: dict[str, str | None] = {f"RCLONE_CONFIG_T_{k}": v for k, v in remote.items()}
        env["RCLONE_CONFIG"] = str(self.world.home / "rclone.conf")
        # The old rclone refuses to start with it; both take RCLONE_CA_CERT.
        env["AWS_CA_BUNDLE"] = None
        return trial.run([CLIENTS / self.program, *words], ok=ok, stdin=stdin, env=env)

    def copied(self, trial: Trial, *words: object) -> int:
        """Runs a copying command and counts the files it moved."""
        said = self.rclone(trial, *words, "-v", "--stats", "0").err
        return said.count(": Copied (") + said.count(": Updated modification time")


class Rclone(AnyRclone):
    """The current rclone."""

    name = "rclone"
    program = "rclone/bin/rclone"


class RcloneDebian(AnyRclone):
    """Debian's rclone."""

    name = "rclone-debian"
    program = "rclone-debian/usr/bin/rclone"


case = AnyRclone.cases


@case("mkdir, lsd, rmdir", transport=True)
def buckets(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket_name()
    cli.rclone(t, "mkdir", f"t:{bucket}")
    cli.rclone(t, "mkdir", f"t:{bucket}")
    t.true(f" {bucket}\n" in cli.rclone(t, "lsd", "t:").text, "lsd does not show the bucket")
    cli.rclone(t, "rmdir", f"t:{bucket}")
    t.true(bucket not in cli.rclone(t, "lsd", "t:").text, "the bucket is still there")


def _up_and_down(label: str, size: int) -> None:
    @case(f"copyto {label} up and down, ETag", transport=True)
    def up_and_down(cli: AnyRclone, t: Trial) -> None:
        bucket, path = t.bucket_name(), t.file(size)
        data = path.read_bytes()
        cli.rclone(t, "copyto", path, f"t:{bucket}/up.bin")
        expected = md5_hex(data) if size < CUTOFF else multipart_etag(data, CHUNK)
        t.equal(t.etag(bucket, "up.bin"), expected, "ETag")
        back = t.folder / "back.bin"
        cli.rclone(t, "copyto", f"t:{bucket}/up.bin", back)
        t.true(back.read_bytes() == data, "bytes differ after the round trip")
        t.equal(int(back.stat().st_mtime), int(path.stat().st_mtime), "modification time")


for _label, _size in SIZES.items():
    _up_and_down(_label, _size)


@case("rcat and cat", transport=True)
def streams(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket()
    for size in (0, 3, 9 * MIB):
        data = t.bytes(size, str(size))
        cli.rclone(t, "rcat", f"t:{bucket}/{size}", stdin=data)
        t.true(cli.rclone(t, "cat", f"t:{bucket}/{size}").out == data, f"{size} bytes differ")
    piece = cli.rclone(t, "cat", "--offset", "5242870", "--count", "100", f"t:{bucket}/{9 * MIB}")
    t.equal(piece.out, t.bytes(9 * MIB, str(9 * MIB))[5242870:5242970], "a piece")


@case("sync 3,000 small files; again; check; down")
def sync(cli: AnyRclone, t: Trial) -> None:
    bucket, tree = t.bucket(), t.world.small_files()
    t.equal(cli.copied(t, "sync", tree, f"t:{bucket}/tree"), 3000, "files of the first sync")
    t.equal(cli.copied(t, "sync", tree, f"t:{bucket}/tree"), 0, "files of the second sync")
    said = cli.rclone(t, "check", tree, f"t:{bucket}/tree").err
    t.true(" 0 differences found" in said, f"check: {said[-300:]}")
    t.true("3000 matching files" in said, f"check: {said[-300:]}")
    down = t.folder / "down"
    t.equal(cli.copied(t, "sync", f"t:{bucket}/tree", down), 3000, "files of the sync down")
    t.same_tree(down, tree)
    (down / "folder 01/file-0001.bin").write_bytes(b"changed")
    (down / "folder 02/file-0002.bin").unlink()
    t.equal(cli.copied(t, "sync", down, f"t:{bucket}/tree"), 1, "files after one change")
    t.equal(len(t.keys(bucket)), 2999, "keys after one removal")


@case("check --download; a changed file is found")
def check_download(cli: AnyRclone, t: Trial) -> None:
    bucket, tree = t.bucket(), t.folder / "tree"
    for n, size in enumerate((0, 1, 1000, 5 * MIB, 9 * MIB, *range(200, 240))):
        t.file(size, f"tree/{n % 4}/{n}")
    cli.rclone(t, "sync", tree, f"t:{bucket}")
    said = cli.rclone(t, "check", "--download", tree, f"t:{bucket}").err
    t.true(" 0 differences found" in said, f"check --download: {said[-300:]}")
    (tree / "0/0").write_bytes(b"grown")
    ran = cli.rclone(t, "check", tree, f"t:{bucket}", ok=False)
    t.true(ran.code != 0 and " 1 differences found" in ran.err, f"check: {ran.err[-300:]}")


@case("copy of odd names")
def odd_names(cli: AnyRclone, t: Trial) -> None:
    bucket, tree = t.bucket(), t.folder / "odd"
    for name in FILE_NAMES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content(name, 100))
    cli.rclone(t, "copy", tree, f"t:{bucket}/odd")
    in_order = sorted((f"odd/{name}" for name in FILE_NAMES), key=str.encode)
    t.equal(t.keys(bucket), in_order, "keys and their order")
    cli.rclone(t, "check", tree, f"t:{bucket}/odd")
    cli.rclone(t, "copy", f"t:{bucket}/odd", t.folder / "back")
    t.same_tree(t.folder / "back", tree)


@case("lsf, size, lsjson --hash")
def listings(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket()
    for n in range(12):
        t.s3.put_object(Bucket=bucket, Key=f"d{n % 3}/f{n:02}", Body=b"x" * n)
    t.equal(cli.rclone(t, "lsf", f"t:{bucket}").text.split(), ["d0/", "d1/", "d2/"], "lsf")
    size = json.loads(cli.rclone(t, "size", "--json", f"t:{bucket}").text)
    t.equal((size["count"], size["bytes"]), (12, sum(range(12))), "size")
    files = json.loads(cli.rclone(t, "lsjson", "-R", "--files-only", "--hash", f"t:{bucket}").text)
    by_path = {entry["Path"]: entry["Hashes"]["md5"] for entry in files}
    t.equal(by_path["d2/f11"], md5_hex(b"x" * 11), "MD5 by lsjson")


@case("touch sets the time by a copy onto itself")
def touch(cli: AnyRclone, t: Trial) -> None:
    bucket, path = t.bucket(), t.file(100_000)
    cli.rclone(t, "copyto", path, f"t:{bucket}/f")
    cli.rclone(t, "touch", "-t", "2020-02-03T04:05:06", f"t:{bucket}/f")
    entry = json.loads(cli.rclone(t, "lsjson", f"t:{bucket}").text)[0]
    t.true(entry["ModTime"].startswith("2020-02-03T04:05:06"), f"time: {entry['ModTime']}")
    t.true(t.stored(bucket, "f") == path.read_bytes(), "bytes after touch")


@case("copy and move within the server")
def server_side(cli: AnyRclone, t: Trial) -> None:
    source, target = t.bucket(), t.bucket()
    for name in ("one", "two +%ü"):
        cli.rclone(t, "copyto", t.file(6 * MIB, name), f"t:{source}/d/{name}")
    t.equal(cli.copied(t, "copy", f"t:{source}/d", f"t:{target}/e"), 2, "copied")
    cli.rclone(t, "check", f"t:{source}/d", f"t:{target}/e")
    cli.rclone(t, "moveto", f"t:{target}/e/one", f"t:{target}/moved")
    t.equal(t.keys(target), ["e/two +%ü", "moved"], "keys")
    t.true(t.stored(target, "moved") == (t.folder / "one").read_bytes(), "bytes differ")


@case("link, fetched by curl", transport=True)
def link(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.put_object(Bucket=bucket, Key="d/x +y", Body=b"linked")
    url = cli.rclone(t, "link", f"t:{bucket}/d/x +y").text.strip()
    t.equal(t.run(["curl", "-sSf", url]).out, b"linked", "bytes behind the link")


@case("list-multipart-uploads and cleanup")
def cleanup(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket()
    t.s3.create_multipart_upload(Bucket=bucket, Key="left over")
    said = cli.rclone(t, "backend", "list-multipart-uploads", f"t:{bucket}").text
    t.equal([u["Key"] for u in json.loads(said)[bucket]], ["left over"], "open uploads")
    cli.rclone(t, "backend", "cleanup", f"t:{bucket}", "-o", "max-age=0s")
    left = t.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    t.equal(left, [], "open uploads after cleanup")


@case("delete and purge")
def delete(cli: AnyRclone, t: Trial) -> None:
    bucket = t.bucket()
    for n in range(20):
        t.s3.put_object(Bucket=bucket, Key=f"d/{n:02}", Body=b"x")
    cli.rclone(t, "deletefile", f"t:{bucket}/d/00")
    cli.rclone(t, "delete", "--include", "*1", f"t:{bucket}/d")
    t.equal(len(t.keys(bucket)), 17, "keys after two deletes")
    cli.rclone(t, "purge", f"t:{bucket}")
    with t.refused("404"):
        t.s3.head_bucket(Bucket=bucket)
