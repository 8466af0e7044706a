//! The root key: from the environment, from the data directory, or made at the first start.
//!
//! Judges no secret: `auth/keyring.rs` does.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::auth::secret::Secret;

/// The file in the data directory. A shell can read it: `. holdfast-data/root-key.env`.
const FILE: &str = "root-key.env";

const ACCESS_KEY_VARIABLE: &str = "HOLDFAST_ROOT_ACCESS_KEY";
const SECRET_KEY_VARIABLE: &str = "HOLDFAST_ROOT_SECRET_KEY";

/// As many characters as AWS's own keys have: some tools check.
const ACCESS_KEY_CHARACTERS: usize = 20;
const SECRET_KEY_CHARACTERS: usize = 40;

/// The key that may do everything.
#[derive(Debug, Clone)]
pub struct RootKey {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: Secret,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a root key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment's variables.
    Environment,
    /// This file in the data directory.
    Kept(PathBuf),
    /// Just made; [`RootKey::keep`] writes this file.
    Made(PathBuf),
}

impl RootKey {
    /// The key of the environment, else the one kept in the directory, else a new one, which is
    /// not kept yet.
    pub fn find_or_make(
        directory: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        match (variable(ACCESS_KEY_VARIABLE), variable(SECRET_KEY_VARIABLE)) {
            (Some(access_key), Some(secret_key)) => {
                let (origin, secret_key) = (Origin::Environment, Secret::new(secret_key));
                return Ok(Self {
                    access_key,
                    secret_key,
                    origin,
                });
            }
            (None, None) => {}
            _ => {
                return Err(format!(
                    "{ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} go together; set both or none"
                ));
            }
        }
        let path = directory.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                access_key: format!(
                    "HF{}",
                    random(
                        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                        ACCESS_KEY_CHARACTERS - 2
                    )?
                ),
                secret_key: Secret::new(random(
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                    SECRET_KEY_CHARACTERS,
                )?),
                origin: Origin::Made(path),
            }),
            Err(error) => Err(format!(
                "cannot read the root key in {}: {error}",
                path.display()
            )),
        }
    }

    /// Writes a new key to its file, mode 0600, durably. Does nothing for any other.
    pub fn keep(&self) -> Result<(), String> {
        let Origin::Made(path) = &self.origin else {
            return Ok(());
        };
        let text = format!(
            "# The root key of this Holdfast: it may do everything. Read it into a shell with\n\
             # `. {}`\n\
             export AWS_ACCESS_KEY_ID={}\n\
             export AWS_SECRET_ACCESS_KEY={}\n",
            path.display(),
            self.access_key,
            self.secret_key.reveal()
        );
        write_private(path, text.as_bytes())
            .map_err(|error| format!("cannot keep the root key in {}: {error}", path.display()))
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, String> {
        let find = |name: &str| {
            text.lines().find_map(|line| {
                let line = line.trim().trim_start_matches("export ");
                Some(
                    line.strip_prefix(name)?
                        .strip_prefix('=')?
                        .trim()
                        .trim_matches(['"', '\''])
                        .to_owned(),
                )
            })
        };
        match (find("AWS_ACCESS_KEY_ID"), find("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key), Some(secret_key)) => Ok(Self {
                access_key,
                secret_key: Secret::new(secret_key),
                origin: Origin::Kept(path),
            }),
            _ => Err(format!(
                "{} holds no root key; restore it, or remove it to have a new one made",
                path.display()
            )),
        }
    }
}

/// Random characters of an alphabet, each as likely as any other.
fn random(alphabet: &[u8], count: usize) -> Result<String, String> {
    let mut text = String::with_capacity(count);
    let limit = 256 - 256 % alphabet.len();
    while text.len() < count {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        for byte in bytes
            .into_iter()
            .map(usize::from)
            .filter(|&byte| byte < limit)
        {
            if text.len() < count {
                text.push(char::from(alphabet[byte % alphabet.len()]));
            }
        }
    }
    Ok(text)
}

/// Writes beside, syncs, and renames, so that the file is whole or absent after a crash.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("new");
    let _ = fs::remove_file(&staged);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&staged, path)?;
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_found_again_once_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let made = RootKey::find_or_make(folder.path(), |_| None).unwrap();
        assert_eq!(
            (made.access_key.len(), made.secret_key.reveal().len()),
            (20, 40)
        );
        let other = RootKey::find_or_make(folder.path(), |_| None).unwrap();
        assert_ne!(made.access_key, other.access_key);
        made.keep().unwrap();
        let path = folder.path().join(FILE);
        let found = RootKey::find_or_make(folder.path(), |_| None).unwrap();
        assert_eq!(found.origin, Origin::Kept(path.clone()));
        assert_eq!(found.access_key, made.access_key);
        assert_eq!(found.secret_key.reveal(), made.secret_key.reveal());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        fs::write(&path, "nothing").unwrap();
        assert!(
            RootKey::find_or_make(folder.path(), |_| None)
                .unwrap_err()
                .contains("holds no root key")
        );
    }

    #[test]
    fn the_environment_wins_and_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let both = RootKey::find_or_make(folder.path(), |name| Some(name.to_owned())).unwrap();
        assert_eq!(both.origin, Origin::Environment);
        assert_eq!(both.secret_key.reveal(), SECRET_KEY_VARIABLE);
        let half = |name: &str| (name == ACCESS_KEY_VARIABLE).then(|| "x".to_owned());
        assert!(
            RootKey::find_or_make(folder.path(), half)
                .unwrap_err()
                .contains("go together")
        );
    }
}
