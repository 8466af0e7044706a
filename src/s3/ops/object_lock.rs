//! Object Lock: the configuration of a bucket, and the retention and legal hold of versions. What a
//! write says of them is in `lock_headers.rs`.

use serde::Deserialize;

use crate::domain::file::FileRecord;
use crate::domain::ids::Timestamp;
use crate::domain::lock::{
    DefaultRetention, MAX_DEFAULT_DAYS, MAX_DEFAULT_YEARS, ObjectLockConfig, ObjectRetention,
    Period, RetentionMode, VersionRefused,
};
use crate::domain::package::Rejection;
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::error::Error;
use crate::registry::object_locks::{LockChange, LockedVersion};
use crate::s3::ops::lock_headers::hold_name;
use crate::s3::ops::put::about_key;
use crate::s3::ops::versions::{find_object, named, no_such_version};
use crate::wire::xml::{self, XmlWriter};

// ---------------------------------------------------------------- the lock of a version

/// The retention of a version. 404 `NoSuchObjectLockConfiguration` when it has none, 400
/// `InvalidRequest` when the bucket has no Object Lock.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html>
pub async fn get_retention(request: Request, context: &Context) -> Result<Reply, Fault> {
    let file = lockable(&request, context).await?;
    let Some(retention) = file.lock.retention else {
        return Err(Fault::new(Code::NoSuchObjectLockConfiguration));
    };
    let mut xml = XmlWriter::s3("Retention");
    xml.text("Mode", retention.mode.name())
        .text("RetainUntilDate", &retention.retain_until.to_s3());
    Ok(Reply::xml(xml.finish()))
}

/// Whether the legal hold stands on a version; the answers of [`get_retention`] otherwise.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html>
pub async fn get_legal_hold(request: Request, context: &Context) -> Result<Reply, Fault> {
    let file = lockable(&request, context).await?;
    let Some(is_on) = file.lock.legal_hold else {
        return Err(Fault::new(Code::NoSuchObjectLockConfiguration));
    };
    let mut xml = XmlWriter::s3("LegalHold");
    xml.text("Status", hold_name(is_on));
    Ok(Reply::xml(xml.finish()))
}

async fn lockable(
    request: &Request,
    context: &Context,
) -> Result<std::sync::Arc<FileRecord>, Fault> {
    if request.package().object_lock.is_none() {
        return Err(VersionRefused::NoObjectLock.into());
    }
    find_object(request, context).await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RetentionForm {
    mode: Option<String>,
    retain_until_date: Option<String>,
}

impl RetentionForm {
    /// Both, or neither, which takes the retention away.
    fn retention(&self) -> Result<Option<ObjectRetention>, Fault> {
        let malformed = || Fault::new(Code::MalformedXML);
        match (self.mode.as_deref(), self.retain_until_date.as_deref()) {
            (None, None) => Ok(None),
            (Some(mode), Some(until)) => Ok(Some(ObjectRetention {
                mode: RetentionMode::from_name(mode).ok_or_else(malformed)?,
                retain_until: Timestamp::parse_iso8601(until).ok_or_else(malformed)?,
            })),
            _ => Err(malformed()),
        }
    }
}

/// Extends the retention of a version, or changes or removes it where governance is bypassed by who
/// may. 403 `AccessDenied` otherwise.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html>
pub async fn put_retention(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let form: RetentionForm = xml::parse(&request.document().await?, "Retention")?;
    let change = LockChange::Retention {
        retention: form.retention()?,
        bypasses: request.bypasses_governance()?,
    };
    change_lock(&request, context, change).await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LegalHoldForm {
    status: String,
}

/// Puts the legal hold on a version, or takes it off.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html>
pub async fn put_legal_hold(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let form: LegalHoldForm = xml::parse(&request.document().await?, "LegalHold")?;
    let is_on = match form.status.as_str() {
        "ON" => true,
        "OFF" => false,
        _ => return Err(Fault::new(Code::MalformedXML)),
    };
    change_lock(&request, context, LockChange::LegalHold(is_on)).await
}

async fn change_lock(
    request: &Request,
    context: &Context,
    change: LockChange,
) -> Result<Reply, Fault> {
    let target = LockedVersion {
        package_id: request.package().id,
        key: request.key().clone(),
        version: named(&request.query)?,
        actor: request.actor().to_owned(),
    };
    match context.registry.change_lock(target, change).await {
        Ok(()) => Ok(Reply::ok()),
        Err(Error::Rejected(Rejection::Version(VersionRefused::NoSuchVersion))) => {
            Err(no_such_version(request))
        }
        Err(error) => Err(about_key(error.into(), request)),
    }
}

// ---------------------------------------------------------------- the configuration of a bucket

/// The Object Lock of a bucket. 404 `ObjectLockConfigurationNotFoundError` when it has none.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html>
#[expect(clippy::unused_async, reason = "handlers have one shape")]
pub async fn get_configuration(request: Request, _: &Context) -> Result<Reply, Fault> {
    let Some(config) = request.package().object_lock else {
        return Err(Fault::new(Code::ObjectLockConfigurationNotFoundError)
            .detail("BucketName", request.bucket().as_str()));
    };
    let mut xml = XmlWriter::s3("ObjectLockConfiguration");
    xml.text("ObjectLockEnabled", "Enabled");
    if let Some(default) = config.default {
        xml.nest("Rule", |xml| {
            xml.nest("DefaultRetention", |xml| {
                xml.text("Mode", default.mode.name());
                match default.period {
                    Period::Days(days) => xml.value("Days", days),
                    Period::Years(years) => xml.value("Years", years),
                };
            });
        });
    }
    Ok(Reply::xml(xml.finish()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigurationForm {
    object_lock_enabled: Option<String>,
    rule: Option<RuleForm>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleForm {
    default_retention: Option<DefaultForm>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultForm {
    mode: Option<String>,
    days: Option<String>,
    years: Option<String>,
}

impl ConfigurationForm {
    fn config(&self) -> Result<ObjectLockConfig, Fault> {
        let malformed = || Fault::new(Code::MalformedXML);
        if self.object_lock_enabled.as_deref() != Some("Enabled") {
            return Err(malformed());
        }
        let Some(rule) = &self.rule else {
            return Ok(ObjectLockConfig::default());
        };
        let form = rule.default_retention.as_ref().ok_or_else(malformed)?;
        let mode = form.mode.as_deref().and_then(RetentionMode::from_name);
        let mode = mode.ok_or_else(malformed)?;
        let period = match (&form.days, &form.years) {
            (Some(days), None) => Period::Days(period("Days", days, MAX_DEFAULT_DAYS)?),
            (None, Some(years)) => Period::Years(period("Years", years, MAX_DEFAULT_YEARS)?),
            _ => return Err(malformed()),
        };
        let default = Some(DefaultRetention { mode, period });
        Ok(ObjectLockConfig { default })
    }
}

fn period(name: &str, text: &str, most: u32) -> Result<u32, Fault> {
    let number: i64 = text.parse().map_err(|_| Fault::new(Code::MalformedXML))?;
    match u32::try_from(number) {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        Ok(number) if number > most => {
            let message = "Default retention period too large.";
            Err(Fault::argument(name, text, message))
        }
        _ => {
            let message = "Default retention period must be a positive integer value.";
            Err(Fault::argument(name, text, message))
        }
    }
}

/// Enables Object Lock for a bucket that keeps versions, and sets or removes its default retention.
/// It is never disabled. 409 `InvalidBucketState` without versioning.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html>
pub async fn put_configuration(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let form: ConfigurationForm = xml::parse(&body, "ObjectLockConfiguration")?;
    let (id, actor) = (request.package().id, request.actor());
    context
        .registry
        .configure_object_lock(id, form.config()?, actor)
        .await?;
    Ok(Reply::ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_enabled_with_one_period_or_none() {
        let read = |inside: &str| {
            let body = format!("<ObjectLockConfiguration>{inside}</ObjectLockConfiguration>");
            let form: ConfigurationForm =
                xml::parse(body.as_bytes(), "ObjectLockConfiguration").unwrap();
            form.config().map_err(|fault| fault.code())
        };
        let rule = |inside: &str| {
            read(&format!(
                "<ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                 <Rule><DefaultRetention>{inside}</DefaultRetention></Rule>"
            ))
        };
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        assert_eq!(read(enabled), Ok(ObjectLockConfig::default()));
        assert_eq!(read(""), Err(Code::MalformedXML));
        let disabled = "<ObjectLockEnabled>Disabled</ObjectLockEnabled>";
        assert_eq!(read(disabled), Err(Code::MalformedXML));
        let config = rule("<Mode>COMPLIANCE</Mode><Years>2</Years>").unwrap();
        assert_eq!(config.to_text(), "compliance 2 years");
        let wrong = [
            ("<Mode>COMPLIANCE</Mode>", Code::MalformedXML),
            ("<Days>1</Days>", Code::MalformedXML),
            ("<Mode>abc</Mode><Days>1</Days>", Code::MalformedXML),
            (
                "<Mode>COMPLIANCE</Mode><Days>1</Days><Years>1</Years>",
                Code::MalformedXML,
            ),
            ("<Mode>COMPLIANCE</Mode><Days>x</Days>", Code::MalformedXML),
            (
                "<Mode>COMPLIANCE</Mode><Days>0</Days>",
                Code::InvalidArgument,
            ),
            (
                "<Mode>COMPLIANCE</Mode><Years>-1</Years>",
                Code::InvalidArgument,
            ),
            (
                "<Mode>COMPLIANCE</Mode><Days>36501</Days>",
                Code::InvalidArgument,
            ),
            (
                "<Mode>COMPLIANCE</Mode><Years>101</Years>",
                Code::InvalidArgument,
            ),
        ];
        for (inside, code) in wrong {
            assert_eq!(rule(inside), Err(code), "{inside}");
        }
    }
}
