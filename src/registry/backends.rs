//! Chooses the backend that takes the bytes of a package.

use crate::blob::blobs::LOCAL_BACKEND;
use crate::domain::file::INLINE_BACKEND;
use crate::domain::glob::matches;
use crate::domain::ids::PackageId;
use crate::domain::name::ObjectKey;
use crate::domain::package::{PackageRecord, PackageStatus, Rejection};
use crate::registry::error::Result;
use crate::registry::handle::Registry;

impl Registry {
    /// The backend that takes the bytes of a package's new files.
    pub(super) async fn backend_of_package(&self, id: PackageId) -> Result<String> {
        if self.inner.settings.backend_rules.is_empty() {
            return Ok(LOCAL_BACKEND.to_owned());
        }
        let package = self.find_stable_package(id).await?;
        let package = package.ok_or(Rejection::NoSuchPackage)?;
        Ok(self.backend_of_rules(&package).to_owned())
    }

    /// The backend that takes the bytes of a write: for a frozen package, which takes the bytes that
    /// it has, the one where they are, so that fresh bytes make damaged ones good.
    pub(super) async fn backend_of_write(&self, id: PackageId, key: &ObjectKey) -> Result<String> {
        let package = self.find_stable_package(id).await?;
        let package = package.ok_or(Rejection::NoSuchPackage)?;
        if package.status != PackageStatus::Created
            && let Some(current) = self.find_file(id, key).await?
        {
            let backend = current.location.backend_id.as_str();
            let backend = if backend == INLINE_BACKEND {
                LOCAL_BACKEND
            } else {
                backend
            };
            return Ok(backend.to_owned());
        }
        Ok(self.backend_of_rules(&package).to_owned())
    }

    fn backend_of_rules(&self, package: &PackageRecord) -> &str {
        let fits = |pattern: &Option<String>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| matches(pattern, text))
        };
        let mut rules = self.inner.settings.backend_rules.iter();
        let rule = rules.find(|rule| {
            fits(&rule.producer, &package.producer)
                && fits(&rule.retention_class, &package.retention_class)
        });
        rule.map_or(LOCAL_BACKEND, |rule| &rule.backend)
    }
}
