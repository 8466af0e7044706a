//! What was found of manifests: length, MD5 and where their members are, remembered because it takes
//! a pass over the manifest and never changes.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::domain::ids::Sequence;
use crate::domain::jcs::Member;

/// The forms of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManifestForm {
    /// The canonical CBOR itself.
    Cbor,
    /// Its projection (RFC 8785).
    Json,
}

/// What a pass over a manifest found.
#[derive(Debug)]
pub(super) struct Survey {
    /// The length in bytes.
    pub(super) size_bytes: u64,
    /// The MD5 of the bytes in hex.
    pub(super) md5: String,
    /// The members in the order of the projection; none for the CBOR itself.
    pub(super) members: Option<Arc<[Member]>>,
}

/// How many surveys are remembered.
const SURVEYS: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

/// What was found of the manifests that were read last.
pub(super) struct Surveys(Mutex<LruCache<(Sequence, ManifestForm), Arc<Survey>>>);

impl Default for Surveys {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SURVEYS)))
    }
}

impl Surveys {
    /// What was found of a manifest in a form, if it is remembered.
    pub(super) fn find(&self, place: (Sequence, ManifestForm)) -> Option<Arc<Survey>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&place).cloned()
    }

    /// Remembers what was found.
    pub(super) fn put(&self, place: (Sequence, ManifestForm), survey: Arc<Survey>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(place, survey);
    }
}
