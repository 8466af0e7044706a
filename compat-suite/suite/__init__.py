"""Drives unmodified S3 clients at their defaults against any S3 endpoint."""
