//! Versions of keys: the state of a package's versioning, and how a version is named.

use crate::domain::ids::{FileId, Sequence, Timestamp};

/// The version id of what was written while versioning was not enabled.
pub const NULL_VERSION: &str = "null";

/// Whether a package keeps what is overwritten and removed. A package that was never asked to has
/// none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// Every write is a new version, every removal a marker.
    Enabled,
    /// Writes and removals replace the null version; the others stay.
    Suspended,
}

impl Versioning {
    /// The word in events and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
        }
    }

    /// The state of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Suspended]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// How a version of a key is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionRef {
    /// `null`: the one that was written while versioning was not enabled.
    Null,
    /// The file's or the marker's identifier.
    Id(FileId),
}

impl VersionRef {
    /// Reads `null` or an identifier.
    pub fn parse(text: &str) -> Option<Self> {
        if text == NULL_VERSION {
            return Some(Self::Null);
        }
        text.parse().ok().map(Self::Id)
    }
}

/// The version id on the wire.
pub fn version_id(id: FileId, is_versioned: bool) -> String {
    if is_versioned {
        id.to_string()
    } else {
        NULL_VERSION.to_owned()
    }
}

/// A delete marker: a version that says that the key was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The identifier.
    pub id: FileId,
    /// Whether versioning was enabled; otherwise it is the null version.
    pub is_versioned: bool,
}

/// A marker as the views hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkerRecord {
    /// What it is.
    pub marker: Marker,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// The position of its event.
    pub sequence: Sequence,
}
