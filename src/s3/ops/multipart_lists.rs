//! ListParts and ListMultipartUploads.

use crate::domain::ids::UploadId;
use crate::domain::upload::{MAX_PARTS, UploadRecord};
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::uploads::{ListUploads, UploadEntry, UploadPage};
use crate::s3::ops::describe::{quoted, write_part_checksum, write_upload_checksum, write_user};
use crate::s3::ops::multipart::find_upload;
use crate::s3::ops::page::{MAX_PAGE_NUMBER, given, page_size};
use crate::wire::uri::{Query, Slash, percent_encode};
use crate::wire::xml::XmlWriter;

/// The most entries of one page, whatever a client asks for.
const MAX_PAGE: usize = 1000;

/// ListParts: the parts that have arrived, by number. Complete: a part whose upload was answered
/// is in it.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>
pub async fn list_parts(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = page_size(&request.query, "max-parts", 0..=MAX_PAGE_NUMBER, MAX_PAGE)?;
    let after = part_marker(&request.query)?;
    let upload = find_upload(&request, context).await?;
    let (parts, is_truncated) = match limit {
        0 => (Vec::new(), false),
        _ => context.registry.list_parts(&upload, after, limit).await?,
    };
    let mut xml = XmlWriter::s3("ListPartsResult");
    xml.text("Bucket", request.bucket().as_str())
        .text("Key", request.key().as_str())
        .value("UploadId", upload.id);
    write_user(&mut xml, "Initiator", &upload.initiated_by, &request);
    write_user(&mut xml, "Owner", &request.package().owner, &request);
    xml.text("StorageClass", "STANDARD")
        .value("PartNumberMarker", after)
        .value(
            "NextPartNumberMarker",
            parts.last().map_or(0, |part| part.number),
        )
        .value("MaxParts", limit)
        .value("IsTruncated", is_truncated);
    write_upload_checksum(&mut xml, upload.checksum);
    for part in &parts {
        xml.nest("Part", |xml| {
            xml.value("PartNumber", part.number)
                .text("LastModified", &part.created_at.to_s3())
                .text("ETag", &quoted(&hex::encode(part.md5)))
                .value("Size", part.size_bytes);
            write_part_checksum(xml, part.checksum.as_ref());
        });
    }
    Ok(Reply::xml(xml.finish()))
}

/// `part-number-marker`; one beyond the last part number is before nothing.
fn part_marker(query: &Query) -> Result<u32, Fault> {
    const NAME: &str = "part-number-marker";
    match given(query, NAME) {
        None => Ok(0),
        Some(_) => page_size(query, NAME, 0..=MAX_PAGE_NUMBER, MAX_PARTS as usize)
            .map(|number| number as u32),
    }
}

/// ListMultipartUploads: the open uploads of a bucket, by key, then by time. An upload is in it
/// from the answer that opened it to the one that completed or aborted it.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
pub async fn list_multipart_uploads(request: Request, context: &Context) -> Result<Reply, Fault> {
    let listing = UploadListing::parse(&request.query)?;
    let page = match listing.query.limit {
        0 => UploadPage::default(),
        _ => {
            context
                .registry
                .list_uploads(request.package().id, &listing.query)
                .await?
        }
    };
    Ok(Reply::xml(listing.document(&page, &request)))
}

/// A listing as it was asked for.
#[derive(Debug)]
struct UploadListing {
    query: ListUploads,
    is_encoded: bool,
}

impl UploadListing {
    fn parse(query: &Query) -> Result<Self, Fault> {
        let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let is_encoded = match query.get("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(other) => {
                return Err(Fault::argument(
                    "encoding-type",
                    other,
                    "Invalid Encoding Method specified in Request",
                ));
            }
        };
        let after_key = Some(text("key-marker")).filter(|key| !key.is_empty());
        // Without a key the upload's marker has no meaning, and AWS ignores it.
        let marker = Some(text("upload-id-marker"))
            .filter(|marker| !marker.is_empty() && after_key.is_some());
        let after_upload: Option<UploadId> = match marker {
            None => None,
            Some(marker) => Some(marker.parse().map_err(|_| {
                Fault::argument("upload-id-marker", &marker, "Invalid uploadId marker")
            })?),
        };
        Ok(Self {
            query: ListUploads {
                prefix: text("prefix"),
                delimiter: text("delimiter"),
                after_key,
                after_upload,
                limit: page_size(query, "max-uploads", 0..=MAX_PAGE_NUMBER, MAX_PAGE)?,
            },
            is_encoded,
        })
    }

    fn document(&self, page: &UploadPage, request: &Request) -> String {
        let query = &self.query;
        let mut xml = XmlWriter::s3("ListMultipartUploadsResult");
        let after_upload = query.after_upload.map(|id| id.to_string());
        xml.text("Bucket", request.bucket().as_str());
        self.write_key(
            &mut xml,
            "KeyMarker",
            query.after_key.as_deref().unwrap_or(""),
        );
        xml.text("UploadIdMarker", after_upload.as_deref().unwrap_or(""));
        if page.is_truncated {
            let (key, id) = match page.entries.last() {
                Some(UploadEntry::Upload(last)) => (last.key.as_str(), last.id.to_string()),
                Some(UploadEntry::Prefix(prefix)) => (prefix.as_str(), String::new()),
                None => ("", String::new()),
            };
            self.write_key(&mut xml, "NextKeyMarker", key);
            xml.text("NextUploadIdMarker", &id);
        }
        self.write_key(&mut xml, "Prefix", &query.prefix);
        if !query.delimiter.is_empty() {
            self.write_key(&mut xml, "Delimiter", &query.delimiter);
        }
        if self.is_encoded {
            xml.text("EncodingType", "url");
        }
        xml.value("MaxUploads", query.limit)
            .value("IsTruncated", page.is_truncated);
        for entry in &page.entries {
            if let UploadEntry::Upload(upload) = entry {
                self.write_upload(&mut xml, upload, request);
            }
        }
        for entry in &page.entries {
            if let UploadEntry::Prefix(prefix) = entry {
                xml.nest("CommonPrefixes", |xml| {
                    self.write_key(xml, "Prefix", prefix);
                });
            }
        }
        xml.finish()
    }

    fn write_upload(&self, xml: &mut XmlWriter, upload: &UploadRecord, request: &Request) {
        xml.nest("Upload", |xml| {
            self.write_key(xml, "Key", upload.key.as_str());
            xml.value("UploadId", upload.id);
            write_user(xml, "Initiator", &upload.initiated_by, request);
            write_user(xml, "Owner", &request.package().owner, request);
            xml.text("StorageClass", "STANDARD")
                .text("Initiated", &upload.initiated_at.to_s3());
            write_upload_checksum(xml, upload.checksum);
        });
    }

    fn write_key(&self, xml: &mut XmlWriter, element: &str, key: &str) {
        if self.is_encoded {
            xml.text(element, &percent_encode(key.as_bytes(), Slash::Keep));
        } else {
            xml.text(element, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::fault::Code;

    use super::*;

    fn listing(query: &str) -> Result<UploadListing, Code> {
        UploadListing::parse(&Query::parse(query).unwrap()).map_err(|fault| fault.code())
    }

    #[test]
    fn a_garbled_page_is_refused() {
        for query in [
            "max-uploads=-1",
            "max-uploads=a",
            "max-uploads=99999999999",
            "encoding-type=xml",
            "key-marker=a&upload-id-marker=x",
        ] {
            assert_eq!(listing(query).err(), Some(Code::InvalidArgument), "{query}");
        }
        let marker = |query| part_marker(&Query::parse(query).unwrap()).map_err(|f| f.code());
        assert_eq!(marker("part-number-marker=-1"), Err(Code::InvalidArgument));
        assert_eq!(marker("part-number-marker=a"), Err(Code::InvalidArgument));
        assert_eq!(marker("part-number-marker=20000"), Ok(10_000));
        assert_eq!(marker(""), Ok(0));
    }

    #[test]
    fn a_page_has_at_most_a_thousand_entries() {
        assert_eq!(
            listing("uploads&max-uploads=5000").unwrap().query.limit,
            1000
        );
        assert_eq!(listing("").unwrap().query.limit, 1000);
        assert_eq!(listing("max-uploads=0").unwrap().query.limit, 0);
    }

    #[test]
    fn an_upload_marker_counts_only_with_a_key() {
        let id = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
        let without = listing(&format!("upload-id-marker={id}")).unwrap();
        assert_eq!(without.query.after_upload, None);
        let with = listing(&format!("key-marker=a&upload-id-marker={id}")).unwrap();
        assert_eq!(with.query.after_upload.unwrap().to_string(), id);
        assert_eq!(with.query.after_key.as_deref(), Some("a"));
    }
}
