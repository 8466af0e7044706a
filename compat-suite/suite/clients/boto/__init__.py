"""boto3: everything the API can express and the command lines cannot."""

from . import browsers, checksums, conditions, keys, listing, multipart, objects, presigned, refusals
from .client import Boto3

__all__ = [
    "Boto3", "browsers", "checksums", "conditions", "keys", "listing", "multipart", "objects", "presigned",
    "refusals",
]
