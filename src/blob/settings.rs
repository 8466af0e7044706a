//! The settings of the room.

use serde::Deserialize;

/// How bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobSettings {
    /// Content of at most so many bytes is kept in the metadata database, where it commits together
    /// with its event and costs no file, no rename and no further sync. At most 1 MiB.
    pub inline_max_bytes: u64,
}

/// The most that `inline_max_bytes` may be: inline content is held in memory and read whole.
pub const INLINE_LIMIT_BYTES: u64 = 1 << 20;

impl Default for BlobSettings {
    fn default() -> Self {
        Self {
            inline_max_bytes: 16 * 1024,
        }
    }
}
