"""Every client the suite knows, in the order of the report."""

from __future__ import annotations

from ..model import Client
from ..world import World
from . import awscli, boto, browser, curl, holdfast, rclone, s3cmd, sdk_rust


def all_clients(world: World) -> list[Client]:
    """One object for each client and version."""
    return [
        awscli.AwsCliV1(world),
        awscli.AwsCliV2(world),
        boto.Boto3(world),
        rclone.Rclone(world),
        rclone.RcloneDebian(world),
        s3cmd.S3cmd(world),
        curl.Curl(world),
        browser.Chromium(world),
        sdk_rust.SdkRust(world),
        holdfast.Finalize(world),
        holdfast.Extension(world),
    ]
