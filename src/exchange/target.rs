//! What a request is about: the service, a bucket, an object, a reserved key, or an endpoint of
//! the extension.
//!
//! Reads host and path only, decodes once, and asks no database whether the thing exists.

use crate::domain::name::{ObjectKey, PackageName};
use crate::exchange::fault::{Code, Fault};
use crate::wire::resource::{Resource, ResourceError};
use crate::wire::uri::percent_decode;

/// The path under which the extension API stands.
pub const EXTENSION_PREFIX: &str = "/_holdfast/v1";

/// The most bytes of a raw path and of a raw query.
const MAX_URI_BYTES: usize = 16 * 1024;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The list of buckets.
    Service,
    /// A bucket.
    Bucket(PackageName),
    /// An object that is not reserved.
    Object(PackageName, ObjectKey),
    /// A key under `.holdfast/`.
    Special(PackageName, ObjectKey),
    /// The decoded segments after `/_holdfast/v1/`.
    Extension(Vec<String>),
}

impl Target {
    /// Reads host and raw path. `authority` keeps its port; `domains` are the base domains of
    /// virtual-host style, without ports.
    pub fn parse(authority: &str, uri: &http::Uri, domains: &[String]) -> Result<Self, Fault> {
        let path = uri.path();
        if path.len() + uri.query().map_or(0, str::len) > MAX_URI_BYTES {
            return Err(Fault::new(Code::InvalidURI).message("The URI is too long."));
        }
        if let Some(bucket) = virtual_bucket(authority, domains) {
            return Self::of(Resource::in_bucket(bucket, path));
        }
        if let Some(rest) = path.strip_prefix(EXTENSION_PREFIX)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return extension(rest);
        }
        match path {
            "/" | "" => Ok(Self::Service),
            _ => Self::of(Resource::from_path(path)),
        }
    }

    fn of(resource: Result<Resource, ResourceError>) -> Result<Self, Fault> {
        let resource = resource?;
        Ok(match resource.key {
            None => Self::Bucket(resource.bucket),
            Some(key) if key.is_reserved() => Self::Special(resource.bucket, key),
            Some(key) => Self::Object(resource.bucket, key),
        })
    }

    /// The bucket, if the target is one or stands in one.
    pub fn bucket(&self) -> Option<&PackageName> {
        match self {
            Self::Bucket(bucket) | Self::Object(bucket, _) | Self::Special(bucket, _) => {
                Some(bucket)
            }
            Self::Service | Self::Extension(_) => None,
        }
    }

    /// The key, if the target is an object or a reserved key.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object(_, key) | Self::Special(_, key) => Some(key),
            Self::Service | Self::Bucket(_) | Self::Extension(_) => None,
        }
    }
}

/// The bucket that the host names in virtual-host style.
pub fn virtual_bucket<'h>(authority: &'h str, domains: &[String]) -> Option<&'h str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    domains.iter().find_map(|domain| {
        let at = host.len().checked_sub(domain.len())?;
        let (bucket, rest) = host.split_at_checked(at)?;
        rest.eq_ignore_ascii_case(domain)
            .then(|| bucket.strip_suffix('.'))
            .flatten()
            .filter(|bucket| !bucket.is_empty())
    })
}

fn extension(rest: &str) -> Result<Target, Fault> {
    let decode = |segment: &str| {
        let bytes = percent_decode(segment).map_err(|_| Fault::new(Code::InvalidURI))?;
        String::from_utf8(bytes.into_owned()).map_err(|_| Fault::new(Code::InvalidURI))
    };
    let segments = rest.split('/').skip(1);
    Ok(Target::Extension(
        segments.map(decode).collect::<Result<_, _>>()?,
    ))
}
