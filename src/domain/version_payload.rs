//! Payloads of the events of versions and their locks; `payload.rs` calls them.

use crate::domain::cbor::encode::MapWriter;
use crate::domain::cbor::fields::{Fields, InvalidField};
use crate::domain::event::Event;
use crate::domain::ids::{FileId, PackageId, Timestamp};
use crate::domain::lock::{
    DefaultRetention, FileLock, ObjectLockConfig, ObjectRetention, Period, RetentionMode,
};
use crate::domain::name::ObjectKey;
use crate::domain::version::{Marker, Versioning};
use crate::domain::version_event::{
    FileLegalHoldSet, FileRemoved, FileRetentionSet, FileSuperseded, MarkerRemoved,
    ObjectLockConfigured, VersionPurged, VersioningSet,
};

type Read = Result<Event, InvalidField>;

fn file_id(fields: Fields<'_, '_>, key: &str) -> Result<FileId, InvalidField> {
    fields.parse(key, |text| text.parse().ok())
}

fn optional_id(fields: Fields<'_, '_>, key: &str) -> Result<Option<FileId>, InvalidField> {
    fields.optional_parse(key, |text| text.parse().ok())
}

fn object_key(fields: Fields<'_, '_>) -> Result<ObjectKey, InvalidField> {
    fields.parse("relative_path", |text| ObjectKey::parse(text).ok())
}

fn optional_bool(fields: Fields<'_, '_>, key: &str) -> Result<Option<bool>, InvalidField> {
    match fields.find(key) {
        Some(_) => fields.bool(key).map(Some),
        None => Ok(None),
    }
}

fn small_uint(fields: Fields<'_, '_>, key: &str) -> Result<Option<u32>, InvalidField> {
    let number = fields.optional_uint(key)?;
    let small = number.map(|number| u32::try_from(number).map_err(|_| number));
    small
        .transpose()
        .map_err(|number| InvalidField(format!("{number} is too large for '{key}'")))
}

// The entries below stand in canonical order, shorter keys first, which spares sorting them.

/// Writes `v1.file.superseded`.
pub fn file_superseded(map: &mut MapWriter<'_>, event: &FileSuperseded) {
    if event.is_kept {
        map.bool("kept", true);
    }
    map.text("file_id", &event.file_id.to_string());
    map.text("relative_path", event.key.as_str());
    map.text("superseded_by", &event.superseded_by.to_string());
}

/// Reads `v1.file.superseded`.
pub fn read_file_superseded(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    Ok(Event::FileSuperseded(FileSuperseded {
        package_id,
        file_id: file_id(fields, "file_id")?,
        superseded_by: file_id(fields, "superseded_by")?,
        key: object_key(fields)?,
        is_kept: optional_bool(fields, "kept")?.unwrap_or(false),
    }))
}

/// Writes `v1.file.removed`.
pub fn file_removed(map: &mut MapWriter<'_>, event: &FileRemoved) {
    if let Some(file_id) = event.file_id {
        map.text("file_id", &file_id.to_string());
    }
    if let Some(marker) = event.marker {
        map.text("marker_id", &marker.id.to_string());
        if marker.is_versioned {
            map.bool("versioned", true);
        }
    }
    map.text("relative_path", event.key.as_str());
}

/// Reads `v1.file.removed`.
pub fn read_file_removed(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    let is_versioned = optional_bool(fields, "versioned")?.unwrap_or(false);
    let marker = optional_id(fields, "marker_id")?.map(|id| Marker { id, is_versioned });
    let file_id = match marker {
        None => Some(file_id(fields, "file_id")?),
        Some(_) => optional_id(fields, "file_id")?,
    };
    Ok(Event::FileRemoved(FileRemoved {
        package_id,
        file_id,
        key: object_key(fields)?,
        marker,
    }))
}

/// Writes `v1.file.marker_removed`.
pub fn marker_removed(map: &mut MapWriter<'_>, event: &MarkerRemoved) {
    if let Some(file_id) = event.restored {
        map.text("restored", &file_id.to_string());
    }
    map.text("marker_id", &event.marker_id.to_string());
    map.text("relative_path", event.key.as_str());
}

/// Reads `v1.file.marker_removed`.
pub fn read_marker_removed(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    Ok(Event::MarkerRemoved(MarkerRemoved {
        package_id,
        marker_id: file_id(fields, "marker_id")?,
        key: object_key(fields)?,
        restored: optional_id(fields, "restored")?,
    }))
}

/// Writes `v1.file.version_purged`.
pub fn version_purged(map: &mut MapWriter<'_>, event: &VersionPurged) {
    map.text("reason", &event.reason);
    map.text("file_id", &event.file_id.to_string());
    if let Some(file_id) = event.restored {
        map.text("restored", &file_id.to_string());
    }
    map.text("relative_path", event.key.as_str());
}

/// Reads `v1.file.version_purged`.
pub fn read_version_purged(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    Ok(Event::VersionPurged(VersionPurged {
        package_id,
        file_id: file_id(fields, "file_id")?,
        key: object_key(fields)?,
        reason: fields.text("reason")?.to_owned(),
        restored: optional_id(fields, "restored")?,
    }))
}

/// Writes `v1.package.versioning_set`.
pub fn versioning_set(map: &mut MapWriter<'_>, event: &VersioningSet) {
    map.text("state", event.state.as_str());
}

/// Reads `v1.package.versioning_set`.
pub fn read_versioning_set(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    Ok(Event::VersioningSet(VersioningSet {
        package_id,
        state: fields.parse("state", Versioning::parse)?,
    }))
}

/// Writes `v1.package.object_lock_configured`.
pub fn object_lock_configured(map: &mut MapWriter<'_>, event: &ObjectLockConfigured) {
    if let Some(default) = event.config.default {
        match default.period {
            Period::Days(days) => map.uint("days", days.into()),
            Period::Years(years) => map.uint("years", years.into()),
        }
    }
    map.bool("enabled", true);
    if let Some(default) = event.config.default {
        map.text("default_mode", default.mode.as_str());
    }
}

/// Reads `v1.package.object_lock_configured`.
pub fn read_object_lock_configured(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    let mode = fields.optional_parse("default_mode", RetentionMode::parse)?;
    let days = small_uint(fields, "days")?.map(Period::Days);
    let years = small_uint(fields, "years")?.map(Period::Years);
    let default = match (mode, days, years) {
        (None, None, None) => None,
        (Some(mode), Some(period), None) | (Some(mode), None, Some(period)) => {
            Some(DefaultRetention { mode, period })
        }
        _ => {
            let message = "a default has a mode and either days or years";
            return Err(InvalidField(message.to_owned()));
        }
    };
    Ok(Event::ObjectLockConfigured(ObjectLockConfigured {
        package_id,
        config: ObjectLockConfig { default },
    }))
}

/// Writes `v1.file.retention_set`.
pub fn file_retention_set(map: &mut MapWriter<'_>, event: &FileRetentionSet) {
    let retention = event.retention;
    let until = retention.map(|retention| retention.retain_until.to_isoformat());
    map.nullable_text("mode", retention.map(|retention| retention.mode.as_str()));
    map.text("file_id", &event.file_id.to_string());
    if event.is_bypassed {
        map.bool("bypassed", true);
    }
    map.nullable_text("retain_until", until.as_deref());
    map.text("relative_path", event.key.as_str());
}

/// Reads `v1.file.retention_set`.
pub fn read_file_retention_set(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    Ok(Event::FileRetentionSet(FileRetentionSet {
        package_id,
        file_id: file_id(fields, "file_id")?,
        key: object_key(fields)?,
        retention: read_retention(fields)?,
        is_bypassed: optional_bool(fields, "bypassed")?.unwrap_or(false),
    }))
}

fn read_retention(fields: Fields<'_, '_>) -> Result<Option<ObjectRetention>, InvalidField> {
    let mode = fields.optional_parse("mode", RetentionMode::parse)?;
    let until = fields.optional_parse("retain_until", Timestamp::parse)?;
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode), Some(retain_until)) => Ok(Some(ObjectRetention { mode, retain_until })),
        _ => {
            let message = "a retention has a mode and an end";
            Err(InvalidField(message.to_owned()))
        }
    }
}

/// Writes `v1.file.legal_hold_set`.
pub fn file_legal_hold_set(map: &mut MapWriter<'_>, event: &FileLegalHoldSet) {
    map.text("status", if event.is_on { "on" } else { "off" });
    map.text("file_id", &event.file_id.to_string());
    map.text("relative_path", event.key.as_str());
}

/// Reads `v1.file.legal_hold_set`.
pub fn read_file_legal_hold_set(package_id: PackageId, fields: Fields<'_, '_>) -> Read {
    let status = |text: &str| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    Ok(Event::FileLegalHoldSet(FileLegalHoldSet {
        package_id,
        file_id: file_id(fields, "file_id")?,
        key: object_key(fields)?,
        is_on: fields.parse("status", status)?,
    }))
}

/// Writes what `v1.file.ingested` says of a version and its lock: nothing for a plain file.
pub fn ingested_version(map: &mut MapWriter<'_>, is_versioned: bool, lock: &FileLock) {
    if is_versioned {
        map.bool("versioned", true);
    }
    if let Some(retention) = lock.retention {
        map.map("retention", |map| {
            map.text("mode", retention.mode.as_str());
            map.text("retain_until", &retention.retain_until.to_isoformat());
        });
    }
    if let Some(is_on) = lock.legal_hold {
        map.bool("legal_hold", is_on);
    }
}

/// Reads what [`ingested_version`] wrote.
pub fn read_ingested_version(fields: Fields<'_, '_>) -> Result<(bool, FileLock), InvalidField> {
    let retention = match fields.optional_map("retention")? {
        Some(retention) => read_retention(retention)?,
        None => None,
    };
    let lock = FileLock {
        retention,
        legal_hold: optional_bool(fields, "legal_hold")?,
        is_unreadable: false,
    };
    let is_versioned = optional_bool(fields, "versioned")?.unwrap_or(false);
    Ok((is_versioned, lock))
}
