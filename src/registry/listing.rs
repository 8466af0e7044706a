//! List files: keyset pages in byte order of the key; a delimiter skips over its group instead of
//! reading it.

use crate::db::files::{self, KeyRange};
use crate::domain::file::FileSummary;
use crate::domain::ids::PackageId;
use crate::registry::error::Result;
use crate::registry::handle::Registry;

/// How many rows are read at first when keys are grouped. Few, since one group may hold millions.
const FIRST_CHUNK: usize = 64;

/// How many rows are read at a time while every group is large.
const LEAST_CHUNK: usize = 4;

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPosition {
    /// After this key, which need not exist.
    AfterKey(String),
    /// After every key that begins with this prefix.
    AfterPrefix(String),
}

/// A page of a listing in UTF-8 byte order.
#[derive(Debug, Clone, Default)]
pub struct ListFiles {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Keys are grouped by the first occurrence of this after the prefix; empty means none.
    pub delimiter: String,
    /// Where to go on.
    pub after: Option<ListPosition>,
    /// At most so many entries.
    pub limit: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// A key.
    File(FileSummary),
    /// A group of keys: the common prefix, which ends in the delimiter.
    Prefix(String),
}

/// A page and where the next begins; `None` when it is the last.
#[derive(Debug, Clone, Default)]
pub struct FilePage {
    /// In order; a group stands at the place of its first key.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins.
    pub next: Option<ListPosition>,
}

impl Registry {
    /// A page of current files. Costs the same whatever the size of the package.
    pub async fn list_files(&self, package_id: PackageId, query: &ListFiles) -> Result<FilePage> {
        if query.limit == 0 {
            return Ok(FilePage::default());
        }
        let mut page = PageBuilder::new(query);
        let mut chunk = if query.delimiter.is_empty() {
            query.limit + 1
        } else {
            FIRST_CHUNK
        };
        loop {
            let wanted = chunk.min(page.missing());
            let rows = files::list_page(
                &self.inner.db.readers,
                self.inner.db.dialect,
                package_id,
                &page.range,
                wanted,
            )
            .await?;
            let is_last = rows.len() < wanted;
            let before = page.entries.len();
            for row in rows {
                page.push(row);
            }
            page.move_on();
            if is_last || page.missing() == 0 {
                return Ok(page.finish());
            }
            // Rows that made no entry of their own were read in vain: read fewer, or dare more.
            let made = page.entries.len() - before;
            chunk = if made * 2 < wanted {
                (chunk / 4).max(LEAST_CHUNK)
            } else {
                chunk * 4
            };
        }
    }
}

/// Gathers entries until one more than asked for is known.
struct PageBuilder<'q> {
    query: &'q ListFiles,
    /// What is still to be read.
    range: KeyRange,
    entries: Vec<ListEntry>,
}

impl<'q> PageBuilder<'q> {
    fn new(query: &'q ListFiles) -> Self {
        let range = KeyRange::of_prefix(query.prefix.as_bytes());
        let range = match &query.after {
            None => range,
            Some(ListPosition::AfterKey(key)) => range.above(key.as_bytes()),
            Some(ListPosition::AfterPrefix(prefix)) => range.above_prefix(prefix.as_bytes()),
        };
        Self {
            query,
            range,
            entries: Vec::with_capacity(query.limit.min(1000) + 1),
        }
    }

    /// How many entries are missing until the page and the one behind it are known.
    fn missing(&self) -> usize {
        (self.query.limit + 1).saturating_sub(self.entries.len())
    }

    fn push(&mut self, file: FileSummary) {
        if self.missing() == 0 {
            return;
        }
        match common_prefix(file.key.as_str(), &self.query.prefix, &self.query.delimiter) {
            Some(group) => {
                let is_known =
                    matches!(self.entries.last(), Some(ListEntry::Prefix(last)) if last == group);
                if !is_known {
                    self.entries.push(ListEntry::Prefix(group.to_owned()));
                }
            }
            None => self.entries.push(ListEntry::File(file)),
        }
    }

    /// Goes on behind the last entry; a group is skipped whole.
    fn move_on(&mut self) {
        let range = std::mem::replace(&mut self.range, KeyRange::of_prefix(b""));
        self.range = match self.entries.last() {
            None => range,
            Some(ListEntry::File(file)) => range.above(file.key.as_bytes()),
            Some(ListEntry::Prefix(group)) => range.above_prefix(group.as_bytes()),
        };
    }

    fn finish(mut self) -> FilePage {
        let is_truncated = self.entries.len() > self.query.limit;
        self.entries.truncate(self.query.limit);
        let next = match self.entries.last() {
            Some(ListEntry::File(file)) if is_truncated => {
                Some(ListPosition::AfterKey(file.key.as_str().to_owned()))
            }
            Some(ListEntry::Prefix(group)) if is_truncated => {
                Some(ListPosition::AfterPrefix(group.clone()))
            }
            _ => None,
        };
        FilePage {
            entries: self.entries,
            next,
        }
    }
}

/// The group a key belongs to: up to and with the first delimiter after the prefix.
pub(super) fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.get(prefix.len()..)?;
    rest.find(delimiter)
        .map(|at| &key[..prefix.len() + at + delimiter.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_ends_at_the_first_delimiter_after_the_prefix() {
        let cases = [
            ("a/b/c", "", "/", Some("a/")),
            ("a/b/c", "a/", "/", Some("a/b/")),
            ("a/b/c", "a/b/c", "/", None),
            ("a/b", "", "", None),
            ("a//b", "a/", "/", Some("a//")),
            ("axxbxx", "", "xx", Some("axx")),
            ("é/ü/x", "é/", "/", Some("é/ü/")),
        ];
        for (key, prefix, delimiter, expected) in cases {
            assert_eq!(
                common_prefix(key, prefix, delimiter),
                expected,
                "{key} {prefix} {delimiter}"
            );
        }
    }
}
