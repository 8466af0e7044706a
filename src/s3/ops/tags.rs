//! Tags of buckets: read, set and remove them. Beside plain tags stand those that say what the
//! package shall be (`holdfast:…`), which creation and a change take and no answer shows.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::description::{
    Change, InvalidDescription, RESERVED_TAG_PREFIX, Tags, check_tag, check_tags,
};
use crate::domain::package::PackageRecord;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::describe::UpdatePackage;
use crate::wire::xml::{XmlWriter, parse};

// ---------------------------------------------------------------- what tags and headers say

/// What may be said of a package, by the last part of the header's or the tag's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parameter {
    /// The package's name.
    Name,
    /// Who makes the content.
    Producer,
    /// What it is about.
    Subject,
    /// The retention class.
    RetentionClass,
    /// A JSON object.
    Metadata,
    /// `slug` or `slug@version`.
    MetadataSchema,
    /// How writes behave.
    WriteMode,
}

impl Parameter {
    /// Every parameter.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Producer,
        Self::Subject,
        Self::RetentionClass,
        Self::Metadata,
        Self::MetadataSchema,
        Self::WriteMode,
    ];

    /// The last part of the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Producer => "producer",
            Self::Subject => "subject",
            Self::RetentionClass => "retention-class",
            Self::Metadata => "metadata",
            Self::MetadataSchema => "metadata-schema",
            Self::WriteMode => "write-mode",
        }
    }
}

/// What is said of a package.
pub type Parameters = BTreeMap<Parameter, String>;

/// `<Tag>`.
#[derive(Debug, Deserialize)]
pub struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value")]
    value: String,
}

/// A list of tags, divided.
#[derive(Debug, Default)]
pub struct TagList {
    /// What the reserved tags say.
    pub parameters: Parameters,
    /// The plain tags.
    pub tags: Tags,
}

impl TagList {
    /// Divides a list, within the limits of S3.
    pub fn read(list: Vec<Tag>) -> Result<Self, Fault> {
        let mut read = Self::default();
        for Tag { key, value } in list {
            let known = if let Some(name) = key.strip_prefix(RESERVED_TAG_PREFIX) {
                let mut all = Parameter::ALL.into_iter();
                let parameter = all.find(|known| known.name() == name);
                let parameter =
                    parameter.ok_or_else(|| invalid(&key, "There is no such holdfast: tag."))?;
                read.parameters.insert(parameter, value)
            } else {
                check_tag(&key, &value)?;
                read.tags.insert(key.clone(), value)
            };
            if known.is_some() {
                let message = "Cannot provide multiple Tags with the same key";
                return Err(invalid(&key, message));
            }
        }
        check_tags(&read.tags)?;
        Ok(read)
    }
}

fn invalid(key: &str, reason: &str) -> Fault {
    let (key, reason) = (key.to_owned(), reason.to_owned());
    InvalidDescription::Tag { key, reason }.into()
}

/// Metadata as a header or a tag gives it.
pub fn read_metadata(text: &str) -> Result<serde_json::Value, Fault> {
    match serde_json::from_str(text) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(value),
        _ => Err(Fault::argument(
            Parameter::Metadata.name(),
            text,
            "metadata: must be a JSON object.",
        )),
    }
}

// ---------------------------------------------------------------- GetBucketTagging

/// The plain tags of a bucket; 404 `NoSuchTagSet` when there are none.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn get_bucket_tagging(request: Request, context: &Context) -> Result<Reply, Fault> {
    let _ = context;
    let package = request.package();
    if package.tags.is_empty() {
        let bucket = package.bucket.as_str();
        return Err(Fault::new(Code::NoSuchTagSet).detail("BucketName", bucket));
    }
    let mut xml = XmlWriter::s3("Tagging");
    xml.nest("TagSet", |xml| {
        for (key, value) in &package.tags {
            xml.nest("Tag", |xml| {
                xml.text("Key", key).text("Value", value);
            });
        }
    });
    Ok(Reply::xml(xml.finish()))
}

// ---------------------------------------------------------------- PutBucketTagging

/// Sets all tags of a bucket. `holdfast:metadata` and `holdfast:metadata-schema` change those of the
/// package; the other reserved tags are taken only if they say what the package is already, so that
/// the list that made the bucket can be given again. 403 `AccessDenied` when it is finalized.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html>
pub async fn put_bucket_tagging(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let command = PutBucketTagging::parse(&body)?.command(request.package(), request.actor())?;
    let id = request.package().id;
    context.registry.update_package(id, command).await?;
    Ok(Reply::no_content())
}

#[derive(Debug)]
struct PutBucketTagging(TagList);

impl PutBucketTagging {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        let document: Tagging = parse(body, "Tagging")?;
        TagList::read(document.set.tags).map(Self)
    }

    fn command(self, package: &PackageRecord, actor: &str) -> Result<UpdatePackage, Fault> {
        let TagList { parameters, tags } = self.0;
        let mut command = UpdatePackage {
            tags: Some(Change::Replace(serde_json::json!(tags))),
            actor: actor.to_owned(),
            ..UpdatePackage::default()
        };
        let said = parameters.into_iter().filter(|(_, text)| !text.is_empty());
        for (parameter, text) in said {
            let fixed = match parameter {
                Parameter::Metadata => {
                    command.metadata = Some(Change::Replace(read_metadata(&text)?));
                    continue;
                }
                Parameter::MetadataSchema => {
                    command.metadata_schema = Some(text);
                    continue;
                }
                Parameter::Name => &package.name,
                Parameter::Producer => &package.producer,
                Parameter::Subject => &package.subject,
                Parameter::RetentionClass => &package.retention_class,
                Parameter::WriteMode => package.write_mode.as_str(),
            };
            if text != *fixed {
                let key = format!("{RESERVED_TAG_PREFIX}{}", parameter.name());
                let reason = format!("{key} is settled when the bucket is created.");
                return Err(invalid(&key, &reason));
            }
        }
        Ok(command)
    }
}

/// `<Tagging>`.
#[derive(Debug, Deserialize)]
struct Tagging {
    #[serde(rename = "TagSet")]
    set: TagSet,
}

/// `<TagSet>`.
#[derive(Debug, Deserialize)]
struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

// ---------------------------------------------------------------- DeleteBucketTagging

/// Removes all plain tags of a bucket; 204 when there are none, too.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html>
pub async fn delete_bucket_tagging(request: Request, context: &Context) -> Result<Reply, Fault> {
    let command = UpdatePackage {
        tags: Some(Change::Replace(serde_json::json!({}))),
        actor: request.actor().to_owned(),
        ..UpdatePackage::default()
    };
    let id = request.package().id;
    context.registry.update_package(id, command).await?;
    Ok(Reply::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::description::MAX_TAGS;

    fn list(tags: &[(&str, &str)]) -> Result<TagList, Code> {
        let tag = |(key, value): &(&str, &str)| {
            format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
        };
        let tags: String = tags.iter().map(tag).collect();
        let body = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        let read = PutBucketTagging::parse(body.as_bytes());
        read.map(|put| put.0).map_err(|fault| fault.code())
    }

    #[test]
    fn a_list_beyond_the_limits_is_refused() {
        let many: Vec<_> = (0..=MAX_TAGS).map(|n| format!("k{n}")).collect();
        let many: Vec<_> = many.iter().map(|key| (key.as_str(), "")).collect();
        let wrong: [&[(&str, &str)]; 7] = [
            &[("a!", "1")],
            &[("", "1")],
            &[("aws:a", "1")],
            &[("a", "1"), ("a", "1")],
            &[("holdfast:colour", "red")],
            &[("holdfast:name", "a"), ("holdfast:name", "a")],
            &many,
        ];
        for tags in wrong {
            assert_eq!(list(tags).err(), Some(Code::InvalidTag), "{tags:?}");
        }
        assert_eq!(list(&many[1..]).unwrap().tags.len(), MAX_TAGS);
        assert!(list(&[]).unwrap().tags.is_empty());
        for body in [
            "",
            "<Tags/>",
            "<Tagging/>",
            "<Tagging><TagSet><Tag/></TagSet></Tagging>",
        ] {
            let fault = PutBucketTagging::parse(body.as_bytes()).unwrap_err();
            assert_eq!(fault.code(), Code::MalformedXML, "{body}");
        }
    }

    #[test]
    fn reserved_tags_stand_apart() {
        let read = list(&[("holdfast:metadata", "{}"), ("team", "core"), ("é", "")]).unwrap();
        assert_eq!(read.parameters[&Parameter::Metadata], "{}");
        assert_eq!(read.tags.keys().collect::<Vec<_>>(), ["team", "é"]);
        assert!(read_metadata("{\"a\":1}").is_ok());
        for wrong in ["", "[]", "1", "{"] {
            let fault = read_metadata(wrong).unwrap_err();
            assert_eq!(fault.code(), Code::InvalidArgument, "{wrong}");
        }
    }
}
