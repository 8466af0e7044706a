//! The versions of one key, and what a write or a removal makes of them.
//!
//! The order of versions is that of the log. Nothing here reads a clock.

use crate::domain::event::{Event, Recorded};
use crate::domain::ids::{FileId, PackageId, Sequence, Timestamp};
use crate::domain::lock::{FileLock, VersionRefused};
use crate::domain::name::ObjectKey;
use crate::domain::package::CurrentFile;
use crate::domain::version::{VersionRef, Versioning};

/// The key whose versions an event changes, if it changes one's.
pub fn key_of(event: &Event) -> Option<(PackageId, &ObjectKey)> {
    match event {
        Event::FileIngested(event) => Some((event.package_id, &event.key)),
        Event::FileSuperseded(event) => Some((event.package_id, &event.key)),
        Event::FileRemoved(event) => Some((event.package_id, &event.key)),
        Event::MarkerRemoved(event) => Some((event.package_id, &event.key)),
        Event::VersionPurged(event) => Some((event.package_id, &event.key)),
        Event::FileRetentionSet(event) => Some((event.package_id, &event.key)),
        Event::FileLegalHoldSet(event) => Some((event.package_id, &event.key)),
        _ => None,
    }
}

/// A version of a key, as far as a decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The file's or the marker's identifier.
    pub id: FileId,
    /// The position of its event.
    pub sequence: Sequence,
    /// Whether versioning was enabled when it was made; otherwise it is the null version.
    pub is_versioned: bool,
    /// What keeps it.
    pub lock: FileLock,
    /// The file; `None` for a marker.
    pub file: Option<CurrentFile>,
}

impl Version {
    /// Whether it is a marker.
    pub fn is_marker(&self) -> bool {
        self.file.is_none()
    }

    fn is_named(&self, wanted: VersionRef) -> bool {
        match wanted {
            VersionRef::Null => !self.is_versioned,
            VersionRef::Id(id) => self.id == id,
        }
    }
}

/// Versions of a key, the newest first: those at the top without a gap, and those that somebody
/// named. The first is the current one: a marker means that the key is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyVersions(Vec<Version>);

impl KeyVersions {
    /// Puts versions in order; one may come twice.
    pub fn of(mut versions: Vec<Version>) -> Self {
        versions.sort_by_key(|version| std::cmp::Reverse(version.sequence));
        versions.dedup_by_key(|version| version.sequence);
        Self(versions)
    }

    /// The version of a name.
    pub fn find(&self, wanted: VersionRef) -> Option<&Version> {
        self.0.iter().find(|version| version.is_named(wanted))
    }

    /// The current version.
    pub fn current(&self) -> Option<&Version> {
        self.0.first()
    }

    /// The file that becomes current when a version leaves: the next older one, if it was current
    /// and that is no marker.
    pub fn restored_without(&self, id: FileId) -> Option<&CurrentFile> {
        self.current().filter(|first| first.id == id)?;
        self.0.get(1)?.file.as_ref()
    }

    /// Moves along with an event of this key.
    pub fn follow(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::FileIngested(event) => self.0.insert(
                0,
                Version {
                    id: event.file_id,
                    sequence: recorded.sequence,
                    is_versioned: event.is_versioned,
                    lock: event.lock,
                    file: Some(event.to_current()),
                },
            ),
            Event::FileSuperseded(event) if !event.is_kept => self.remove(event.file_id),
            Event::FileRemoved(event) => match (event.marker, event.file_id) {
                (Some(marker), _) => self.0.insert(
                    0,
                    Version {
                        id: marker.id,
                        sequence: recorded.sequence,
                        is_versioned: marker.is_versioned,
                        lock: FileLock::default(),
                        file: None,
                    },
                ),
                (None, Some(id)) => self.remove(id),
                (None, None) => {}
            },
            Event::MarkerRemoved(event) => self.remove(event.marker_id),
            Event::VersionPurged(event) => self.remove(event.file_id),
            Event::FileRetentionSet(event) => {
                self.change(event.file_id, |lock| lock.retention = event.retention);
            }
            Event::FileLegalHoldSet(event) => {
                self.change(event.file_id, |lock| lock.legal_hold = Some(event.is_on));
            }
            _ => {}
        }
    }

    fn remove(&mut self, id: FileId) {
        self.0.retain(|version| version.id != id);
    }

    fn change(&mut self, id: FileId, change: impl FnOnce(&mut FileLock)) {
        if let Some(version) = self.0.iter_mut().find(|version| version.id == id) {
            change(&mut version.lock);
        }
    }

    /// Decides which version a write or removal replaces: none while versioning is enabled, the null
    /// version while it is suspended.
    pub fn replaced_by_write(
        &self,
        versioning: Versioning,
        now: Timestamp,
    ) -> Result<Option<&Version>, VersionRefused> {
        if versioning == Versioning::Enabled {
            return Ok(None);
        }
        let null = self.find(VersionRef::Null);
        if let Some(null) = null {
            null.lock.check_removal(now, false)?;
        }
        Ok(null)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::digest::ContentAddress;
    use crate::domain::version::version_id;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn version(number: u128, is_marker: bool, is_versioned: bool) -> Version {
        let id = FileId(Uuid::from_u128(number));
        let file = CurrentFile {
            id,
            etag: String::new(),
            address: ContentAddress([0; 32]),
            size_bytes: 0,
        };
        Version {
            id,
            sequence: Sequence(number as u64),
            is_versioned,
            lock: FileLock::default(),
            file: (!is_marker).then_some(file),
        }
    }

    #[test]
    fn the_next_older_file_becomes_current() {
        let (file, marker) = (false, true);
        // Which are markers, from the newest; which leaves; which becomes current.
        let cases: [(&[bool], usize, Option<usize>); 7] = [
            (&[file], 0, None),
            (&[file, file], 0, Some(1)),
            (&[file, file], 1, None),
            (&[marker, file], 0, Some(1)),
            (&[file, marker, file], 0, None),
            (&[marker, marker, file], 0, None),
            (&[marker, file, file], 1, None),
        ];
        for (kinds, leaves, restored) in cases {
            let stack = kinds.iter().enumerate();
            let stack = stack.map(|(at, &is_marker)| version(9 - at as u128, is_marker, true));
            let versions = KeyVersions::of(stack.rev().collect());
            let found = versions.restored_without(versions.0[leaves].id);
            let expected = restored.map(|at| versions.0[at].id);
            assert_eq!(found.map(|file| file.id), expected, "{kinds:?} {leaves}");
        }
    }

    #[test]
    fn a_suspended_write_replaces_the_null_version_alone() {
        let null = version(2, false, false);
        let all = vec![
            version(3, false, true),
            null.clone(),
            version(1, true, true),
        ];
        let versions = KeyVersions::of(all);
        let replaced = |versions: &KeyVersions, state| {
            versions
                .replaced_by_write(state, NOW)
                .map(Option::<&Version>::cloned)
        };
        assert_eq!(replaced(&versions, Versioning::Enabled), Ok(None));
        assert_eq!(replaced(&versions, Versioning::Suspended), Ok(Some(null)));
        let mut held = versions.clone();
        held.0[1].lock.legal_hold = Some(true);
        assert_eq!(replaced(&held, Versioning::Enabled), Ok(None));
        let refused = replaced(&held, Versioning::Suspended);
        assert_eq!(refused, Err(VersionRefused::VersionHeld));
        let none = KeyVersions::of(vec![version(3, false, true)]);
        assert_eq!(replaced(&none, Versioning::Suspended), Ok(None));
    }

    #[test]
    fn a_version_is_named_by_its_id_or_null() {
        let versions = KeyVersions::of(vec![version(3, false, true), version(2, true, false)]);
        let id = FileId(Uuid::from_u128(3));
        assert_eq!(VersionRef::parse("null"), Some(VersionRef::Null));
        assert_eq!(VersionRef::parse(&id.to_string()), Some(VersionRef::Id(id)));
        assert_eq!(VersionRef::parse("x"), None);
        assert_eq!(VersionRef::parse(""), None);
        assert_eq!(versions.find(VersionRef::Id(id)), Some(&versions.0[0]));
        assert_eq!(versions.find(VersionRef::Null), Some(&versions.0[1]));
        assert_eq!(version_id(id, true), id.to_string());
        assert_eq!(version_id(id, false), "null");
    }
}
