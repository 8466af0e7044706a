//! How several operations speak of an object: its entity tag, its checksum, its time, its owner.
//!
//! Decides nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::domain::digest::{Checksum, ChecksumAlgorithm};
use crate::domain::file::{ChecksumKind, StoredChecksum};
use crate::domain::ids::Timestamp;
use crate::exchange::fault::Fault;
use crate::exchange::request::Request;
use crate::wire::checksum::{format_value, header_name};
use crate::wire::xml::XmlWriter;

/// `x-amz-checksum-type`.
pub static CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// An entity tag with its quotes. Clients compare them byte for byte, so they are always there.
pub fn quoted(etag: &str) -> String {
    let mut text = String::with_capacity(etag.len() + 2);
    text.push('"');
    text.push_str(etag);
    text.push('"');
    text
}

/// Sets `ETag`, quoted.
pub fn set_etag(headers: &mut HeaderMap, etag: &str) -> Result<(), Fault> {
    headers.insert(header::ETAG, value_of(quoted(etag))?);
    Ok(())
}

/// Sets `Last-Modified`.
pub fn set_last_modified(headers: &mut HeaderMap, at: Timestamp) -> Result<(), Fault> {
    headers.insert(header::LAST_MODIFIED, last_modified(at)?);
    Ok(())
}

/// The value of `Last-Modified`.
pub fn last_modified(at: Timestamp) -> Result<HeaderValue, Fault> {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    let at: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    value_of(httpdate::fmt_http_date(at))
}

/// Sets the header of a stored checksum, and what it covers.
pub fn set_checksum(headers: &mut HeaderMap, checksum: &StoredChecksum) -> Result<(), Fault> {
    let value = HeaderValue::from_str(&checksum.value).map_err(Fault::internal)?;
    headers.insert(header_name(checksum.algorithm), value);
    headers.insert(
        CHECKSUM_TYPE.clone(),
        HeaderValue::from_static(checksum.kind.name()),
    );
    Ok(())
}

/// A text of our own making as a header's value.
pub fn value_of(text: String) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(text).map_err(Fault::internal)
}

/// The XML element that carries a checksum: `ChecksumCRC32`.
pub fn checksum_element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
        ChecksumAlgorithm::Sha512 => "ChecksumSHA512",
        ChecksumAlgorithm::Md5 => "ChecksumMD5",
        ChecksumAlgorithm::XxHash64 => "ChecksumXXHASH64",
        ChecksumAlgorithm::XxHash3 => "ChecksumXXHASH3",
        ChecksumAlgorithm::XxHash128 => "ChecksumXXHASH128",
    }
}

/// Writes the elements of an object's checksum, if it has one.
pub fn write_checksum(xml: &mut XmlWriter, checksum: Option<&StoredChecksum>) {
    if let Some(checksum) = checksum {
        xml.text(checksum_element(checksum.algorithm), &checksum.value);
        xml.text("ChecksumType", checksum.kind.name());
    }
}

/// Writes the element of a part's checksum, if it has one.
pub fn write_part_checksum(xml: &mut XmlWriter, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        xml.text(
            checksum_element(checksum.algorithm),
            &format_value(checksum, None),
        );
    }
}

/// Writes what checksums of an upload will be: algorithm and type.
pub fn write_upload_checksum(
    xml: &mut XmlWriter,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
) {
    if let Some((algorithm, kind)) = checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
        xml.text("ChecksumType", kind.name());
    }
}

/// Writes an `Owner` or `Initiator`. Of other users only the id is known here, which then also
/// stands for the name: clients want both elements.
pub fn write_user(xml: &mut XmlWriter, element: &str, id: &str, request: &Request) {
    let name = if id == request.actor() {
        request.display_name()
    } else {
        id
    };
    xml.nest(element, |xml| {
        xml.text("ID", id).text("DisplayName", name);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_tag_is_quoted_and_a_time_is_an_http_date() {
        let mut headers = HeaderMap::new();
        set_etag(&mut headers, "d41d8cd98f00b204e9800998ecf8427e-2").unwrap();
        set_last_modified(&mut headers, Timestamp(784_111_777_999_999)).unwrap();
        assert_eq!(
            headers[header::ETAG],
            "\"d41d8cd98f00b204e9800998ecf8427e-2\""
        );
        assert_eq!(
            headers[header::LAST_MODIFIED],
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
    }

    #[test]
    fn a_checksum_says_what_it_covers() {
        let checksum = StoredChecksum {
            algorithm: ChecksumAlgorithm::Crc64Nvme,
            kind: ChecksumKind::FullObject,
            value: "AAAAAAAAAAA=".to_owned(),
        };
        let mut headers = HeaderMap::new();
        set_checksum(&mut headers, &checksum).unwrap();
        assert_eq!(headers["x-amz-checksum-crc64nvme"], "AAAAAAAAAAA=");
        assert_eq!(headers["x-amz-checksum-type"], "FULL_OBJECT");
        let mut xml = XmlWriter::plain("R");
        write_checksum(&mut xml, Some(&checksum));
        assert!(xml.finish().ends_with(
            "<R><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>\
             <ChecksumType>FULL_OBJECT</ChecksumType></R>"
        ));
    }
}
