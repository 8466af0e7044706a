//! The table of extension endpoints: every one on one screen.

use http::Method;

use crate::domain::verb::Verb;
use crate::exchange::route::{Access, BodyKind, KIB, Row, Scope, row};

/// An endpoint of the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A batch of events, or the live tail.
    ListEvents,
    /// The payload of one event.
    GetEventPayload,
    /// A page of consumers.
    ListConsumers,
    /// A new consumer, or another filter of one.
    PutConsumer,
    /// One consumer.
    GetConsumer,
    /// The end of a consumer.
    DeleteConsumer,
    /// The next events of a consumer.
    ListConsumerEvents,
    /// How far a consumer has come.
    AcknowledgeEvents,
    /// A page of packages.
    ListPackages,
    /// A new package.
    CreatePackage,
    /// One package.
    GetPackage,
    /// The end of a package.
    DeletePackage,
    /// The freeze of a package.
    FinalizePackage,
    /// The manifest of a package.
    GetManifest,
    /// A page of files.
    ListFiles,
    /// One file.
    GetFile,
    /// The bytes of one file.
    GetFileContent,
    /// Whether the process answers.
    Live,
    /// Whether requests can be served.
    Ready,
    /// The state of every backend.
    ListBackends,
    /// The retention of a package.
    GetRetention,
    /// The retention events of a package.
    GetRetentionHistory,
    /// A later end of retention.
    ExtendRetention,
    /// A hold on a package.
    ApplyHold,
    /// The end of a hold.
    ReleaseHold,
    /// A turn of the sweeper.
    SweepRetention,
    /// A page of retention classes.
    ListRetentionClasses,
    /// The definition of a retention class.
    PutRetentionClass,
    /// A change of a package's metadata and tags.
    UpdatePackage,
    /// A page of metadata schemas.
    ListSchemas,
    /// One metadata schema.
    GetSchema,
    /// A new metadata schema.
    PutSchema,
    /// A new verification run.
    StartVerification,
    /// A page of verification runs.
    ListVerifications,
    /// One verification run.
    GetVerification,
}

impl Operation {
    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::ListEvents => "ListEvents",
            Self::GetEventPayload => "GetEventPayload",
            Self::ListConsumers => "ListConsumers",
            Self::PutConsumer => "PutConsumer",
            Self::GetConsumer => "GetConsumer",
            Self::DeleteConsumer => "DeleteConsumer",
            Self::ListConsumerEvents => "ListConsumerEvents",
            Self::AcknowledgeEvents => "AcknowledgeEvents",
            Self::ListPackages => "ListPackages",
            Self::CreatePackage => "CreatePackage",
            Self::GetPackage => "GetPackage",
            Self::DeletePackage => "DeletePackage",
            Self::FinalizePackage => "FinalizePackage",
            Self::GetManifest => "GetManifest",
            Self::ListFiles => "ListFiles",
            Self::GetFile => "GetFile",
            Self::GetFileContent => "GetFileContent",
            Self::Live => "Live",
            Self::Ready => "Ready",
            Self::ListBackends => "ListBackends",
            Self::GetRetention => "GetRetention",
            Self::GetRetentionHistory => "GetRetentionHistory",
            Self::ExtendRetention => "ExtendRetention",
            Self::ApplyHold => "ApplyHold",
            Self::ReleaseHold => "ReleaseHold",
            Self::SweepRetention => "SweepRetention",
            Self::ListRetentionClasses => "ListRetentionClasses",
            Self::PutRetentionClass => "PutRetentionClass",
            Self::UpdatePackage => "UpdatePackage",
            Self::ListSchemas => "ListSchemas",
            Self::GetSchema => "GetSchema",
            Self::PutSchema => "PutSchema",
            Self::StartVerification => "StartVerification",
            Self::ListVerifications => "ListVerifications",
            Self::GetVerification => "GetVerification",
        }
    }
}

const LIST: Access = Access::Package(Verb::List);
const DELETE: Access = Access::Package(Verb::Delete);
const FINALIZE: Access = Access::Package(Verb::Finalize);
const READ: Access = Access::Package(Verb::Read);
const RETAIN: Access = Access::Package(Verb::Retain);
const HOLD: Access = Access::Package(Verb::Hold);
const WRITE: Access = Access::Package(Verb::Write);
const ADMIN: Access = Access::Everywhere(Verb::Admin);

const EVENT_KEYS: &[&str] = &["since", "limit", "wait", "types", "package", "payloads"];
const CONSUMER_EVENT_KEYS: &[&str] = &["limit", "wait", "payloads"];
const PACKAGE_KEYS: &[&str] = &[
    "after",
    "limit",
    "producer",
    "subject",
    "retention_class",
    "status",
    "owner",
    "metadata.*",
];
const PAGE_KEYS: &[&str] = &["after", "limit"];
const SINCE_KEYS: &[&str] = &["since", "limit"];
const SMALL: BodyKind = BodyKind::Document(64 * KIB);

/// The table.
#[rustfmt::skip]
pub static ROUTES: &[Row<Operation>] = &[
    // method        endpoint                                            needs  may have       operation                     who               body
    row(Method::GET,    Scope::Extension("events"),                          &[], EVENT_KEYS,   Operation::ListEvents,        Access::Caller,   BodyKind::None),
    row(Method::GET,    Scope::Extension("events/{sequence}/payload"),       &[], &[],          Operation::GetEventPayload,   Access::Caller,   BodyKind::None),

    row(Method::GET,    Scope::Extension("consumers"),                       &[], PAGE_KEYS,    Operation::ListConsumers,     Access::Caller,   BodyKind::None),
    row(Method::PUT,    Scope::Extension("consumers/{name}"),                &[], &[],          Operation::PutConsumer,       Access::Caller,   SMALL),
    row(Method::GET,    Scope::Extension("consumers/{name}"),                &[], &[],          Operation::GetConsumer,       Access::Caller,   BodyKind::None),
    row(Method::DELETE, Scope::Extension("consumers/{name}"),                &[], &[],          Operation::DeleteConsumer,    Access::Caller,   BodyKind::None),
    row(Method::GET,    Scope::Extension("consumers/{name}/events"),         &[], CONSUMER_EVENT_KEYS, Operation::ListConsumerEvents, Access::Caller, BodyKind::None),
    row(Method::POST,   Scope::Extension("consumers/{name}/ack"),            &[], &[],          Operation::AcknowledgeEvents, Access::Caller,   SMALL),

    row(Method::GET,    Scope::Extension("packages"),                        &[], PACKAGE_KEYS, Operation::ListPackages,      Access::Caller,   BodyKind::None),
    row(Method::POST,   Scope::Extension("packages"),                        &[], &[],          Operation::CreatePackage,     Access::Caller,   BodyKind::Document(256 * KIB)),
    row(Method::GET,    Scope::Extension("packages/{p}"),                    &[], &[],          Operation::GetPackage,        LIST,             BodyKind::None),
    row(Method::PATCH,  Scope::Extension("packages/{p}"),                    &[], &[],          Operation::UpdatePackage,     WRITE,            BodyKind::Document(256 * KIB)),
    row(Method::DELETE, Scope::Extension("packages/{p}"),                    &[], &[],          Operation::DeletePackage,     DELETE,           BodyKind::None),
    row(Method::POST,   Scope::Extension("packages/{p}/finalize"),           &[], &[],          Operation::FinalizePackage,   FINALIZE,         SMALL),
    row(Method::GET,    Scope::Extension("packages/{p}/manifest"),           &[], &["format"],  Operation::GetManifest,       READ,             BodyKind::None),
    row(Method::GET,    Scope::Extension("packages/{p}/files"),              &[], PAGE_KEYS,    Operation::ListFiles,         LIST,             BodyKind::None),
    row(Method::GET,    Scope::Extension("files/{id}"),                      &[], &[],          Operation::GetFile,           Access::Caller,   BodyKind::None),
    row(Method::GET,    Scope::Extension("files/{id}/content"),              &[], &[],          Operation::GetFileContent,    Access::Caller,   BodyKind::None),

    row(Method::GET,    Scope::Extension("health/live"),                     &[], &[],          Operation::Live,              Access::Anyone,   BodyKind::None),
    row(Method::GET,    Scope::Extension("health/ready"),                    &[], &[],          Operation::Ready,             Access::Anyone,   BodyKind::None),
    row(Method::GET,    Scope::Extension("health/backends"),                 &[], &[],          Operation::ListBackends,      Access::Caller,   BodyKind::None),

    row(Method::GET,    Scope::Extension("packages/{p}/retention"),          &[], &[],          Operation::GetRetention,      LIST,             BodyKind::None),
    row(Method::GET,    Scope::Extension("packages/{p}/retention/history"),  &[], SINCE_KEYS,   Operation::GetRetentionHistory,LIST,             BodyKind::None),
    row(Method::POST,   Scope::Extension("packages/{p}/retention/extend"),   &[], &[],          Operation::ExtendRetention,   RETAIN,           SMALL),
    row(Method::POST,   Scope::Extension("packages/{p}/holds"),              &[], &[],          Operation::ApplyHold,         HOLD,             SMALL),
    row(Method::POST,   Scope::Extension("packages/{p}/holds/{id}/release"), &[], &[],          Operation::ReleaseHold,       HOLD,             SMALL),
    row(Method::POST,   Scope::Extension("retention/sweep"),                 &[], &[],          Operation::SweepRetention,    Access::Caller,   SMALL),
    row(Method::GET,    Scope::Extension("retention-classes"),               &[], PAGE_KEYS,    Operation::ListRetentionClasses,Access::Caller,   BodyKind::None),
    row(Method::PUT,    Scope::Extension("retention-classes/{id}"),          &[], &[],          Operation::PutRetentionClass, Access::Caller,   SMALL),
    row(Method::GET,    Scope::Extension("metadata-schemas"),                &[], PAGE_KEYS,    Operation::ListSchemas,       Access::Caller,   BodyKind::None),
    row(Method::GET,    Scope::Extension("metadata-schemas/{slug}"),         &[], &["version"], Operation::GetSchema,         Access::Caller,   BodyKind::None),
    row(Method::PUT,    Scope::Extension("metadata-schemas/{slug}"),         &[], &[],          Operation::PutSchema,         ADMIN,            BodyKind::Document(256 * KIB)),
    row(Method::POST,   Scope::Extension("verifications"),                   &[], &[],          Operation::StartVerification, Access::Caller,   SMALL),
    row(Method::GET,    Scope::Extension("verifications"),                   &[], PAGE_KEYS,    Operation::ListVerifications, Access::Caller,   BodyKind::None),
    row(Method::GET,    Scope::Extension("verifications/{run}"),             &[], &[],          Operation::GetVerification,   Access::Caller,   BodyKind::None),
];
