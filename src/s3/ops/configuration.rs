//! Documents that configure a bucket, as every operation on them reads and writes them.

use crate::domain::configuration::ConfigurationKind;
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::request::Request;
use crate::registry::configurations::SetConfiguration;

/// The document of a kind, or the refusal for its absence, which then names the bucket.
pub async fn find_document(
    request: &Request,
    context: &Context,
    kind: ConfigurationKind,
    none: impl FnOnce() -> Fault,
) -> Result<String, Fault> {
    let id = request.package().id;
    let all = context.registry.find_configurations(id).await?;
    let document = all.get(&kind).cloned();
    document.ok_or_else(|| none().detail("BucketName", request.bucket().as_str()))
}

/// Sets the document of a kind, or removes it.
pub async fn set_document(
    request: &Request,
    context: &Context,
    kind: ConfigurationKind,
    document: Option<String>,
) -> Result<(), Fault> {
    let command = SetConfiguration {
        package_id: request.package().id,
        kind,
        document,
        actor: request.actor().to_owned(),
    };
    Ok(context.registry.set_configuration(command).await?)
}
