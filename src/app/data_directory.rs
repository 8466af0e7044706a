//! The data directory and the lock that keeps a second process out of it.
//!
//! The lock is the operating system's, so it ends with the process, however that ends. It is taken
//! before anything else in the directory is opened. Knows nothing of what is kept there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The name of the lock file. It stays behind; only its lock matters.
const LOCK_FILE: &str = "lock";

/// A data directory that is ours as long as this lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if need be, readable to its owner only, and locks it.
    pub fn open_or_create(path: &Path) -> Result<Self, String> {
        create(path).map_err(|error| {
            format!("cannot make the data directory {}: {error}", path.display())
        })?;
        Self::open(path)
    }

    /// Locks a directory that is there.
    pub fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if !path.is_dir() {
            return Err(format!(
                "there is no data directory {shown}; name it with --data DIR"
            ));
        }
        let lock_path = path.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| format!("cannot open {}: {error}", lock_path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(format!("cannot lock {}: {error}", lock_path.display()));
            }
        }
        // For the message above; the lock itself does not need it.
        let _ = write_holder(&mut file);
        Ok(Self {
            path: path.to_owned(),
            _lock: file,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn in_use(path: &Path, lock: &mut File) -> String {
    let mut holder = String::new();
    let _ = lock.take(20).read_to_string(&mut holder);
    let holder = match holder.trim() {
        "" => String::new(),
        id => format!(" (process {id})"),
    };
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!(
        "the data directory {} is in use by another holdfast{holder}; stop it, or choose another \
         directory with --data DIR",
        shown.display()
    )
}

fn write_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(
            DataDirectory::open(&path)
                .unwrap_err()
                .contains("--data DIR")
        );
        let held = DataDirectory::open_or_create(&path).unwrap();
        let error = DataDirectory::open_or_create(&path).unwrap_err();
        let expected = format!("{} is in use by another holdfast (process ", path.display());
        assert!(error.contains(&expected), "{error}");
        drop(held);
        DataDirectory::open(&path).unwrap();
    }
}
