"""aws-sdk-rust, through the small program in sdk-rust/ that is built against it."""

from __future__ import annotations

from ..model import Cases, Client
from ..trial import Trial
from ..world import CLIENTS

# The program knows each case by its first word; what they do stands in its sources.
CASES = {
    "sizes": "objects of all sizes up and down, ETag",
    "streams": "a file as a stream (aws-chunked, trailer)",
    "multipart": "multipart, parts side by side",
    "checksums": "every checksum algorithm",
    "metadata": "metadata, headers, copies",
    "listing": "listing with paginators",
    "conditions": "conditional put and get",
    "presigned": "presigned get and put",
    "deletes": "multi-delete and error codes",
}


class SdkRust(Client):
    """The current aws-sdk-s3."""

    name = "aws-sdk-rust"
    cases = Cases()
    program = CLIENTS / "target/debug/compat-sdk-rust"

    def missing(self) -> str | None:
        return None if self.program.exists() else "not built: install.sh"

    def version(self) -> str:
        trial = Trial(self.world, self.name, "version")
        said = trial.run([self.program, "--version"]).text.strip()
        trial.clean_up()
        return said


def _by_name(name: str, title: str) -> None:
    @SdkRust.cases(title, transport=True)
    def run(client: SdkRust, t: Trial) -> None:
        t.run([client.program, name, t.bucket()], env={"COMPAT_ENDPOINT": t.world.endpoint})


for _name, _title in CASES.items():
    _by_name(_name, _title)
