//! The settings of the room.

use std::path::PathBuf;

use serde::Deserialize;

/// How bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobSettings {
    /// Content of at most so many bytes is kept in the metadata database, where it commits together
    /// with its event and costs no file, no rename and no further sync. At most 1 MiB.
    pub inline_max_bytes: u64,
    /// The backends besides the one under the data directory. Set from the top of the file.
    #[serde(skip)]
    pub backends: Vec<BackendSettings>,
}

/// One `[[backends]]` entry: a further place for blobs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendSettings {
    /// The name in locations, rules and reports. It belongs to the bytes there and never changes.
    pub id: String,
    /// What kind it is: `local`, files in a directory.
    pub kind: String,
    /// The directory; made at the first use, and from then on only used while it bears its mark.
    pub path: PathBuf,
}

/// The kind of backend that keeps files in a directory.
pub const LOCAL_KIND: &str = "local";

/// The most bytes of a backend's name.
pub const MAX_BACKEND_ID_BYTES: usize = 64;

/// The most that `inline_max_bytes` may be: inline content is held in memory and read whole.
pub const INLINE_LIMIT_BYTES: u64 = 1 << 20;

impl Default for BlobSettings {
    fn default() -> Self {
        Self {
            inline_max_bytes: 16 * 1024,
            backends: Vec::new(),
        }
    }
}
