//! The S3 operations, one file for each family. This is where the words of the wire (bucket,
//! object) become those of the registry (package, file), and nowhere else.

pub mod attributes;
pub mod buckets;
pub mod copy;
pub mod delete;
pub mod describe;
pub mod get;
pub mod list;
pub mod lock;
pub mod multipart;
pub mod multipart_lists;
pub mod page;
pub mod put;
pub mod sha256sums;
pub mod special;
pub mod tags;
