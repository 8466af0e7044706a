//! What a request is about: the service, a bucket, an object, a reserved key, or an endpoint of
//! the extension.
//!
//! Reads host and path only, decodes once, and asks no database whether the thing exists.

use crate::domain::name::{ObjectKey, PackageName};
use crate::exchange::fault::{Code, Fault};
use crate::wire::resource::{Resource, ResourceError};
use crate::wire::uri::{Query, percent_decode};

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

/// The decoded query of a request.
pub fn read_query(uri: &http::Uri) -> Result<Query, Fault> {
    Ok(Query::parse(uri.query().unwrap_or_default())?)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(host: &str, path: &str) -> Result<Target, Code> {
        let domains = ["s3.example.org".to_owned(), "localhost".to_owned()];
        let uri = path.parse().unwrap();
        Target::parse(host, &uri, &domains).map_err(|fault| fault.code())
    }

    fn bucket(name: &str) -> Target {
        Target::Bucket(PackageName::parse(name).unwrap())
    }

    fn object(name: &str, key: &str) -> Target {
        let key = ObjectKey::parse(key).unwrap();
        Target::Object(PackageName::parse(name).unwrap(), key)
    }

    #[test]
    fn what_is_no_target_is_refused_by_its_code() {
        let long = format!("/bucket/{}", "k".repeat(1025));
        let uri = format!("/bucket/{}?{}", "k".repeat(8000), "q".repeat(9000));
        let wrong = [
            ("/Bucket/key", Code::InvalidBucketName),
            ("/ab", Code::InvalidBucketName),
            ("/b%2Fcket/key", Code::InvalidBucketName),
            ("//bucket/key", Code::InvalidBucketName),
            ("/_holdfast", Code::InvalidBucketName),
            ("/_holdfast/v2/events", Code::InvalidBucketName),
            ("/_holdfast/v1x", Code::InvalidBucketName),
            ("/bucket/%zz", Code::InvalidURI),
            ("/bucket/%f", Code::InvalidURI),
            ("/bucket/%FF", Code::InvalidURI),
            ("/_holdfast/v1/%FF", Code::InvalidURI),
            (&long, Code::KeyTooLongError),
            (&uri, Code::InvalidURI),
        ];
        for (path, code) in wrong {
            assert_eq!(parse("127.0.0.1:9000", path), Err(code), "{path}");
        }
        assert_eq!(
            parse("X.s3.example.org", "/k"),
            Err(Code::InvalidBucketName)
        );
    }

    #[test]
    fn path_style_names_bucket_and_key() {
        let cases = [
            ("/", Target::Service),
            ("/bucket", bucket("bucket")),
            ("/bucket/", bucket("bucket")),
            ("/bucket?x", bucket("bucket")),
            ("/bucket//", object("bucket", "/")),
            ("/bucket/a/", object("bucket", "a/")),
            ("/bucket//a//..//b", object("bucket", "/a//..//b")),
            ("/bucket/a%2Fb%252F+%20", object("bucket", "a/b%2F+ ")),
            ("/bucket/%C3%A9", object("bucket", "é")),
            ("/bucket/.holdfast", object("bucket", ".holdfast")),
            ("/bucket/.Holdfast/x", object("bucket", ".Holdfast/x")),
        ];
        for (path, expected) in cases {
            assert_eq!(parse("127.0.0.1:9000", path), Ok(expected), "{path}");
        }
        let special = |key: &str| {
            let key = ObjectKey::parse(key).unwrap();
            Ok(Target::Special(PackageName::parse("bucket").unwrap(), key))
        };
        for path in [
            "/bucket/.holdfast/finalize",
            "/bucket/%2Eholdfast%2Ffinalize",
        ] {
            assert_eq!(parse("h", path), special(".holdfast/finalize"), "{path}");
        }
        let extension = |segments: &[&str]| {
            let segments = segments.iter().map(|&s| s.to_owned()).collect();
            Ok(Target::Extension(segments))
        };
        assert_eq!(parse("h", "/_holdfast/v1"), extension(&[]));
        assert_eq!(
            parse("h", "/_holdfast/v1/packages/a%2Fb"),
            extension(&["packages", "a/b"])
        );
    }

    #[test]
    fn the_host_names_the_bucket_under_a_base_domain() {
        let cases = [
            ("bucket.s3.example.org", "/", bucket("bucket")),
            ("bucket.S3.Example.Org:9000", "/", bucket("bucket")),
            ("a.b.s3.example.org", "/k/", object("a.b", "k/")),
            (
                "bucket.localhost:1",
                "/_holdfast/v1",
                object("bucket", "_holdfast/v1"),
            ),
            ("s3.example.org", "/bucket", bucket("bucket")),
            (".s3.example.org", "/bucket", bucket("bucket")),
            ("xs3.example.org", "/bucket", bucket("bucket")),
            ("[::1]:9000", "/bucket", bucket("bucket")),
            ("é", "/bucket", bucket("bucket")),
        ];
        for (host, path, expected) in cases {
            assert_eq!(parse(host, path), Ok(expected), "{host} {path}");
        }
    }
}
