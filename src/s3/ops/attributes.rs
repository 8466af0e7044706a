//! GetObjectAttributes and GetObjectTagging: what stands beside an object, as XML.

use http::HeaderMap;

use crate::domain::digest::ChecksumAlgorithm;
use crate::domain::file::{FilePart, FileRecord};
use crate::domain::upload::MAX_PARTS;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::s3::ops::describe::{checksum_element, set_last_modified, write_checksum};
use crate::s3::ops::versions::{find_object, set_version};
use crate::wire::xml::XmlWriter;

/// The most parts of one answer, whatever a client asks for.
const MAX_PAGE: u32 = 1000;

const ATTRIBUTES: &str = "x-amz-object-attributes";
const PART_MARKER: &str = "x-amz-part-number-marker";
const PAGE_SIZE: &str = "x-amz-max-parts";

/// GetObjectAttributes: what HeadObject knows of an object, and its parts, as XML; only what is
/// asked for.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
pub async fn get_object_attributes(request: Request, context: &Context) -> Result<Reply, Fault> {
    let asked = Asked::parse(request.headers())?;
    let file = find_object(&request, context).await?;
    let mut reply = Reply::xml(asked.document(&file));
    set_last_modified(&mut reply.headers, file.created_at)?;
    set_version(&mut reply, request.package(), &file)?;
    Ok(reply)
}

/// GetObjectTagging: no tags, which is the truth, since none can be set. `aws s3 cp` asks before it
/// copies an object of several parts.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html>
pub async fn get_object_tagging(request: Request, context: &Context) -> Result<Reply, Fault> {
    let file = find_object(&request, context).await?;
    let mut xml = XmlWriter::s3("Tagging");
    xml.nest("TagSet", |_| {});
    let mut reply = Reply::xml(xml.finish());
    set_version(&mut reply, request.package(), &file)?;
    Ok(reply)
}

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    etag: bool,
    checksum: bool,
    parts: bool,
    storage_class: bool,
    size: bool,
    after_part: u32,
    page_size: u32,
}

impl Asked {
    fn parse(headers: &HeaderMap) -> Result<Self, Fault> {
        let mut asked = Self {
            after_part: number(headers, PART_MARKER)?.unwrap_or(0).min(MAX_PARTS),
            page_size: number(headers, PAGE_SIZE)?
                .unwrap_or(MAX_PAGE)
                .min(MAX_PAGE),
            ..Self::default()
        };
        let values = headers.get_all(ATTRIBUTES).iter();
        let texts = values.map(|value| value.to_str().unwrap_or("?"));
        let mut has_any = false;
        for name in texts.flat_map(|text| text.split(',')).map(str::trim) {
            let place = match name {
                "" => continue,
                "ETag" => &mut asked.etag,
                "Checksum" => &mut asked.checksum,
                "ObjectParts" => &mut asked.parts,
                "StorageClass" => &mut asked.storage_class,
                "ObjectSize" => &mut asked.size,
                _ => {
                    return Err(Fault::argument(
                        ATTRIBUTES,
                        name,
                        "Invalid attribute name specified.",
                    ));
                }
            };
            *place = true;
            has_any = true;
        }
        if has_any {
            Ok(asked)
        } else {
            Err(Fault::new(Code::InvalidRequest).message(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is \
                 either missing or empty",
            ))
        }
    }

    fn document(&self, file: &FileRecord) -> String {
        let attributes = &file.attributes;
        let checksum = attributes.checksum.as_ref();
        let mut xml = XmlWriter::s3("GetObjectAttributesResponse");
        if self.etag {
            // Here, unlike everywhere else, without quotes.
            xml.text("ETag", &file.etag);
        }
        if self.checksum && checksum.is_some() {
            xml.nest("Checksum", |xml| write_checksum(xml, checksum));
        }
        if self.parts && !attributes.parts.is_empty() {
            let algorithm = checksum.map(|checksum| checksum.algorithm);
            self.write_parts(&mut xml, &attributes.parts, algorithm);
        }
        if self.storage_class {
            xml.text("StorageClass", "STANDARD");
        }
        if self.size {
            xml.value("ObjectSize", file.size_bytes);
        }
        xml.finish()
    }

    fn write_parts(
        &self,
        xml: &mut XmlWriter,
        parts: &[FilePart],
        algorithm: Option<ChecksumAlgorithm>,
    ) {
        let mut rest = parts.iter().filter(|part| part.number > self.after_part);
        let page: Vec<_> = rest.by_ref().take(self.page_size as usize).collect();
        let is_truncated = rest.next().is_some();
        xml.nest("ObjectParts", |xml| {
            xml.value("PartsCount", parts.len())
                .value("PartNumberMarker", self.after_part)
                .value(
                    "NextPartNumberMarker",
                    page.last().map_or(0, |part| part.number),
                )
                .value("MaxParts", self.page_size)
                .value("IsTruncated", is_truncated);
            for part in page {
                xml.nest("Part", |xml| {
                    xml.value("PartNumber", part.number)
                        .value("Size", part.size_bytes);
                    if let (Some(algorithm), Some(value)) = (algorithm, &part.checksum) {
                        xml.text(checksum_element(algorithm), value);
                    }
                });
            }
        });
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u32>, Fault> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    match text.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(Some(number as u32)),
        Ok(_) | Err(_) => Err(Fault::argument(
            name,
            text,
            format!("{name} must be an integer between 0 and 2147483647."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(list: &[(&'static str, &str)]) -> Result<Asked, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Asked::parse(&headers).map_err(|fault| fault.code())
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(parse(&[]), Err(Code::InvalidRequest));
        assert_eq!(parse(&[(ATTRIBUTES, " , ")]), Err(Code::InvalidRequest));
        assert_eq!(
            parse(&[(ATTRIBUTES, "ETag,Colour")]),
            Err(Code::InvalidArgument)
        );
        for name in [PART_MARKER, PAGE_SIZE] {
            for wrong in ["-1", "a", ""] {
                let list = [(ATTRIBUTES, "ETag"), (name, wrong)];
                assert_eq!(parse(&list), Err(Code::InvalidArgument), "{name} {wrong}");
            }
        }
    }

    #[test]
    fn attributes_come_in_one_header_or_several() {
        let asked = parse(&[(ATTRIBUTES, "ETag, ObjectSize"), (ATTRIBUTES, "Checksum")]).unwrap();
        assert!(asked.etag && asked.size && asked.checksum);
        assert!(!asked.parts && !asked.storage_class);
        assert_eq!((asked.after_part, asked.page_size), (0, 1000));
    }

    #[test]
    fn parts_come_in_pages() {
        let parts: Vec<FilePart> = [1, 3, 5]
            .into_iter()
            .map(|number| FilePart {
                number,
                size_bytes: 10,
                address: crate::domain::digest::ContentAddress([0; 32]),
                backend_id: "local".to_owned(),
                object_key: String::new(),
                checksum: Some("c".to_owned()),
            })
            .collect();
        let mut xml = XmlWriter::plain("R");
        let asked = Asked {
            after_part: 1,
            page_size: 1,
            ..Asked::default()
        };
        asked.write_parts(&mut xml, &parts, Some(ChecksumAlgorithm::Sha1));
        let expected = "<ObjectParts><PartsCount>3</PartsCount>\
            <PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker>\
            <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>\
            <Part><PartNumber>3</PartNumber><Size>10</Size><ChecksumSHA1>c</ChecksumSHA1></Part>\
            </ObjectParts>";
        assert!(xml.finish().contains(expected));
    }
}
