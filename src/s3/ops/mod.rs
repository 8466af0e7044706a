//! The S3 operations, one file for each family.
