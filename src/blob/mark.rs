//! The mark of a store: a small file beside its blobs that says whose directory it is.
//!
//! A disk that is not mounted leaves an empty directory, and another disk may come up in its place.
//! Neither has lost a blob, and neither may be written to: a store without its mark is out of reach.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file, beside the fan-out of the blobs: no blob has such a name.
const FILE: &str = "STORE";

/// The most bytes that are read of a file in the mark's place.
const MAX_BYTES: u64 = 1024;

/// Who a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMark {
    /// The backend.
    pub backend_id: String,
    /// The random identifier that the database remembers.
    pub store_id: String,
}

impl StoreMark {
    fn text(&self) -> String {
        format!("holdfast {} {}\n", self.backend_id, self.store_id)
    }

    /// Whether the store under a directory is the one that is meant.
    pub(super) fn check(&self, root: &Path) -> io::Result<()> {
        match read(root) {
            Ok(Some(found)) if found == self.text() => Ok(()),
            Ok(Some(_)) => Err(other(format!(
                "{} is that of another store",
                path(root).display()
            ))),
            Ok(None) => Err(other(format!(
                "{} is not there: is the disk mounted?",
                path(root).display()
            ))),
            Err(error) => Err(error),
        }
    }

    /// Whether a directory may become this store: it is nobody's yet, or this one's.
    pub(super) fn may_take(&self, root: &Path) -> io::Result<()> {
        match read(root)? {
            None => Ok(()),
            Some(_) => self.check(root),
        }
    }

    /// Writes the mark, durably.
    pub(super) fn write(&self, root: &Path) -> io::Result<()> {
        let (target, folder) = (path(root), root.join("blobs"));
        let draft = folder.join(format!("{FILE}.new"));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &target)?;
        File::open(folder)?.sync_all()
    }
}

fn path(root: &Path) -> PathBuf {
    root.join("blobs").join(FILE)
}

fn read(root: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path(root)) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn other(message: String) -> io::Error {
    io::Error::new(ErrorKind::NotFound, message)
}
