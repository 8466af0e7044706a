//! DeleteObject and DeleteObjects.

use serde::Deserialize;

use crate::domain::name::{InvalidName, ObjectKey};
use crate::domain::verb::Verb;
use crate::domain::version::version_id as shown;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::removal::{RemoveFile, RemoveFiles, Removed};
use crate::s3::ops::page::header_not_implemented;
use crate::s3::ops::versions::{VERSION_ID, named, parse_version, set_marker};
use crate::wire::xml::{XmlWriter, parse};

/// The most keys of one DeleteObjects.
pub const MAX_DELETED_KEYS: usize = 1000;

/// Conditions of a removal. They are not built, and ignoring one would remove what must stay.
const CONDITIONS: [&str; 3] = [
    "if-match",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
];

/// Removes the object of a key; an absent key is a success too. Where the bucket keeps versions, a
/// delete marker takes its place; `versionId` removes one version for good. 403 AccessDenied when the
/// package is finalized or write-once, or the version is locked.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
pub async fn delete_object(request: Request, context: &Context) -> Result<Reply, Fault> {
    if let Some(name) = CONDITIONS
        .into_iter()
        .find(|name| request.headers().contains_key(*name))
    {
        return Err(header_not_implemented(name));
    }
    let version = named(&request.query)?;
    let command = RemoveFile {
        key: request.key().clone(),
        version,
    };
    let outcomes = context
        .registry
        .remove_files(RemoveFiles {
            package_id: request.package().id,
            commands: vec![command],
            bypasses: request.bypasses_governance()?,
            actor: request.actor().to_owned(),
        })
        .await?;
    let mut reply = Reply::no_content();
    if let Some(id) = request.query.get("versionId") {
        reply.set_text(VERSION_ID, id)?;
    }
    for outcome in outcomes {
        if let Some(marker) = outcome?.marker {
            set_marker(&mut reply, marker)?;
        }
    }
    Ok(reply)
}

/// Removes up to 1,000 keys. The answer is 200 and names the outcome of each: removed, which an
/// absent key is too, or why not. `Quiet` leaves out the removed ones.
///
/// A `VersionId` removes that version for good; one that is not there is a success too.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
pub async fn delete_objects(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let mut asked = DeleteObjects::parse(&body)?;
    for object in &mut asked.objects {
        if let Ok(command) = &object.command
            && let Err(fault) = request.authorize_key(Verb::Delete, request.package(), &command.key)
        {
            object.command = Err(fault);
        }
    }
    let commands: Vec<_> = asked
        .objects
        .iter()
        .filter_map(|object| object.command.as_ref().ok().cloned())
        .collect();
    let package_id = request.package().id;
    let outcomes = context
        .registry
        .remove_files(RemoveFiles {
            package_id,
            commands,
            bypasses: request.bypasses_governance()?,
            actor: request.actor().to_owned(),
        })
        .await?;
    let mut outcomes = outcomes.into_iter();
    let results = asked.objects.into_iter().map(|object| {
        let result = match object.command {
            Ok(_) => match outcomes.next() {
                Some(outcome) => outcome.map_err(Fault::from),
                None => Err(Fault::internal("a removal without an outcome")),
            },
            Err(fault) => Err(fault),
        };
        (object.named, result)
    });
    Ok(Reply::xml(render(results, asked.is_quiet)))
}

/// A request to remove keys, each judged by itself.
#[derive(Debug)]
struct DeleteObjects {
    objects: Vec<Asked>,
    is_quiet: bool,
}

/// One object to remove: how the client names it, and the command, or why there is none.
#[derive(Debug)]
struct Asked {
    named: ObjectIdentifier,
    command: Result<RemoveFile, Fault>,
}

impl DeleteObjects {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Err(Fault::new(Code::MissingRequestBodyError));
        }
        let document: Delete = parse(body, "Delete")?;
        if document.objects.is_empty() || document.objects.len() > MAX_DELETED_KEYS {
            return Err(Fault::new(Code::MalformedXML));
        }
        let objects = document.objects.into_iter().map(|named| {
            let command = named.command();
            Asked { named, command }
        });
        Ok(Self {
            objects: objects.collect(),
            is_quiet: document.is_quiet,
        })
    }
}

/// `<Delete>`.
#[derive(Debug, Deserialize)]
struct Delete {
    #[serde(rename = "Object", default)]
    objects: Vec<ObjectIdentifier>,
    #[serde(rename = "Quiet", default)]
    is_quiet: bool,
}

/// `<Object>`.
#[derive(Debug, Deserialize)]
struct ObjectIdentifier {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "VersionId")]
    version_id: Option<String>,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    #[serde(rename = "LastModifiedTime")]
    last_modified_time: Option<String>,
    #[serde(rename = "Size")]
    size: Option<String>,
}

impl ObjectIdentifier {
    fn command(&self) -> Result<RemoveFile, Fault> {
        let key = ObjectKey::parse(&self.key).map_err(|error| match error {
            InvalidName::LongKey => Fault::new(Code::KeyTooLongError),
            InvalidName::EmptyKey | InvalidName::KeyNotUtf8 | InvalidName::Bucket => {
                Fault::new(Code::InvalidArgument).message("An object key must not be empty.")
            }
        })?;
        if key.is_reserved() {
            return Err(Fault::new(Code::InvalidRequest)
                .message("Keys under .holdfast/ are reserved and cannot be removed."));
        }
        let conditions = [&self.etag, &self.last_modified_time, &self.size];
        if conditions.into_iter().any(Option::is_some) {
            return Err(Fault::new(Code::NotImplemented)
                .message("Conditions of a removal are not implemented."));
        }
        let version = self.version_id.as_deref().filter(|text| !text.is_empty());
        let version = version.map(|text| parse_version("VersionId", text));
        Ok(RemoveFile {
            key,
            version: version.transpose()?,
        })
    }
}

fn render(
    results: impl Iterator<Item = (ObjectIdentifier, Result<Removed, Fault>)>,
    is_quiet: bool,
) -> String {
    let mut xml = XmlWriter::s3("DeleteResult");
    for (named, result) in results {
        let version_id = named.version_id.as_deref().filter(|id| !id.is_empty());
        match result {
            Ok(_) if is_quiet => {}
            Ok(removed) => {
                xml.nest("Deleted", |xml| {
                    xml.text("Key", &named.key)
                        .optional("VersionId", version_id);
                    if let Some(marker) = removed.marker {
                        let id = shown(marker.id, marker.is_versioned);
                        xml.value("DeleteMarker", true)
                            .text("DeleteMarkerVersionId", &id);
                    }
                });
            }
            Err(fault) => {
                xml.nest("Error", |xml| {
                    xml.text("Key", &named.key)
                        .optional("VersionId", version_id);
                    xml.text("Code", fault.code().name());
                    xml.text("Message", fault.public_message());
                });
            }
        }
    }
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::version::VersionRef;

    fn refused(body: &str) -> Code {
        DeleteObjects::parse(body.as_bytes()).unwrap_err().code()
    }

    fn parsed(body: &str) -> Vec<Asked> {
        DeleteObjects::parse(body.as_bytes()).unwrap().objects
    }

    fn object(key: &str) -> String {
        format!("<Object><Key>{key}</Key></Object>")
    }

    #[test]
    fn a_document_that_is_no_list_of_keys_is_refused() {
        assert_eq!(refused(""), Code::MissingRequestBodyError);
        let wrong = [
            "<Delete/>".to_owned(),
            "<Delete><Quiet>true</Quiet></Delete>".to_owned(),
            "<Delete><Object/></Delete>".to_owned(),
            "<Remove><Object><Key>a</Key></Object></Remove>".to_owned(),
            "<Delete><Object><Key>a</Key></Object>".to_owned(),
            format!(
                "<Delete>{}</Delete>",
                object("a").repeat(MAX_DELETED_KEYS + 1)
            ),
        ];
        for body in wrong {
            assert_eq!(refused(&body), Code::MalformedXML, "{body:.80}");
        }
        let most = format!("<Delete>{}</Delete>", object("a").repeat(MAX_DELETED_KEYS));
        assert_eq!(parsed(&most).len(), MAX_DELETED_KEYS);
    }

    #[test]
    fn each_key_is_judged_by_itself() {
        let long = "k".repeat(1025);
        let body = format!(
            "<Delete>{}{}{}{}{}{}</Delete>",
            object("good"),
            object(""),
            object(&long),
            object(".holdfast/finalize"),
            "<Object><Key>a</Key><VersionId>7</VersionId></Object>",
            "<Object><Key>a</Key><ETag>x</ETag></Object>",
        );
        let codes: Vec<_> = parsed(&body)
            .into_iter()
            .map(|asked| asked.command.map_err(|fault| fault.code()).err())
            .collect();
        let expected = [
            None,
            Some(Code::InvalidArgument),
            Some(Code::KeyTooLongError),
            Some(Code::InvalidRequest),
            Some(Code::InvalidArgument),
            Some(Code::NotImplemented),
        ];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_key_is_read_byte_for_byte() {
        let cases = [
            ("a b", "a b"),
            (" a ", " a "),
            ("a&amp;b&lt;c&gt;", "a&b<c>"),
            ("&#13;&#xA;&#x1;", "\r\n\u{1}"),
            ("a\nb", "a\nb"),
            (" ", " "),
            ("+%2B%", "+%2B%"),
            ("é\u{1f600}", "é\u{1f600}"),
            ("<![CDATA[a<b]]>", "a<b"),
        ];
        for (xml, key) in cases {
            let body = format!("<Delete>{}</Delete>", object(xml));
            let asked = parsed(&body).remove(0);
            assert_eq!(asked.command.unwrap().key.as_str(), key, "{xml:?}");
        }
    }

    #[test]
    fn a_version_id_means_one_file() {
        let id = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
        let only = |version: &str| {
            let body = format!("<Delete><Object><Key>a</Key>{version}</Object></Delete>");
            parsed(&body).remove(0).command.unwrap().version
        };
        assert_eq!(only(""), None);
        assert_eq!(only("<VersionId/>"), None);
        let null = only("<VersionId>null</VersionId>");
        assert_eq!(null, Some(VersionRef::Null));
        let named = only(&format!("<VersionId>{id}</VersionId>"));
        assert_eq!(named, Some(VersionRef::Id(id.parse().unwrap())));
    }

    #[test]
    fn quiet_names_failures_only() {
        let results = || {
            let body = format!("<Delete>{}{}</Delete>", object("a&amp;"), object("b"));
            let denied = Fault::new(Code::AccessDenied).message("Frozen.");
            let named = parsed(&body).into_iter().map(|asked| asked.named);
            named
                .zip([Ok(Removed::default()), Err(denied)])
                .collect::<Vec<_>>()
                .into_iter()
        };
        let error =
            "<Error><Key>b</Key><Code>AccessDenied</Code><Message>Frozen.</Message></Error>";
        let loud = render(results(), false);
        assert!(
            loud.contains(&format!("<Deleted><Key>a&amp;</Key></Deleted>{error}")),
            "{loud}"
        );
        let quiet = render(results(), true);
        assert!(
            quiet.contains(error) && !quiet.contains("Deleted>"),
            "{quiet}"
        );
    }
}
