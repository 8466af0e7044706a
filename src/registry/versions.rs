//! Versions: switch them on and off, find one by its name, list them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::files::KeyRange;
use crate::db::tx::{UnitResult, WriteTx};
use crate::db::versions::{self, VersionSummary};
use crate::domain::event::Event;
use crate::domain::file::FileRecord;
use crate::domain::ids::{PackageId, Sequence};
use crate::domain::name::ObjectKey;
use crate::domain::package::Rejection;
use crate::domain::version::{MarkerRecord, VersionRef, Versioning};
use crate::domain::version_event::VersioningSet;
use crate::registry::error::Result;
use crate::registry::handle::Registry;
use crate::registry::listing::common_prefix;

/// How many rows are read at first when keys are grouped.
const FIRST_CHUNK: usize = 64;

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundVersion {
    /// A file.
    File(Arc<FileRecord>),
    /// A delete marker.
    Marker(MarkerRecord),
}

/// Where a listing of versions goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionPosition {
    /// After all versions of this key, which need not exist.
    AfterKey(String),
    /// After this version of a key. When it is gone meanwhile, all versions of the key are given.
    AfterVersion(ObjectKey, VersionRef),
    /// After every key that begins with this prefix.
    AfterPrefix(String),
}

/// Which versions to list: by key in UTF-8 byte order, and then from the newest.
#[derive(Debug, Clone, Default)]
pub struct ListVersions {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Keys are grouped by the first occurrence of this after the prefix; empty means none.
    pub delimiter: String,
    /// Where to go on.
    pub after: Option<VersionPosition>,
    /// At most so many entries.
    pub limit: usize,
}

/// One line of a listing of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionEntry {
    /// A version or a marker.
    Version(VersionSummary),
    /// A group of keys.
    Prefix(String),
}

/// A page of versions.
#[derive(Debug, Clone, Default)]
pub struct VersionPage {
    /// In order.
    pub entries: Vec<VersionEntry>,
    /// Whether more follow after the last entry.
    pub is_truncated: bool,
}

impl Registry {
    /// Has a package keep versions, or make no further ones. The state that holds already changes
    /// nothing. Rejects with `WriteOnceVersioning` and `LockNeedsVersioning`.
    pub async fn set_versioning(
        &self,
        id: PackageId,
        state: Versioning,
        actor: &str,
    ) -> Result<()> {
        self.retry_while_sealing(|| SetUnit {
            id,
            state,
            actor: actor.to_owned(),
        })
        .await
    }

    /// A version of a key by its name.
    pub async fn find_version(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
        name: VersionRef,
    ) -> Result<Option<FoundVersion>> {
        let readers = &self.inner.db.readers;
        let file = match name {
            VersionRef::Id(id) => {
                let file = self.find_file_by_id(id).await?;
                file.filter(|file| file.package_id == package_id && file.key == *key)
            }
            VersionRef::Null => {
                let current = self.find_file(package_id, key).await?;
                match current.filter(|file| !file.is_versioned) {
                    Some(file) => Some(file),
                    None => versions::find_null_file(readers, package_id, key)
                        .await?
                        .map(Arc::new),
                }
            }
        };
        if let Some(file) = file {
            return Ok(Some(FoundVersion::File(file)));
        }
        let marker = versions::find_marker(readers, package_id, key, Some(name)).await?;
        Ok(marker.map(FoundVersion::Marker))
    }

    /// The delete marker that is the current version of a key without a current file.
    pub async fn find_current_marker(
        &self,
        package_id: PackageId,
        key: &ObjectKey,
    ) -> Result<Option<MarkerRecord>> {
        Ok(versions::find_marker(&self.inner.db.readers, package_id, key, None).await?)
    }

    /// A page of versions and markers.
    pub async fn list_versions(
        &self,
        package_id: PackageId,
        query: &ListVersions,
    ) -> Result<VersionPage> {
        let mut page = VersionPage::default();
        if query.limit == 0 {
            return Ok(page);
        }
        let (mut range, mut older_than) = self.begin_versions(package_id, query).await?;
        let mut chunk = if query.delimiter.is_empty() {
            query.limit + 1
        } else {
            FIRST_CHUNK
        };
        loop {
            let wanted = chunk.min(query.limit + 1 - page.entries.len());
            let readers = &self.inner.db.readers;
            let found = versions::page(readers, package_id, &range, older_than, wanted).await?;
            let is_last = found.len() < wanted;
            for version in found {
                match common_prefix(version.key.as_str(), &query.prefix, &query.delimiter) {
                    Some(group) => {
                        let is_known = matches!(
                            page.entries.last(), Some(VersionEntry::Prefix(last)) if last == group
                        );
                        if !is_known {
                            range = range.above_prefix(group.as_bytes());
                            older_than = None;
                            page.entries.push(VersionEntry::Prefix(group.to_owned()));
                        }
                    }
                    None => {
                        range = range.above(version.key.as_bytes());
                        older_than = Some(version.sequence);
                        page.entries.push(VersionEntry::Version(version));
                    }
                }
            }
            if is_last || page.entries.len() > query.limit {
                page.is_truncated = page.entries.len() > query.limit;
                page.entries.truncate(query.limit);
                return Ok(page);
            }
            chunk = query.limit + 1;
        }
    }

    async fn begin_versions(
        &self,
        package_id: PackageId,
        query: &ListVersions,
    ) -> Result<(KeyRange, Option<Sequence>)> {
        let range = KeyRange::of_prefix(query.prefix.as_bytes());
        Ok(match &query.after {
            None => (range, None),
            Some(VersionPosition::AfterKey(key)) => (range.above(key.as_bytes()), None),
            Some(VersionPosition::AfterPrefix(prefix)) => {
                (range.above_prefix(prefix.as_bytes()), None)
            }
            Some(VersionPosition::AfterVersion(key, name)) => {
                let readers = &self.inner.db.readers;
                let found = versions::find_sequence(readers, package_id, key, *name).await?;
                let is_inside = key.as_bytes() > range.after.as_slice();
                match found {
                    Some(sequence) if is_inside => (range.above(key.as_bytes()), Some(sequence)),
                    Some(_) => (range, None),
                    // Nothing may be left out: who removes what was listed goes on at what is left.
                    None => {
                        let before = KeyRange::of_prefix(key.as_bytes()).after;
                        (range.above(&before), None)
                    }
                }
            }
        })
    }
}

struct SetUnit {
    id: PackageId,
    state: Versioning,
    actor: String,
}

#[async_trait]
impl Unit for SetUnit {
    type Output = ();
    type Refusal = Rejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<(), Rejection> {
        let Some(package) = tx.package(self.id).await? else {
            return Ok(Err(Rejection::NoSuchPackage));
        };
        if let Err(rejection) = package.set_versioning(self.state) {
            return Ok(Err(rejection));
        }
        if package.versioning != Some(self.state) {
            let event = VersioningSet {
                package_id: self.id,
                state: self.state,
            };
            tx.append(&self.actor, Event::VersioningSet(event));
        }
        Ok(Ok(()))
    }
}
