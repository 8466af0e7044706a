//! The payload of `v1.package.configuration_set`, beside the others for their number.

use crate::domain::cbor::encode::MapWriter;
use crate::domain::cbor::fields::{Fields, InvalidField};
use crate::domain::configuration::ConfigurationKind;
use crate::domain::event::{ConfigurationSet, Event};
use crate::domain::ids::PackageId;

/// Writes the payload.
pub fn configuration_set(map: &mut MapWriter<'_>, event: &ConfigurationSet) {
    map.text("kind", event.kind.as_str());
    map.nullable_text("document", event.document.as_deref());
}

/// Reads the payload.
pub fn read_configuration_set(
    package_id: PackageId,
    fields: Fields<'_, '_>,
) -> Result<Event, InvalidField> {
    Ok(Event::ConfigurationSet(ConfigurationSet {
        package_id,
        kind: fields.parse("kind", ConfigurationKind::parse)?,
        document: fields.optional_text("document")?.map(str::to_owned),
    }))
}
