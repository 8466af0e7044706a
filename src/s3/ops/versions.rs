//! Versions on the wire: how one is named and shown, and the versioning of a bucket.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;

use crate::domain::file::FileRecord;
use crate::domain::package::PackageRecord;
use crate::domain::version::{Marker, VersionRef, Versioning, version_id};
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::versions::FoundVersion;
use crate::s3::ops::describe::last_modified;
use crate::wire::uri::Query;
use crate::wire::xml::{XmlWriter, parse};

/// `x-amz-version-id`.
pub const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// `x-amz-delete-marker`.
pub const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// The query key that names a version.
const QUERY_KEY: &str = "versionId";

/// The version that a query names.
pub fn named(query: &Query) -> Result<Option<VersionRef>, Fault> {
    query
        .get(QUERY_KEY)
        .map(|text| parse_version(QUERY_KEY, text))
        .transpose()
}

/// Reads a version id; `InvalidArgument` for what cannot be one.
pub fn parse_version(argument: &str, text: &str) -> Result<VersionRef, Fault> {
    if text.is_empty() {
        let message = "Version id cannot be the empty string";
        return Err(Fault::argument(argument, text, message));
    }
    VersionRef::parse(text)
        .ok_or_else(|| Fault::argument(argument, text, "Invalid version id specified"))
}

/// The version id of a file as its bucket shows it: nothing where versions were never kept.
pub fn shown_version(package: &PackageRecord, file: &FileRecord) -> Option<String> {
    let is_shown = package.versioning.is_some() || file.is_versioned;
    is_shown.then(|| version_id(file.id, file.is_versioned))
}

/// Sets `x-amz-version-id` where the bucket keeps versions or did.
pub fn set_version(
    reply: &mut Reply,
    package: &PackageRecord,
    file: &FileRecord,
) -> Result<(), Fault> {
    match shown_version(package, file) {
        Some(id) => reply.set_text(VERSION_ID, &id),
        None => Ok(()),
    }
}

/// Sets the headers of a marker.
pub fn set_marker(reply: &mut Reply, marker: Marker) -> Result<(), Fault> {
    reply
        .headers
        .insert(DELETE_MARKER, HeaderValue::from_static("true"));
    let id = version_id(marker.id, marker.is_versioned);
    reply.set_text(VERSION_ID, &id)
}

fn about_marker(fault: Fault, marker: Marker) -> Result<Fault, Fault> {
    let id = version_id(marker.id, marker.is_versioned);
    let id = HeaderValue::try_from(id).map_err(Fault::internal)?;
    Ok(fault
        .header(DELETE_MARKER, HeaderValue::from_static("true"))
        .header(VERSION_ID, id))
}

/// The object that a request is about: the current one of its key, or the version that the query
/// names. A key whose current version is a marker is absent, and the answer says by what; a marker
/// that is named cannot be read: 405 `MethodNotAllowed`.
pub async fn find_object(request: &Request, context: &Context) -> Result<Arc<FileRecord>, Fault> {
    let (package, key) = (request.package(), request.key());
    let registry = &context.registry;
    let Some(name) = named(&request.query)? else {
        if let Some(file) = registry.find_file(package.id, key).await? {
            return Ok(file);
        }
        let absent = request.no_such_key();
        if package.versioning.is_none() || absent.code() != Code::NoSuchKey {
            return Err(absent);
        }
        let marker = registry.find_current_marker(package.id, key).await?;
        return Err(match marker {
            Some(found) => about_marker(absent, found.marker)?,
            None => absent,
        });
    };
    match registry.find_version(package.id, key, name).await? {
        Some(FoundVersion::File(file)) => Ok(file),
        Some(FoundVersion::Marker(found)) => {
            let fault = Fault::new(Code::MethodNotAllowed)
                .detail("Method", request.method().as_str())
                .detail("ResourceType", "DeleteMarker")
                .header(header::ALLOW, HeaderValue::from_static("DELETE"))
                .header(header::LAST_MODIFIED, last_modified(found.created_at)?);
            Err(about_marker(fault, found.marker)?)
        }
        None => Err(no_such_version(request)),
    }
}

/// The answer for a version that is not there; `AccessDenied` for who may not list.
pub fn no_such_version(request: &Request) -> Fault {
    let absent = request.no_such_key();
    if absent.code() != Code::NoSuchKey {
        return absent;
    }
    Fault::new(Code::NoSuchVersion)
        .detail("Key", request.key().as_str())
        .detail(
            "VersionId",
            request.query.get(QUERY_KEY).unwrap_or_default(),
        )
}

/// Whether the bucket keeps versions: `Enabled`, `Suspended`, or nothing when it never did.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn get_bucket_versioning(request: Request, _: &Context) -> Result<Reply, Fault> {
    let mut xml = XmlWriter::s3("VersioningConfiguration");
    xml.optional("Status", request.package().versioning.map(status));
    Ok(Reply::xml(xml.finish()))
}

fn status(state: Versioning) -> &'static str {
    match state {
        Versioning::Enabled => "Enabled",
        Versioning::Suspended => "Suspended",
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersioningForm {
    status: Option<String>,
    mfa_delete: Option<String>,
}

impl VersioningForm {
    fn state(&self) -> Result<Versioning, Fault> {
        match self.mfa_delete.as_deref() {
            None | Some("Disabled") => {}
            Some("Enabled") => {
                return Err(
                    Fault::new(Code::NotImplemented).message("MFA delete is not implemented.")
                );
            }
            Some(_) => return Err(Fault::new(Code::MalformedXML)),
        }
        match self.status.as_deref() {
            Some("Enabled") => Ok(Versioning::Enabled),
            Some("Suspended") => Ok(Versioning::Suspended),
            Some(_) => Err(Fault::new(Code::MalformedXML)),
            None => Err(Fault::new(Code::IllegalVersioningConfigurationException)),
        }
    }
}

/// Has the bucket keep versions, or make no further ones. 409 `InvalidBucketState` for a write-once
/// package and, for Suspended, where Object Lock is enabled; MFA delete is 501.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>
pub async fn put_bucket_versioning(
    mut request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    let form: VersioningForm = parse(&request.document().await?, "VersioningConfiguration")?;
    let state = form.state()?;
    let (id, actor) = (request.package().id, request.actor());
    context.registry.set_versioning(id, state, actor).await?;
    Ok(Reply::ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_id_is_null_or_a_file_id() {
        let read = |query: &str| {
            let query = Query::parse(query).unwrap();
            named(&query).map_err(|fault| fault.code())
        };
        let id = "0193f0c4-7f1e-7c3a-9c1f-0123456789ab";
        assert_eq!(read("x-id=GetObject"), Ok(None));
        assert_eq!(read("versionId=null"), Ok(Some(VersionRef::Null)));
        let named = read(&format!("versionId={id}"));
        assert_eq!(named, Ok(Some(VersionRef::Id(id.parse().unwrap()))));
        for wrong in ["", "x", "NULL", "3HL4kqtJvjVBH40Nrjfkd"] {
            let found = read(&format!("versionId={wrong}"));
            assert_eq!(found, Err(Code::InvalidArgument), "{wrong}");
        }
    }

    #[test]
    fn a_versioning_document_says_enabled_or_suspended() {
        let read = |inside: &str| {
            let body = format!("<VersioningConfiguration>{inside}</VersioningConfiguration>");
            let form: VersioningForm = parse(body.as_bytes(), "VersioningConfiguration").unwrap();
            form.state().map_err(|fault| fault.code())
        };
        let cases = [
            ("<Status>Enabled</Status>", Ok(Versioning::Enabled)),
            (
                "<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>",
                Ok(Versioning::Suspended),
            ),
            ("<Status>enabled</Status>", Err(Code::MalformedXML)),
            ("", Err(Code::IllegalVersioningConfigurationException)),
            (
                "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>",
                Err(Code::NotImplemented),
            ),
        ];
        for (inside, expected) in cases {
            assert_eq!(read(inside), expected, "{inside}");
        }
    }
}
