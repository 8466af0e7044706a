//! What endpoints that list have in common: numbers of the query, and the package a query names.

use std::sync::Arc;

use crate::domain::ids::PackageId;
use crate::domain::name::PackageName;
use crate::domain::package::{PackageRecord, Rejection};
use crate::exchange::context::Context;
use crate::exchange::fault::Fault;
use crate::exchange::request::Request;

/// The most entries of a page.
pub const MAX_LIMIT: u64 = 1000;

/// The entries of a page when the caller does not say.
pub const DEFAULT_LIMIT: u64 = 100;

/// A whole number of the query: digits only, at least `least`; `None` when it is not given.
pub fn number(request: &Request, name: &str, least: u64) -> Result<Option<u64>, Fault> {
    let Some(text) = request.query.get(name) else {
        return Ok(None);
    };
    parse_number(text, least).map(Some).ok_or_else(|| {
        Fault::argument(
            name,
            text,
            format!("{name} is a whole number from {least}."),
        )
    })
}

/// The number of a text that has nothing but digits, if it is at least `least`. One too large for
/// 64 bits is beyond every position of the log, and so is the largest.
pub fn parse_number(text: &str, least: u64) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| text.parse().unwrap_or(i64::MAX as u64))?;
    (number >= least).then_some(number.min(i64::MAX as u64))
}

/// The `limit` of the query: from 1, and never more than [`MAX_LIMIT`].
pub fn limit(request: &Request) -> Result<usize, Fault> {
    let limit = number(request, "limit", 1)?.unwrap_or(DEFAULT_LIMIT);
    Ok(limit.min(MAX_LIMIT) as usize)
}

/// The package that a text names: an id, which finds ended ones too, or a bucket's name.
pub async fn find_package(context: &Context, text: &str) -> Result<Arc<PackageRecord>, Fault> {
    let found = if let Ok(id) = text.parse::<PackageId>() {
        context.registry.find_package(id).await?
    } else {
        context
            .registry
            .find_bucket(&PackageName::parse(text)?)
            .await?
    };
    found.ok_or_else(|| Rejection::NoSuchPackage.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_a_number() {
        for wrong in ["", "-1", "+1", " 1", "1.0", "0x1", "abc", "1e3", "٣"] {
            assert_eq!(parse_number(wrong, 0), None, "{wrong}");
        }
        assert_eq!(parse_number("0", 1), None);
        assert_eq!(parse_number("007", 0), Some(7));
        assert_eq!(
            parse_number("99999999999999999999999", 0),
            Some(i64::MAX as u64)
        );
    }
}
