//! Packages: list, create, show, end, finalize, and read the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::paging::{MAX_LIMIT, limit};
use crate::domain::description::Change;
use crate::domain::name::PackageName;
use crate::domain::package::{PackageRecord, PackageStatus, Rejection, WriteMode};
use crate::domain::verb::Verb;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::describe::UpdatePackage;
use crate::registry::error::Error;
use crate::registry::forms::{package_json, read_finalize};
use crate::registry::packages::{CreatePackage, PackageFilter};
use crate::registry::surveys::ManifestForm;

/// The manifest's address, on the answer to a finalize and on the manifest itself.
pub const MANIFEST_DIGEST: HeaderName = HeaderName::from_static("x-holdfast-manifest-digest");

/// What a filter on a metadata value begins with.
const METADATA_KEY: &str = "metadata.";

/// `GET /packages`: a page of the packages that the caller may list, in the order of bucket names.
/// `next` is the `after` of the next page, or null.
pub async fn list_packages(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = limit(&request)?;
    let filter = read_filter(&request)?;
    let sees_all = request.may_everywhere(Verb::List);
    let mut after = request.query.get("after").map(str::to_owned);
    let mut shown: Vec<Arc<PackageRecord>> = Vec::new();
    // Whoever sees few of many packages must not cost a query for each: pages are read whole.
    let page_limit = if sees_all { limit } else { MAX_LIMIT as usize };
    let next = 'pages: loop {
        let (page, has_more) = context
            .registry
            .list_packages(&filter, after.as_deref(), page_limit)
            .await?;
        let count = page.len();
        for (place, package) in page.into_iter().enumerate() {
            after = Some(package.bucket.as_str().to_owned());
            if sees_all || request.may(Verb::List, &package) {
                shown.push(package);
            }
            if shown.len() == limit {
                let is_last = place + 1 == count && !has_more;
                break 'pages after.filter(|_| !is_last);
            }
        }
        if !has_more {
            break None;
        }
    };
    let packages: Vec<_> = shown.iter().map(|package| package_json(package)).collect();
    Reply::json(&json!({"packages": packages, "next": next}))
}

fn read_filter(request: &Request) -> Result<PackageFilter, Fault> {
    let text = |name: &str| request.query.get(name).map(str::to_owned);
    let status = text("status");
    if let Some(word) = &status
        && PackageStatus::parse(word).is_none()
    {
        let message = "A status is created, finalized or deleted.";
        return Err(Fault::argument("status", word, message));
    }
    let metadata = request.query.iter().filter_map(|(name, value)| {
        Some((
            name.strip_prefix(METADATA_KEY)?.to_owned(),
            value.to_owned(),
        ))
    });
    Ok(PackageFilter {
        producer: text("producer"),
        subject: text("subject"),
        retention_class: text("retention_class"),
        status,
        metadata: metadata.collect(),
        owner: text("owner"),
    })
}

/// The body of `POST /packages`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageForm {
    bucket: String,
    name: Option<String>,
    producer: Option<String>,
    subject: Option<String>,
    retention_class: Option<String>,
    metadata: Option<serde_json::Map<String, Value>>,
    metadata_schema: Option<String>,
    write_mode: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// `POST /packages`: a new package and its bucket; 201 with the package.
pub async fn create_package(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let command = read_package(&body, request.actor())?;
    request.authorize_creation(&command.bucket)?;
    let created = context.registry.create_package(command).await;
    let package = created.map_err(|error| match error {
        Error::Rejected(Rejection::NameTaken { owner }) if owner == request.actor() => {
            Fault::new(Code::BucketAlreadyOwnedByYou)
        }
        error => error.into(),
    })?;
    let mut reply = Reply::json(&package_json(&package))?;
    reply.status = StatusCode::CREATED;
    let location = format!("/_holdfast/v1/packages/{}", package.id);
    reply.set_text(header::LOCATION, &location)?;
    Ok(reply)
}

fn read_package(body: &[u8], actor: &str) -> Result<CreatePackage, Fault> {
    let invalid = |message: String| Fault::new(Code::InvalidArgument).message(message);
    let form: PackageForm = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The body is no description of a package: {error}.")))?;
    let write_mode = match form.write_mode.as_deref() {
        None => None,
        Some(word) => Some(WriteMode::parse(word).ok_or_else(|| {
            let message = "A write mode is versioned-by-request or write-once.";
            Fault::argument("write_mode", word, message)
        })?),
    };
    Ok(CreatePackage {
        bucket: PackageName::parse(&form.bucket)?,
        name: form.name,
        producer: form.producer,
        subject: form.subject,
        retention_class: form.retention_class,
        metadata: form.metadata.map(Value::Object),
        metadata_schema: form.metadata_schema,
        write_mode,
        tags: form.tags,
        object_lock: false,
        actor: actor.to_owned(),
    })
}

/// `GET /packages/{p}`: the package as it stands.
pub async fn get_package(request: Request, context: &Context) -> Result<Reply, Fault> {
    // The request's own record may be one that is remembered, whose counts are older.
    let package = context.registry.find_package(request.package().id).await?;
    let package = package.ok_or(Rejection::NoSuchPackage)?;
    Reply::json(&package_json(&package))
}

/// The body of `PATCH /packages/{p}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChangeForm {
    metadata: Option<serde_json::Map<String, Value>>,
    metadata_schema: Option<String>,
    tags: Option<serde_json::Map<String, Value>>,
}

/// `PATCH /packages/{p}`: changes metadata, its schema and tags of an open package, as a merge patch
/// (RFC 7396): members that are null go, the others are set. The package as it is then.
pub async fn update_package(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let command = read_change(&body, request.actor())?;
    let id = request.package().id;
    let package = context.registry.update_package(id, command).await?;
    Reply::json(&package_json(&package))
}

fn read_change(body: &[u8], actor: &str) -> Result<UpdatePackage, Fault> {
    // By way of a map: a struct would also be read from an array.
    let form = serde_json::from_slice(body);
    let form = form.and_then(|members| serde_json::from_value(Value::Object(members)));
    let form: ChangeForm = form.map_err(|error| {
        Fault::new(Code::InvalidArgument).message(format!(
            "The body is JSON such as {{\"metadata\": {{…}}, \"tags\": {{…}}}}: {error}."
        ))
    })?;
    let merge = |members| Change::Merge(Value::Object(members));
    Ok(UpdatePackage {
        metadata: form.metadata.map(merge),
        metadata_schema: form.metadata_schema,
        tags: form.tags.map(merge),
        actor: actor.to_owned(),
    })
}

/// `DELETE /packages/{p}`: ends an open, empty package; 204.
pub async fn delete_package(request: Request, context: &Context) -> Result<Reply, Fault> {
    let package = request.package();
    context
        .registry
        .delete_package(package.id, request.actor(), request.bypasses_governance()?)
        .await?;
    Ok(Reply::no_content())
}

/// `POST /packages/{p}/finalize`: freezes the package; a repeat answers the same.
pub async fn finalize_package(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let command = read_finalize(body, request.actor())?;
    let id = request.package().id;
    let finalized = context.registry.finalize_package(id, command).await?;
    let digest = finalized.manifest_address.to_string();
    let mut reply = Reply::json(&json!({
        "package_id": id.to_string(),
        "manifest_digest": digest,
        "sequence": finalized.sequence.0,
        "finalized_at": finalized.finalized_at.to_isoformat(),
    }))?;
    reply.set_text(MANIFEST_DIGEST, &digest)?;
    Ok(reply)
}

/// `GET /packages/{p}/manifest?format=cbor|json`: the manifest, or its JSON projection (the
/// default); 404 until the package is finalized.
pub async fn get_manifest(request: Request, context: &Context) -> Result<Reply, Fault> {
    let package = request.package();
    let (form, media_type) = match request.query.get("format").unwrap_or("json") {
        "cbor" => (ManifestForm::Cbor, "application/cbor"),
        "json" => (ManifestForm::Json, "application/json"),
        word => return Err(Fault::argument("format", word, "A format is cbor or json.")),
    };
    let found = context.registry.open_manifest(package.id, form).await?;
    let manifest = found.ok_or_else(|| {
        Fault::new(Code::NoSuchKey)
            .message("The package is not finalized, so it has no manifest yet.")
    })?;
    let length = manifest.size_bytes;
    let mut reply = Reply::ok()
        .with(header::CONTENT_TYPE, HeaderValue::from_static(media_type))
        .with_file(manifest.open(0..length), length);
    if let Some(address) = package.manifest_address {
        reply.set_text(MANIFEST_DIGEST, &address.to_string())?;
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_described_exactly() {
        let code = |body: &str| read_package(body.as_bytes(), "a").unwrap_err().code();
        for wrong in [
            "",
            "{",
            "{}",
            "{\"bucket\":1}",
            "{\"bucket\":\"abc\",\"colour\":1}",
            "{\"bucket\":\"abc\",\"metadata\":[]}",
            "{\"bucket\":\"abc\",\"write_mode\":\"x\"}",
        ] {
            assert_eq!(code(wrong), Code::InvalidArgument, "{wrong}");
        }
        assert_eq!(code("{\"bucket\":\"A\"}"), Code::InvalidBucketName);
        let body =
            r#"{"bucket":"abc","metadata":{"a":1},"write_mode":"write-once","tags":{"t":"v"}}"#;
        let command = read_package(body.as_bytes(), "ci").unwrap();
        assert_eq!(command.write_mode, Some(WriteMode::WriteOnce));
        assert_eq!(command.metadata, Some(json!({"a": 1})));
        assert_eq!(
            (command.actor.as_str(), command.tags["t"].as_str()),
            ("ci", "v")
        );
    }
}
