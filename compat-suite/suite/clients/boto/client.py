"""The boto3 client under test; the cases stand in the files beside this one."""

from __future__ import annotations

import boto3

from ...model import Cases, Client


class Boto3(Client):
    """The current boto3, in the Python that runs the suite."""

    name = "boto3"
    cases = Cases()

    def version(self) -> str:
        return boto3.__version__


case = Boto3.cases
