//! Listings of objects, V1 and V2: two spellings of one page.
//!
//! What a page holds is decided by the registry; this file reads the question and writes the XML.

use crate::domain::file::FileSummary;
use crate::domain::name::RESERVED_PREFIX;
use crate::domain::package::PackageRecord;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::listing::{FilePage, ListEntry, ListFiles, ListPosition};
use crate::s3::ops::page::{
    MAX_PAGE_NUMBER, decode_token, encode_token, encodes_keys, given, page_size,
};
use crate::s3::ops::special::list_special;
use crate::wire::uri::{Query, Slash, percent_encode_into};
use crate::wire::xml::XmlWriter;

/// The most keys and common prefixes of one page.
pub const MAX_KEYS: usize = 1000;

/// Bytes of XML around the key of one entry, so that a page is written into one buffer.
const ENTRY_BYTES: usize = 256;

/// Keys that begin with a prefix, in UTF-8 byte order, grouped by a delimiter.
///
/// - A group stands at the place of its first key, counts as one entry and never comes twice.
/// - `marker` goes on after any text, a key or not. When it is itself a common prefix, as
///   `NextMarker` may be, the whole group is passed over.
/// - `NextMarker` is there whenever the page is truncated. AWS gives it only with a delimiter.
/// - Objects under `.holdfast/` appear only when the prefix begins with `.holdfast`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>
pub async fn list_objects(request: Request, context: &Context) -> Result<Reply, Fault> {
    let asked = ListObjects::parse(&request.query)?;
    let page = read_page(request.package(), &asked.listing, context).await?;
    Ok(Reply::xml(asked.render(&page, &Owner::of(&request))))
}

/// Like [`list_objects`], with an opaque token for the next page instead of a marker.
///
/// - `NextContinuationToken` is there exactly when the page is truncated; a garbled token is
///   `InvalidArgument`.
/// - `start-after` is heeded on the first page only; a token takes its place. Like a marker, it
///   passes over the whole group when it is itself a common prefix.
/// - `KeyCount` counts keys and common prefixes.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
pub async fn list_objects_v2(request: Request, context: &Context) -> Result<Reply, Fault> {
    let asked = ListObjectsV2::parse(&request.query)?;
    let page = read_page(request.package(), &asked.listing, context).await?;
    Ok(Reply::xml(asked.render(&page, &Owner::of(&request))))
}

/// What both versions ask.
#[derive(Debug, PartialEq, Eq)]
struct Listing {
    prefix: String,
    delimiter: String,
    max_keys: usize,
    encodes_keys: bool,
    after: Option<ListPosition>,
}

/// A request of version 1.
#[derive(Debug, PartialEq, Eq)]
struct ListObjects {
    listing: Listing,
    marker: String,
}

/// A request of version 2.
#[derive(Debug, PartialEq, Eq)]
struct ListObjectsV2 {
    listing: Listing,
    token: Option<String>,
    start_after: Option<String>,
    shows_owner: bool,
}

impl Listing {
    fn parse(query: &Query) -> Result<Self, Fault> {
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: query.get("delimiter").unwrap_or_default().to_owned(),
            max_keys: page_size(query, "max-keys", 0..=MAX_PAGE_NUMBER, MAX_KEYS)?,
            encodes_keys: encodes_keys(query)?,
            after: None,
        })
    }

    /// Where a client means to go on that names a text.
    fn position(&self, text: &str) -> ListPosition {
        if self.is_common_prefix(text) {
            ListPosition::AfterPrefix(text.to_owned())
        } else {
            ListPosition::AfterKey(text.to_owned())
        }
    }

    /// Whether a text is what a group of this listing is called.
    fn is_common_prefix(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let first = rest.find(self.delimiter.as_str());
        let is_at_end = |at| at + self.delimiter.len() == rest.len();
        !self.delimiter.is_empty() && first.is_some_and(is_at_end)
    }
}

impl ListObjects {
    fn parse(query: &Query) -> Result<Self, Fault> {
        let mut listing = Listing::parse(query)?;
        let marker = query.get("marker").unwrap_or_default().to_owned();
        if !marker.is_empty() {
            listing.after = Some(listing.position(&marker));
        }
        Ok(Self { listing, marker })
    }

    fn render(&self, page: &FilePage, owner: &Owner<'_>) -> String {
        let mut document = Document::begin(&self.listing, page, owner.bucket);
        document.text("Marker", &self.marker);
        if let Some(ListPosition::AfterKey(next) | ListPosition::AfterPrefix(next)) = &page.next {
            document.text("NextMarker", next);
        }
        document.xml.value("MaxKeys", self.listing.max_keys);
        document.finish(page, Some(owner))
    }
}

impl ListObjectsV2 {
    fn parse(query: &Query) -> Result<Self, Fault> {
        let mut listing = Listing::parse(query)?;
        let token = query.get("continuation-token").map(str::to_owned);
        let start_after = given(query, "start-after").map(str::to_owned);
        listing.after = match (token.as_deref(), &start_after) {
            (Some(token), _) if !token.is_empty() => {
                Some(decode_token("continuation-token", token)?)
            }
            (_, Some(text)) => Some(listing.position(text)),
            (_, None) => None,
        };
        let shows_owner = match given(query, "fetch-owner") {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("true") => true,
            Some(word) if word.eq_ignore_ascii_case("false") => false,
            Some(other) => {
                let message = "fetch-owner must be true or false.";
                return Err(Fault::argument("fetch-owner", other, message));
            }
        };
        Ok(Self {
            listing,
            token,
            start_after,
            shows_owner,
        })
    }

    fn render(&self, page: &FilePage, owner: &Owner<'_>) -> String {
        let mut document = Document::begin(&self.listing, page, owner.bucket);
        if let Some(start_after) = &self.start_after {
            document.text("StartAfter", start_after);
        }
        // Tokens are not keys: they are never encoded, and they have nothing to escape.
        document
            .xml
            .optional("ContinuationToken", self.token.as_deref());
        if let Some(next) = &page.next {
            document
                .xml
                .text("NextContinuationToken", &encode_token(next));
        }
        document.xml.value("KeyCount", page.entries.len());
        document.xml.value("MaxKeys", self.listing.max_keys);
        document.finish(page, self.shows_owner.then_some(owner))
    }
}

/// Whose the objects are: a bucket's owner owns all that is in it.
struct Owner<'r> {
    bucket: &'r str,
    id: &'r str,
    display_name: &'r str,
}

impl<'r> Owner<'r> {
    fn of(request: &'r Request) -> Self {
        let package = request.package();
        let is_caller = package.owner == request.actor();
        Self {
            bucket: package.bucket.as_str(),
            id: &package.owner,
            display_name: if is_caller {
                request.display_name()
            } else {
                &package.owner
            },
        }
    }
}

/// The XML of a page. Element names are plain, without prefixes or attributes: DuckDB finds them
/// by their text.
struct Document {
    xml: XmlWriter,
    keys: KeyText,
}

impl Document {
    fn begin(listing: &Listing, page: &FilePage, bucket: &str) -> Self {
        let keys: usize = page
            .entries
            .iter()
            .map(|entry| entry_key(entry).len())
            .sum();
        let mut xml = XmlWriter::s3("ListBucketResult");
        xml.reserve(keys + (page.entries.len() + 2) * ENTRY_BYTES);
        xml.text("Name", bucket);
        let keys = KeyText {
            is_encoded: listing.encodes_keys,
            scratch: Vec::new(),
        };
        let mut document = Self { xml, keys };
        document.text("Prefix", &listing.prefix);
        if !listing.delimiter.is_empty() {
            document.text("Delimiter", &listing.delimiter);
        }
        if listing.encodes_keys {
            document.xml.text("EncodingType", "url");
        }
        document
    }

    fn text(&mut self, name: &str, text: &str) {
        self.keys.write(&mut self.xml, name, text);
    }

    fn finish(mut self, page: &FilePage, owner: Option<&Owner<'_>>) -> String {
        self.xml.value("IsTruncated", page.next.is_some());
        for entry in &page.entries {
            if let ListEntry::File(file) = entry {
                self.xml.nest("Contents", |xml| {
                    write_file(xml, &mut self.keys, file, owner);
                });
            }
        }
        for entry in &page.entries {
            if let ListEntry::Prefix(prefix) = entry {
                self.xml.nest("CommonPrefixes", |xml| {
                    self.keys.write(xml, "Prefix", prefix);
                });
            }
        }
        self.xml.finish()
    }
}

fn write_file(
    xml: &mut XmlWriter,
    keys: &mut KeyText,
    file: &FileSummary,
    owner: Option<&Owner<'_>>,
) {
    keys.write(xml, "Key", file.key.as_str());
    xml.text("LastModified", &file.created_at.to_s3());
    xml.text("ETag", keys.quote(&file.etag));
    xml.text("Size", keys.decimal(file.size_bytes));
    if let Some(owner) = owner {
        xml.nest("Owner", |xml| {
            xml.text("ID", owner.id)
                .text("DisplayName", owner.display_name);
        });
    }
    xml.text("StorageClass", "STANDARD");
}

/// Writes what is or may be a piece of a key, encoded as the client asks.
struct KeyText {
    is_encoded: bool,
    scratch: Vec<u8>,
}

impl KeyText {
    fn write(&mut self, xml: &mut XmlWriter, name: &str, text: &str) {
        if self.is_encoded {
            self.scratch.clear();
            percent_encode_into(&mut self.scratch, text.as_bytes(), Slash::Keep);
            xml.text(name, self.scratch());
        } else {
            xml.text(name, text);
        }
    }

    fn quote(&mut self, text: &str) -> &str {
        self.scratch.clear();
        self.scratch.push(b'"');
        self.scratch.extend_from_slice(text.as_bytes());
        self.scratch.push(b'"');
        self.scratch()
    }

    fn decimal(&mut self, mut number: u64) -> &str {
        self.scratch.clear();
        loop {
            self.scratch.push(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.scratch.reverse();
        self.scratch()
    }

    fn scratch(&self) -> &str {
        std::str::from_utf8(&self.scratch).expect("whole texts and ASCII only")
    }
}

fn entry_key(entry: &ListEntry) -> &str {
    match entry {
        ListEntry::File(file) => file.key.as_str(),
        ListEntry::Prefix(prefix) => prefix,
    }
}

async fn read_page(
    package: &PackageRecord,
    listing: &Listing,
    context: &Context,
) -> Result<FilePage, Fault> {
    if listing.max_keys == 0 {
        return Ok(FilePage::default());
    }
    let query = ListFiles {
        prefix: listing.prefix.clone(),
        delimiter: listing.delimiter.clone(),
        after: listing.after.clone(),
        limit: listing.max_keys,
    };
    let page = context.registry.list_files(package.id, &query).await?;
    let hidden = RESERVED_PREFIX.trim_end_matches('/');
    if !listing.prefix.starts_with(hidden) {
        return Ok(page);
    }
    let special = group(list_special(package, context).await?, &query);
    Ok(merge(page, special, query.limit))
}

/// The entries of a few files, given in order, as the registry would list them.
fn group(files: Vec<FileSummary>, query: &ListFiles) -> Vec<ListEntry> {
    let mut entries = Vec::new();
    for file in files {
        let key = file.key.as_str();
        let Some(rest) = key.strip_prefix(query.prefix.as_str()) else {
            continue;
        };
        let is_passed = match &query.after {
            None => false,
            Some(ListPosition::AfterKey(after)) => key <= after.as_str(),
            Some(ListPosition::AfterPrefix(after)) => {
                key < after.as_str() || key.starts_with(after.as_str())
            }
        };
        if is_passed {
            continue;
        }
        let end = rest
            .find(query.delimiter.as_str())
            .filter(|_| !query.delimiter.is_empty());
        let entry = match end {
            Some(end) => {
                let length = query.prefix.len() + end + query.delimiter.len();
                ListEntry::Prefix(key[..length].to_owned())
            }
            None => ListEntry::File(file),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// One page of two that are in order and share no entry.
fn merge(page: FilePage, special: Vec<ListEntry>, limit: usize) -> FilePage {
    let is_more_there = page.next.is_some();
    let mut entries = page.entries;
    // What lies beyond a page that goes on is for a later page.
    let last = entries
        .last()
        .filter(|_| is_more_there)
        .map(|entry| entry_key(entry).to_owned());
    entries.extend(
        special
            .into_iter()
            .filter(|entry| last.as_deref().is_none_or(|last| entry_key(entry) < last)),
    );
    let is_cut = is_more_there || entries.len() > limit;
    entries.sort_by(|a, b| entry_key(a).cmp(entry_key(b)));
    entries.truncate(limit);
    let next = entries.last().filter(|_| is_cut).map(|entry| match entry {
        ListEntry::File(file) => ListPosition::AfterKey(file.key.as_str().to_owned()),
        ListEntry::Prefix(prefix) => ListPosition::AfterPrefix(prefix.clone()),
    });
    FilePage { entries, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Timestamp;
    use crate::domain::name::ObjectKey;
    use crate::exchange::fault::Code;

    fn v1(query: &str) -> Result<ListObjects, Code> {
        ListObjects::parse(&Query::parse(query).unwrap()).map_err(|fault| fault.code())
    }

    fn v2(query: &str) -> Result<ListObjectsV2, Code> {
        ListObjectsV2::parse(&Query::parse(query).unwrap()).map_err(|fault| fault.code())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with a position that may be none"
    )]
    fn key(text: &str) -> Option<ListPosition> {
        Some(ListPosition::AfterKey(text.to_owned()))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "compared with a position that may be none"
    )]
    fn prefix(text: &str) -> Option<ListPosition> {
        Some(ListPosition::AfterPrefix(text.to_owned()))
    }

    fn file(text: &str) -> FileSummary {
        FileSummary {
            key: ObjectKey::parse(text).unwrap(),
            etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            size_bytes: 7,
            created_at: Timestamp(1_700_000_000_123_456),
        }
    }

    fn entries(texts: &[&str]) -> Vec<ListEntry> {
        let entry = |text: &&str| match text.strip_suffix('*') {
            Some(group) => ListEntry::Prefix(group.to_owned()),
            None => ListEntry::File(file(text)),
        };
        texts.iter().map(entry).collect()
    }

    const OWNER: Owner<'_> = Owner {
        bucket: "pkg",
        id: "ci",
        display_name: "C & I",
    };

    #[test]
    fn what_makes_no_sense_is_an_invalid_argument() {
        let wrong = [
            "max-keys=blah",
            "max-keys=-1",
            "encoding-type=base64",
            "encoding-type=URL",
        ];
        for query in wrong {
            assert_eq!(v1(query), Err(Code::InvalidArgument), "{query}");
            assert_eq!(v2(query), Err(Code::InvalidArgument), "{query}");
        }
        assert_eq!(v2("continuation-token=blah"), Err(Code::InvalidArgument));
        assert_eq!(v2("fetch-owner=perhaps"), Err(Code::InvalidArgument));
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_passes_its_group() {
        let cases = [
            ("marker=", None),
            ("marker=a/", key("a/")),
            ("delimiter=/&marker=a/", prefix("a/")),
            ("delimiter=/&marker=a", key("a")),
            ("delimiter=/&marker=a/b", key("a/b")),
            ("delimiter=/&marker=a/b/", key("a/b/")),
            ("delimiter=/&prefix=a/&marker=a/b/", prefix("a/b/")),
            ("delimiter=/&prefix=a/&marker=a/", key("a/")),
            ("delimiter=/&prefix=b/&marker=a/", key("a/")),
            ("delimiter=--&marker=a--", prefix("a--")),
            ("delimiter=--&marker=a-", key("a-")),
        ];
        for (query, expected) in cases {
            assert_eq!(v1(query).unwrap().listing.after, expected, "{query}");
            let query = query.replace("marker", "start-after");
            assert_eq!(v2(&query).unwrap().listing.after, expected, "{query}");
        }
    }

    #[test]
    fn a_token_takes_the_place_of_start_after() {
        let token = encode_token(&ListPosition::AfterPrefix("b/".to_owned()));
        let both = v2(&format!("start-after=a&continuation-token={token}")).unwrap();
        assert_eq!(both.listing.after, prefix("b/"));
        assert_eq!(both.start_after.as_deref(), Some("a"));
        let empty = v2("start-after=a&continuation-token=").unwrap();
        assert_eq!(
            (empty.listing.after, empty.token.as_deref()),
            (key("a"), Some(""))
        );
        assert!(v2("fetch-owner=true").unwrap().shows_owner);
        assert!(!v2("fetch-owner=false").unwrap().shows_owner);
    }

    #[test]
    fn version_1_writes_what_clients_find_by_name() {
        let page = FilePage {
            entries: entries(&["a&b", "c/*"]),
            next: prefix("c/"),
        };
        let xml = v1("delimiter=/&marker=%01&max-keys=2")
            .unwrap()
            .render(&page, &OWNER);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Name>pkg</Name><Prefix></Prefix><Delimiter>/</Delimiter><Marker>&#x1;</Marker>\
            <NextMarker>c/</NextMarker><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>\
            <Contents><Key>a&amp;b</Key><LastModified>2023-11-14T22:13:20.123Z</LastModified>\
            <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>7</Size>\
            <Owner><ID>ci</ID><DisplayName>C &amp; I</DisplayName></Owner>\
            <StorageClass>STANDARD</StorageClass></Contents>\
            <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>";
        assert_eq!(xml, expected);
        let flat = v1("").unwrap().render(&page, &OWNER);
        assert!(!flat.contains("Delimiter"), "{flat}");
        assert!(flat.contains("<NextMarker>c/</NextMarker>"), "{flat}");
    }

    #[test]
    fn version_2_encodes_every_piece_of_a_key_and_no_token() {
        let page = FilePage {
            entries: entries(&["a b/+%\u{1}é", "c //*"]),
            next: key("z"),
        };
        let token = encode_token(&ListPosition::AfterKey("z".to_owned()));
        let query = format!(
            "encoding-type=url&prefix=a+b&delimiter=+/&start-after=%2B&continuation-token={token}"
        );
        let xml = v2(&query).unwrap().render(&page, &OWNER);
        let parts = [
            "<Prefix>a%20b</Prefix>",
            "<Delimiter>%20/</Delimiter>",
            "<EncodingType>url</EncodingType>",
            "<StartAfter>%2B</StartAfter>",
            &format!("<ContinuationToken>{token}</ContinuationToken>"),
            &format!("<NextContinuationToken>{token}</NextContinuationToken>"),
            "<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>",
            "<Key>a%20b/%2B%25%01%C3%A9</Key>",
            "<CommonPrefixes><Prefix>c%20//</Prefix></CommonPrefixes>",
        ];
        for part in parts {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(!xml.contains("<Owner>"), "{xml}");
        let last = v2("").unwrap().render(&FilePage::default(), &OWNER);
        assert!(!last.contains("ContinuationToken"), "{last}");
        assert!(last.contains("<KeyCount>0</KeyCount>"), "{last}");
    }

    #[test]
    fn special_objects_join_a_page_in_order() {
        let query = |prefix: &str, delimiter: &str, after| ListFiles {
            prefix: prefix.to_owned(),
            delimiter: delimiter.to_owned(),
            after,
            limit: 0,
        };
        let names = [".holdfast/SHA256SUMS", ".holdfast/status.json"];
        let special = |query: &ListFiles| group(names.map(file).to_vec(), query);
        let all = special(&query(".holdfast", "", None));
        assert_eq!(all, entries(&names));
        assert_eq!(
            special(&query(".holdfast", "/", None)),
            entries(&[".holdfast/*"])
        );
        assert_eq!(special(&query(".holdfast/", "/", None)), entries(&names));
        assert_eq!(
            special(&query(".holdfast/s", "", None)),
            entries(&names[1..])
        );
        assert!(special(&query(".holdfast", "/", prefix(".holdfast/"))).is_empty());
        assert_eq!(
            special(&query(".holdfast", "", key(names[0]))),
            entries(&names[1..])
        );

        let page = |texts: &[&str], next| FilePage {
            entries: entries(texts),
            next,
        };
        let merged = merge(page(&[".holdfast", ".holdfastx"], None), all.clone(), 4);
        assert_eq!(
            merged.entries,
            entries(&[".holdfast", names[0], names[1], ".holdfastx"])
        );
        assert_eq!(merged.next, None);
        let cut = merge(page(&[".holdfast", ".holdfastx"], None), all.clone(), 2);
        assert_eq!(
            (cut.entries, cut.next),
            (entries(&[".holdfast", names[0]]), key(names[0]))
        );
        let early = merge(page(&[".holdfast"], key(".holdfast")), all, 1);
        assert_eq!(
            (early.entries, early.next),
            (entries(&[".holdfast"]), key(".holdfast"))
        );
    }
}
