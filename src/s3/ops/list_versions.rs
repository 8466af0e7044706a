//! ListObjectVersions.

use crate::domain::name::ObjectKey;
use crate::domain::version::version_id;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::versions::{ListVersions, VersionEntry, VersionPage, VersionPosition};
use crate::s3::ops::describe::{quoted, write_user};
use crate::s3::ops::list::MAX_KEYS;
use crate::s3::ops::page::{MAX_PAGE_NUMBER, encodes_keys, given, page_size};
use crate::s3::ops::versions::parse_version;
use crate::wire::uri::{Query, Slash, percent_encode};
use crate::wire::xml::XmlWriter;

/// Every version of the keys that begin with a prefix: by key in UTF-8 byte order, and then from the
/// newest, which the log decides and no clock. A bucket without versions shows each object as its
/// null version.
///
/// - A group counts as one entry and never comes twice.
/// - `version-id-marker` goes on behind that version. When it is gone meanwhile, what is left of its
///   key is shown from the newest, so that nothing is left out.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
pub async fn list_object_versions(request: Request, context: &Context) -> Result<Reply, Fault> {
    let asked = Asked::parse(&request.query)?;
    let page = context
        .registry
        .list_versions(request.package().id, &asked.listing)
        .await?;
    Ok(Reply::xml(asked.render(&page, &request)))
}

#[derive(Debug)]
struct Asked {
    listing: ListVersions,
    key_marker: String,
    version_marker: String,
    encodes_keys: bool,
}

impl Asked {
    fn parse(query: &Query) -> Result<Self, Fault> {
        let prefix = query.get("prefix").unwrap_or_default().to_owned();
        let delimiter = query.get("delimiter").unwrap_or_default().to_owned();
        let key_marker = query.get("key-marker").unwrap_or_default().to_owned();
        let name = match query.get("version-id-marker") {
            None => None,
            Some("") if key_marker.is_empty() => None,
            Some(text) => Some(parse_version("version-id-marker", text)?),
        };
        let after = match (given(query, "key-marker"), name) {
            (None, None) => None,
            (None, Some(_)) => {
                let message = "A version-id marker cannot be specified without a key marker.";
                let text = query.get("version-id-marker").unwrap_or_default();
                return Err(Fault::argument("version-id-marker", text, message));
            }
            (Some(key), Some(name)) => {
                let key = ObjectKey::parse(key)?;
                Some(VersionPosition::AfterVersion(key, name))
            }
            (Some(key), None) if is_group(key, &prefix, &delimiter) => {
                Some(VersionPosition::AfterPrefix(key.to_owned()))
            }
            (Some(key), None) => Some(VersionPosition::AfterKey(key.to_owned())),
        };
        Ok(Self {
            listing: ListVersions {
                prefix,
                delimiter,
                after,
                limit: page_size(query, "max-keys", 0..=MAX_PAGE_NUMBER, MAX_KEYS)?,
            },
            key_marker,
            version_marker: query
                .get("version-id-marker")
                .unwrap_or_default()
                .to_owned(),
            encodes_keys: encodes_keys(query)?,
        })
    }

    fn render(&self, page: &VersionPage, request: &Request) -> String {
        let listing = &self.listing;
        let mut xml = XmlWriter::s3("ListVersionsResult");
        xml.text("Name", request.bucket().as_str());
        xml.text("Prefix", &self.key(&listing.prefix));
        xml.text("KeyMarker", &self.key(&self.key_marker));
        xml.text("VersionIdMarker", &self.version_marker);
        match page.entries.last().filter(|_| page.is_truncated) {
            Some(VersionEntry::Version(last)) => {
                xml.text("NextKeyMarker", &self.key(last.key.as_str()));
                let id = version_id(last.id, last.is_versioned);
                xml.text("NextVersionIdMarker", &id);
            }
            Some(VersionEntry::Prefix(prefix)) => {
                xml.text("NextKeyMarker", &self.key(prefix));
            }
            None => {}
        }
        xml.value("MaxKeys", listing.limit);
        if !listing.delimiter.is_empty() {
            xml.text("Delimiter", &self.key(&listing.delimiter));
        }
        if self.encodes_keys {
            xml.text("EncodingType", "url");
        }
        xml.value("IsTruncated", page.is_truncated);
        for entry in &page.entries {
            if let VersionEntry::Version(version) = entry {
                let element = if version.file.is_some() {
                    "Version"
                } else {
                    "DeleteMarker"
                };
                xml.nest(element, |xml| {
                    xml.text("Key", &self.key(version.key.as_str()));
                    let id = version_id(version.id, version.is_versioned);
                    xml.text("VersionId", &id);
                    xml.value("IsLatest", version.is_latest);
                    xml.text("LastModified", &version.created_at.to_s3());
                    if let Some((etag, size_bytes)) = &version.file {
                        xml.text("ETag", &quoted(etag));
                        xml.value("Size", size_bytes);
                        xml.text("StorageClass", "STANDARD");
                    }
                    write_user(xml, "Owner", &request.package().owner, request);
                });
            }
        }
        for entry in &page.entries {
            if let VersionEntry::Prefix(prefix) = entry {
                xml.nest("CommonPrefixes", |xml| {
                    xml.text("Prefix", &self.key(prefix));
                });
            }
        }
        xml.finish()
    }

    /// What is or may be a piece of a key, encoded as the client asks.
    fn key(&self, text: &str) -> String {
        if self.encodes_keys {
            percent_encode(text.as_bytes(), Slash::Keep)
        } else {
            text.to_owned()
        }
    }
}

/// Whether a text is what a group of a listing is called.
fn is_group(text: &str, prefix: &str, delimiter: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let first = rest.find(delimiter);
    !delimiter.is_empty() && first.is_some_and(|at| at + delimiter.len() == rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::version::VersionRef;
    use crate::exchange::fault::Code;

    fn parse(query: &str) -> Result<Asked, Code> {
        Asked::parse(&Query::parse(query).unwrap()).map_err(|fault| fault.code())
    }

    #[test]
    fn a_listing_goes_on_after_a_key_a_version_or_a_group() {
        let after = |query: &str| parse(query).unwrap().listing.after;
        assert_eq!(after(""), None);
        assert_eq!(after("key-marker=&version-id-marker="), None);
        let key = VersionPosition::AfterKey("a/b".to_owned());
        assert_eq!(after("key-marker=a/b&delimiter=/"), Some(key));
        let group = VersionPosition::AfterPrefix("a/".to_owned());
        assert_eq!(after("key-marker=a/&delimiter=/"), Some(group));
        let key = ObjectKey::parse("a/").unwrap();
        let version = VersionPosition::AfterVersion(key, VersionRef::Null);
        let found = after("key-marker=a/&version-id-marker=null&delimiter=/");
        assert_eq!(found, Some(version));
    }

    #[test]
    fn a_marker_that_is_none_is_refused() {
        for query in [
            "version-id-marker=null",
            "key-marker=a&version-id-marker=x",
            "key-marker=a&version-id-marker=",
            "max-keys=-1",
            "encoding-type=base64",
        ] {
            assert_eq!(parse(query).unwrap_err(), Code::InvalidArgument, "{query}");
        }
    }
}
