//! Object Lock on `.holdfast/manifest.cbor`, which acts on the package: its retention is extended and
//! its legal hold is put on and taken off. On other keys it acts on versions: `object_lock.rs`.

use serde::Deserialize;

use crate::domain::ids::Timestamp;
use crate::domain::name::MANIFEST_KEY;
use crate::domain::package::{PackageStatus, Rejection};
use crate::domain::retention::{HoldKind, LEGAL_HOLD_REASON, LockMode, Retention};
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::s3::ops::lock_headers::{HOLD, MODE, UNTIL};
use crate::s3::ops::object_lock;
use crate::wire::xml::{self, XmlWriter};

/// The reason of an extension by Object Lock.
const EXTENDED: &str = "object lock";

/// When the package's retention ends. `NoSuchObjectLockConfiguration` when it never ends or its
/// class locks nothing.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html>
pub async fn get_object_retention(request: Request, context: &Context) -> Result<Reply, Fault> {
    if !request.key().is_reserved() {
        return object_lock::get_retention(request, context).await;
    }
    let retention = locked(&request, context).await?;
    let (Some(mode), Some(until)) = (mode_of(&retention), retention.expires_at) else {
        return Err(Fault::new(Code::NoSuchObjectLockConfiguration));
    };
    let mut document = XmlWriter::s3("Retention");
    document
        .text("Mode", mode)
        .text("RetainUntilDate", &until.to_s3());
    Ok(Reply::xml(document.finish()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RetentionForm {
    mode: Option<String>,
    retain_until_date: Option<String>,
}

/// Extends the package's retention. The same instant changes nothing; an earlier one, another mode
/// and none at all are 403 `AccessDenied`, since retention is never shortened.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html>
pub async fn put_object_retention(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    if !request.key().is_reserved() {
        return object_lock::put_retention(request, context).await;
    }
    let retention = locked(&request, context).await?;
    let form: RetentionForm = xml::parse(&request.document().await?, "Retention")?;
    let until = form.until()?;
    let denied = |message: String| Err(Fault::new(Code::AccessDenied).message(message));
    let (Some(mode), Some(until)) = (form.mode.as_deref(), until) else {
        return denied("Access Denied: the retention of a package is not taken away.".to_owned());
    };
    if Some(mode) != mode_of(&retention) {
        return denied(
            "Access Denied: the mode is that of the package's retention class.".to_owned(),
        );
    }
    // Clients send back what they read, which has milliseconds; the log has microseconds.
    let is_same = |at: Timestamp| at.to_s3() == until.to_s3();
    if !retention.expires_at.is_some_and(is_same) {
        let id = request.package().id;
        let extended = context
            .registry
            .extend_retention(id, until, EXTENDED, request.actor())
            .await;
        match extended {
            Err(crate::registry::error::Error::Rejected(Rejection::NotLater { current })) => {
                return denied(format!(
                    "Access Denied: the package is kept until {} already.",
                    current.to_s3()
                ));
            }
            extended => extended?,
        };
    }
    Ok(Reply::ok())
}

impl RetentionForm {
    fn until(&self) -> Result<Option<Timestamp>, Fault> {
        let Some(text) = &self.retain_until_date else {
            return Ok(None);
        };
        let malformed = || Fault::new(Code::MalformedXML);
        Timestamp::parse(text).map(Some).ok_or_else(malformed)
    }
}

/// Whether the package's legal hold stands.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html>
pub async fn get_object_legal_hold(request: Request, context: &Context) -> Result<Reply, Fault> {
    if !request.key().is_reserved() {
        return object_lock::get_legal_hold(request, context).await;
    }
    let retention = locked(&request, context).await?;
    let mut document = XmlWriter::s3("LegalHold");
    document.text(
        "Status",
        if has_legal_hold(&retention) {
            "ON"
        } else {
            "OFF"
        },
    );
    Ok(Reply::xml(document.finish()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LegalHoldForm {
    status: String,
}

/// Puts the hold named `legal` on the package, or takes it off. Idempotent.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html>
pub async fn put_object_legal_hold(
    mut request: Request,
    context: &Context,
) -> Result<Reply, Fault> {
    if !request.key().is_reserved() {
        return object_lock::put_legal_hold(request, context).await;
    }
    locked(&request, context).await?;
    let form: LegalHoldForm = xml::parse(&request.document().await?, "LegalHold")?;
    let (registry, id, actor) = (&context.registry, request.package().id, request.actor());
    match form.status.as_str() {
        "ON" => {
            registry
                .apply_hold(id, HoldKind::Legal, LEGAL_HOLD_REASON, actor)
                .await?;
        }
        "OFF" => {
            registry.release_legal_hold(id, actor).await?;
        }
        _ => return Err(Fault::new(Code::MalformedXML)),
    }
    Ok(Reply::ok())
}

/// Adds what a read of the manifest says of its lock.
pub fn describe_lock(reply: &mut Reply, retention: &Retention) -> Result<(), Fault> {
    if let (Some(mode), Some(until)) = (mode_of(retention), retention.expires_at) {
        reply.set_text(MODE, mode)?;
        reply.set_text(UNTIL, &until.to_s3())?;
    }
    if has_legal_hold(retention) {
        reply.set_text(HOLD, "ON")?;
    }
    Ok(())
}

/// The mode in the words of Object Lock; `None` for a class that locks nothing.
fn mode_of(retention: &Retention) -> Option<&'static str> {
    match retention.class.lock_mode {
        LockMode::None => None,
        LockMode::Governance => Some("GOVERNANCE"),
        LockMode::Compliance => Some("COMPLIANCE"),
    }
}

fn has_legal_hold(retention: &Retention) -> bool {
    retention
        .holds
        .iter()
        .any(|hold| hold.kind == HoldKind::Legal)
}

/// The retention of the finalized package whose manifest is named.
async fn locked(request: &Request, context: &Context) -> Result<Retention, Fault> {
    if request.key().as_str() != MANIFEST_KEY {
        return Err(Fault::new(Code::NotImplemented).message(
            "Object Lock acts on whole packages, by their key '.holdfast/manifest.cbor'.",
        ));
    }
    let package = request.package();
    if package.status != PackageStatus::Finalized {
        return Err(request.no_such_key());
    }
    let retention = context.registry.find_retention(package.id).await?;
    Ok(retention.ok_or(Rejection::NoSuchPackage)?)
}
