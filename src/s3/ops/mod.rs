//! The S3 operations, one file for each family. This is where the words of the wire (bucket,
//! object) become those of the registry (package, file), and nowhere else.

pub mod attributes;
pub mod buckets;
pub mod configuration;
pub mod copy;
pub mod cors;
pub mod delete;
pub mod describe;
pub mod get;
pub mod list;
pub mod list_versions;
pub mod lock;
pub mod lock_headers;
pub mod multipart;
pub mod multipart_lists;
pub mod object_lock;
pub mod ownership;
pub mod page;
pub mod post_form;
pub mod probes;
pub mod put;
pub mod sha256sums;
pub mod special;
pub mod tags;
pub mod versions;
