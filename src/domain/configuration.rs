//! Configurations of a bucket: documents beside the package, one of each kind.
//!
//! They say how a bucket is reached, not what is in it, so they may change when the package is
//! finalized. What a document means is known where it is read, not here.

use std::collections::BTreeMap;

/// The most bytes of a document.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigurationKind {
    /// Which pages of other origins may reach the bucket.
    Cors,
    /// Who owns objects, and whether ACLs count.
    Ownership,
    /// Which public access is refused, whatever else allows it.
    PublicAccessBlock,
}

impl ConfigurationKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Cors, Self::Ownership, Self::PublicAccessBlock];

    /// The word in events and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Ownership => "ownership",
            Self::PublicAccessBlock => "public_access_block",
        }
    }

    /// The kind of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The documents of a bucket.
pub type Configurations = BTreeMap<ConfigurationKind, String>;
