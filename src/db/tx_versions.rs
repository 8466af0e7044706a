//! What units see of versions and locks: a part of `WriteTx`.
//!
//! The versions of a key are loaded when somebody asks for them, and what the batch has appended so
//! far is added then; so a plain write loads none.

use crate::db::error::Result;
use crate::db::tx::WriteTx;
use crate::db::versions;
use crate::domain::event::Event;
use crate::domain::ids::PackageId;
use crate::domain::key_versions::{KeyVersions, key_of};
use crate::domain::name::ObjectKey;
use crate::domain::package::CurrentFile;
use crate::domain::version::VersionRef;

impl WriteTx<'_> {
    /// The versions of a key: those that are named, and the newest, enough of them for every named
    /// one to leave.
    pub async fn key_versions(
        &mut self,
        package: PackageId,
        key: &ObjectKey,
        named: &[VersionRef],
    ) -> Result<KeyVersions> {
        let is_of_key = |event: &Event| key_of(event) == Some((package, key));
        let changes = self
            .appended
            .iter()
            .filter(|appended| is_of_key(&appended.recorded.event))
            .count();
        let newest = named.len() + changes + 1;
        let stored = versions::of_key(self.connection, package, key, newest, named).await?;
        let mut versions = KeyVersions::of(stored);
        for appended in &self.appended {
            if is_of_key(&appended.recorded.event) {
                versions.follow(&appended.recorded);
            }
        }
        Ok(versions)
    }

    /// Notes which file of a key is current after a version has left.
    pub fn set_current(
        &mut self,
        package: PackageId,
        key: &ObjectKey,
        current: Option<CurrentFile>,
    ) {
        self.current.insert((package, key.clone()), current);
    }

    /// Whether a lock keeps any version of a package. A lock that this batch has put on one does,
    /// and so does one that it has taken away.
    pub async fn has_locked_versions(&mut self, package: PackageId) -> Result<bool> {
        let locks = |event: &Event| {
            matches!(
                event,
                Event::FileRetentionSet(_) | Event::FileLegalHoldSet(_)
            ) && event.package_id() == Some(package)
        };
        let appended = &self.appended;
        if appended
            .iter()
            .any(|appended| locks(&appended.recorded.event))
        {
            return Ok(true);
        }
        let now = self.now();
        versions::has_locked(self.connection, package, now).await
    }

    /// Moves what units see along with an event of versions. Who appends one that makes another file
    /// current says so by [`Self::set_current`].
    pub(super) fn follow_versions(&mut self, event: &Event) {
        match event {
            Event::FileSuperseded(event) => {
                self.count_files(event.package_id, -1);
                self.count_noncurrent(event.package_id, i64::from(event.is_kept));
            }
            Event::FileRemoved(event) => {
                let was_there = i64::from(event.file_id.is_some());
                self.count_files(event.package_id, -was_there);
                if event.marker.is_some() {
                    self.count_noncurrent(event.package_id, 1 + was_there);
                }
                let place = (event.package_id, event.key.clone());
                self.current.insert(place, None);
            }
            Event::MarkerRemoved(event) => {
                let restored = i64::from(event.restored.is_some());
                self.count_noncurrent(event.package_id, -1 - restored);
                self.count_files(event.package_id, restored);
            }
            Event::VersionPurged(event) => {
                let place = (event.package_id, event.key.clone());
                let current = self.current.get(&place).and_then(Option::as_ref);
                let was_current = current.is_some_and(|current| current.id == event.file_id);
                let was_current = i64::from(was_current);
                let restored = i64::from(event.restored.is_some());
                self.count_files(event.package_id, restored - was_current);
                self.count_noncurrent(event.package_id, was_current - 1 - restored);
            }
            Event::VersioningSet(event) => {
                if let Some(Some(state)) = self.packages.get_mut(&event.package_id) {
                    state.package.versioning = Some(event.state);
                }
            }
            Event::ObjectLockConfigured(event) => {
                if let Some(Some(state)) = self.packages.get_mut(&event.package_id) {
                    state.package.object_lock = Some(event.config);
                }
            }
            _ => {}
        }
    }

    fn count_noncurrent(&mut self, package: PackageId, change: i64) {
        if let Some(Some(state)) = self.packages.get_mut(&package) {
            let count = &mut state.package.noncurrent_count;
            *count = count.saturating_add_signed(change);
        }
    }
}
