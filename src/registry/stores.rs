//! Opens the stores, each of which bears the mark that the database remembers.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::blob::blobs::{Blobs, LOCAL_BACKEND};
use crate::blob::local::LocalStore;
use crate::blob::mark::StoreMark;
use crate::blob::settings::BlobSettings;
use crate::blob::store::{BlobError, BlobStore};
use crate::db::pool::Db;
use crate::db::stores;
use crate::registry::error::{Error, Result};

/// Opens the store under the data directory, which must be the one that the database knows, and the
/// others, each of which may be out of reach. The caller holds the lock of the data directory.
pub(super) async fn open_stores(
    db: &Db,
    data_dir: &Path,
    settings: &BlobSettings,
) -> Result<Blobs> {
    let (local, opened) = open_store(db, LOCAL_BACKEND, data_dir).await?;
    opened.map_err(|error| {
        Error::Unavailable(format!(
            "{error}. The blobs that the database names are not in {}. Mount or restore them, or \
             name their directory with --data DIR",
            data_dir.display()
        ))
    })?;
    let mut all: Vec<Arc<dyn BlobStore>> = vec![Arc::new(local)];
    for backend in &settings.backends {
        let (store, opened) = open_store(db, &backend.id, &backend.path).await?;
        if let Err(error) = opened {
            tracing::error!(%error, backend_id = backend.id, "a backend is out of reach");
        }
        all.push(Arc::new(store));
    }
    Ok(Blobs::new(settings, all))
}

/// Opens one store. Its identifier is remembered before the mark is written, so that a directory that
/// bears a mark which nobody remembers is another's.
async fn open_store(
    db: &Db,
    backend_id: &str,
    root: &Path,
) -> Result<(LocalStore, std::result::Result<(), BlobError>)> {
    let fresh = Uuid::new_v4().to_string();
    let (store_id, is_marked) = stores::find_or_insert(db, backend_id, &fresh).await?;
    let mark = StoreMark {
        backend_id: backend_id.to_owned(),
        store_id,
    };
    let (store, opened) = LocalStore::open_marked(root, mark, !is_marked).await;
    if opened.is_ok() && !is_marked {
        stores::set_marked(db, backend_id).await?;
    }
    Ok((store, opened))
}
