//! Endpoint to handler, one line each.

use crate::api::routes::Operation;
use crate::api::{consumers, events, files, health, packages, retention, schemas, verifications};
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;

/// Runs the handler of an endpoint on an admitted request.
pub async fn dispatch(
    operation: Operation,
    request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    match operation {
        Operation::ListEvents => events::list_events(request, context).await,
        Operation::GetEventPayload => events::get_event_payload(request, context).await,
        Operation::ListConsumers => consumers::list_consumers(request, context).await,
        Operation::PutConsumer => consumers::put_consumer(request, context).await,
        Operation::GetConsumer => consumers::get_consumer(request, context).await,
        Operation::DeleteConsumer => consumers::delete_consumer(request, context).await,
        Operation::ListConsumerEvents => consumers::list_consumer_events(request, context).await,
        Operation::AcknowledgeEvents => consumers::acknowledge(request, context).await,
        Operation::ListPackages => packages::list_packages(request, context).await,
        Operation::CreatePackage => packages::create_package(request, context).await,
        Operation::GetPackage => packages::get_package(request, context).await,
        Operation::UpdatePackage => packages::update_package(request, context).await,
        Operation::DeletePackage => packages::delete_package(request, context).await,
        Operation::FinalizePackage => packages::finalize_package(request, context).await,
        Operation::GetManifest => packages::get_manifest(request, context).await,
        Operation::ListFiles => files::list_files(request, context).await,
        Operation::GetFile => files::get_file(request, context).await,
        Operation::GetFileContent => files::get_file_content(request, context).await,
        Operation::Live => health::live(),
        Operation::Ready => health::ready(context).await,
        Operation::ListBackends => health::list_backends(context).await,
        Operation::GetRetention => retention::get_retention(request, context).await,
        Operation::GetRetentionHistory => retention::get_history(request, context).await,
        Operation::ExtendRetention => retention::extend_retention(request, context).await,
        Operation::ApplyHold => retention::apply_hold(request, context).await,
        Operation::ReleaseHold => retention::release_hold(request, context).await,
        Operation::SweepRetention => retention::sweep(request, context).await,
        Operation::ListRetentionClasses => retention::list_classes(request, context).await,
        Operation::PutRetentionClass => retention::put_class(request, context).await,
        Operation::ListSchemas => schemas::list_schemas(request, context).await,
        Operation::GetSchema => schemas::get_schema(request, context).await,
        Operation::PutSchema => schemas::put_schema(request, context).await,
        Operation::StartVerification => verifications::start_verification(request, context).await,
        Operation::ListVerifications => verifications::list_verifications(request, context).await,
        Operation::GetVerification => verifications::get_verification(request, context).await,
    }
}
