"""The endpoint under test, the credentials, the environment of the clients, the sample files."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import botocore.config

CLIENTS = Path(__file__).resolve().parent.parent / ".clients"
KIB = 1024
MIB = 1024 * 1024

# The sizes where clients change their ways: empty, tiny, around the part size, past the
# multipart threshold, and large.
SIZES = {
    "0 B": 0,
    "1 B": 1,
    "5 MiB - 1": 5 * MIB - 1,
    "5 MiB": 5 * MIB,
    "8 MiB + 1": 8 * MIB + 1,
    "200 MiB": 200 * MIB,
}


class World:
    """Everything a case may ask about its surroundings."""

    def __init__(self, endpoint: str, scratch: Path, ca: Path | None) -> None:
        self.endpoint = endpoint.rstrip("/")
        parts = urllib.parse.urlsplit(self.endpoint)
        self.host = parts.netloc
        self.is_https = parts.scheme == "https"
        self.ca = ca if self.is_https else None
        self.access_key = os.environ["AWS_ACCESS_KEY_ID"]
        self.secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]
        self.region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
        self.scratch = scratch
        self.home = scratch / "home"
        self.home.mkdir(parents=True)
        (self.home / "rclone.conf").touch()
        self.run_id = secrets.token_hex(3)
        self._numbers = itertools.count(1)
        self._tree_lock = threading.Lock()
        self.environment = self._environment()
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            os.environ.pop(name, None)
        os.environ.update(
            {k: v for k, v in self.environment.items() if k.startswith(("AWS_", "SSL_"))}
        )
        self.is_holdfast = self._detect_holdfast()

    def _environment(self) -> dict[str, str]:
        """What every client process sees: credentials, no user configuration, the CA."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": str(self.home / "no-aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "no-aws-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }
        if self.ca:
            environment |= {
                "AWS_CA_BUNDLE": str(self.ca),
                "CURL_CA_BUNDLE": str(self.ca),
                "SSL_CERT_FILE": str(self.ca),
                "RCLONE_CA_CERT": str(self.ca),
            }
        return environment

    def _detect_holdfast(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca)) if self.is_https else None
        try:
            url = f"{self.endpoint}/_holdfast/v1/health/live"
            with urllib.request.urlopen(url, timeout=10, context=context) as reply:
                return reply.status == 200
        except urllib.error.HTTPError:
            return False

    def s3(self, **config: object):
        """A boto3 client, at its defaults but for what `config` says."""
        settings = botocore.config.Config(**config) if config else None
        return boto3.session.Session(region_name=self.region).client(
            "s3", endpoint_url=self.endpoint, config=settings
        )

    def free_name(self, stem: str) -> str:
        """A bucket name that no other case of this or another run uses."""
        stem = "".join(c if c.isalnum() else "-" for c in stem.lower()).strip("-")
        return f"compat-{stem[:30]}-{self.run_id}-{next(self._numbers)}".replace("--", "-")

    def small_files(self) -> Path:
        """A tree of 3,000 small distinct files in 30 folders, made once and only read."""
        tree = self.scratch / "small-files"
        with self._tree_lock:
            if not tree.exists():
                for number in range(3000):
                    folder = tree / f"folder {number % 30:02}"
                    folder.mkdir(parents=True, exist_ok=True)
                    body = content(f"small {number}", 1 + number * 7 % 5000)
                    (folder / f"file-{number:04}.bin").write_bytes(body)
        return tree


def content(seed: str, size: int) -> bytes:
    """`size` bytes that depend on the seed alone and do not compress."""
    return hashlib.shake_128(seed.encode()).digest(size)


def md5_hex(data: bytes) -> str:
    """The MD5 of some bytes as lowercase hex."""
    return hashlib.md5(data).hexdigest()


def multipart_etag(data: bytes, part_size: int) -> str:
    """The ETag S3 gives an object uploaded in parts of one size."""
    parts = [data[i : i + part_size] for i in range(0, len(data), part_size)]
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f"{md5_hex(digests)}-{len(parts)}"
