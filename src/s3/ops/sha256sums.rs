//! `.holdfast/SHA256SUMS`: the list that `sha256sum -c` reads, made anew for every request.
//!
//! It is never held whole in memory beyond [`KEPT_BYTES`]: its length and entity tag come from one
//! pass over the files, its bytes from a second one.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream;

use crate::domain::file::FileRecord;
use crate::domain::hashers::{HashPlan, Hashers};
use crate::domain::ids::{PackageId, Timestamp};
use crate::domain::name::ObjectKey;
use crate::domain::package::PackageRecord;
use crate::registry::error::{Error, Result};
use crate::registry::handle::Registry;
use crate::registry::open::FileStream;

/// How many files are read at once.
const PAGE: usize = 1000;

/// A list up to this length is kept between its two passes, so that it cannot change.
const KEPT_BYTES: usize = 1024 * 1024;

/// What a list is, found in one pass.
#[derive(Debug)]
pub struct Survey {
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its entity tag: made from its bytes, and unlike an MD5.
    pub etag: String,
    /// When the newest of its files came, or the package if it has none.
    pub last_modified: Timestamp,
    /// The list itself, if it is short.
    text: Option<Bytes>,
}

/// Walks over the files of a package once.
pub async fn survey(registry: &Registry, package: &PackageRecord) -> Result<Survey> {
    let mut hashers = plain_hashers();
    let mut kept = Some(Vec::new());
    let mut last_modified = package.created_at;
    let mut after: Option<ObjectKey> = None;
    loop {
        let files = registry
            .list_file_records(package.id, after.as_ref(), PAGE)
            .await?;
        let lines = lines_of(files.iter().map(AsRef::as_ref));
        hashers.update(&lines);
        kept = kept.filter(|text| text.len() + lines.len() <= KEPT_BYTES);
        if let Some(text) = &mut kept {
            text.extend_from_slice(&lines);
        }
        for file in &files {
            last_modified = last_modified.max(file.created_at);
        }
        match files.last() {
            Some(last) if files.len() == PAGE => after = Some(last.key.clone()),
            Some(_) | None => break,
        }
    }
    let size_bytes = hashers.size_bytes();
    Ok(Survey {
        size_bytes,
        etag: generated_etag(hashers),
        last_modified,
        text: kept.map(Bytes::from),
    })
}

impl Survey {
    /// The bytes of a range of the list: those that the survey saw, or an error at the end when the
    /// files have changed meanwhile.
    pub fn open(self, registry: Registry, package_id: PackageId, range: Range<u64>) -> FileStream {
        if let Some(text) = self.text {
            let range = range.start as usize..range.end as usize;
            return Box::pin(stream::iter([Ok(text.slice(range))]));
        }
        let walk = Walk {
            registry,
            package_id,
            after: None,
            skip: range.start,
            left: range.end - range.start,
        };
        Box::pin(stream::try_unfold(walk, Walk::next))
    }
}

/// The second pass: where it stands.
struct Walk {
    registry: Registry,
    package_id: PackageId,
    after: Option<ObjectKey>,
    skip: u64,
    left: u64,
}

impl Walk {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        while self.left > 0 {
            let files = self
                .registry
                .list_file_records(self.package_id, self.after.as_ref(), PAGE)
                .await?;
            let Some(last) = files.last() else {
                return Err(Error::Unavailable(
                    "the files changed while their list was sent".to_owned(),
                ));
            };
            self.after = Some(last.key.clone());
            let lines = Bytes::from(lines_of(files.iter().map(AsRef::as_ref)));
            let length = lines.len() as u64;
            let start = self.skip.min(length);
            self.skip -= start;
            let end = length.min(start + self.left);
            self.left -= end - start;
            if start < end {
                let bytes = lines.slice(start as usize..end as usize);
                return Ok(Some((bytes, self)));
            }
        }
        Ok(None)
    }
}

/// The entity tag of a generated object: made from its bytes, and no 32 hex digits, which clients
/// would take for an MD5.
pub fn generated_etag(hashers: Hashers) -> String {
    let (digests, _) = hashers.finish();
    format!("b3-{}", &digests.address.to_hex()[..32])
}

/// Hashers of the identity only.
pub fn plain_hashers() -> Hashers {
    Hashers::new(&HashPlan {
        checksums: Vec::new(),
        sha256: false,
        md5: false,
    })
}

fn lines_of<'f>(files: impl Iterator<Item = &'f FileRecord>) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        put_line(&mut out, file.key.as_str(), &file.sha256, file.size_bytes);
    }
    out
}

/// One line as GNU coreutils write it: a name with a backslash, a line feed or a carriage return is
/// escaped, and its line begins with a backslash.
///
/// Left out is what no download holds as a file: the empty `dir/` keys by which clients mark
/// folders.
fn put_line(out: &mut Vec<u8>, key: &str, sha256: &[u8; 32], size_bytes: u64) {
    if size_bytes == 0 && key.ends_with('/') {
        return;
    }
    let is_escaped = key.contains(['\\', '\n', '\r']);
    if is_escaped {
        out.push(b'\\');
    }
    out.extend_from_slice(hex::encode(sha256).as_bytes());
    out.extend_from_slice(b"  ");
    if is_escaped {
        let name = key.replace('\\', "\\\\");
        let name = name.replace('\n', "\\n").replace('\r', "\\r");
        out.extend_from_slice(name.as_bytes());
    } else {
        out.extend_from_slice(key.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, size_bytes: u64) -> String {
        let mut out = Vec::new();
        put_line(&mut out, key, &[0xab; 32], size_bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_sha256sum() {
        let digest = "ab".repeat(32);
        let cases = [
            ("a/b c", "a/b c", false),
            (" é*", " é*", false),
            ("a\\b", "a\\\\b", true),
            ("a\nb\r", "a\\nb\\r", true),
            ("\\n", "\\\\n", true),
        ];
        for (key, name, is_escaped) in cases {
            let mark = if is_escaped { "\\" } else { "" };
            assert_eq!(line(key, 1), format!("{mark}{digest}  {name}\n"));
        }
    }

    #[test]
    fn a_folder_mark_is_no_file() {
        assert_eq!(line("a/", 0), "");
        assert_ne!(line("a/", 1), "");
        assert_ne!(line("a", 0), "");
    }

    #[test]
    fn a_generated_tag_is_unlike_an_md5() {
        let etag = generated_etag(plain_hashers());
        assert!(etag.starts_with("b3-") && etag.len() == 35);
    }
}
