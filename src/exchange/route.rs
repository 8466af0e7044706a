//! A row of a route table, and how rows are matched. Knows no operation: the tables are in
//! `s3/routes.rs` and `api/routes.rs`.
//!
//! Default deny: a query key that is neither named by the row, nor a key of signing, nor
//! `response-*`, nor `x-id`, makes the answer 501, so that a sub-resource that is not built is
//! never mistaken for a plain GET or PUT.

use http::{HeaderMap, Method};

use crate::domain::verb::Verb;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::target::Target;
use crate::wire::uri::Query;

/// What kind of target a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The list of buckets.
    Service,
    /// A bucket.
    Bucket,
    /// An object that is not reserved.
    Object,
    /// A key under `.holdfast/`.
    Special,
    /// An endpoint of the extension: segments, of which `{name}` takes any one. `{p}` is a bucket
    /// name or a package id, and admission finds the package.
    Extension(&'static str),
}

/// What must be there for a row to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A query key.
    Query(&'static str),
    /// A query key with this value.
    Value(&'static str, &'static str),
    /// A header, by its lowercase name.
    Header(&'static str),
}

/// A query key that must be there.
pub const fn q(key: &'static str) -> Need {
    Need::Query(key)
}

/// A query key that must have a value.
pub const fn v(key: &'static str, value: &'static str) -> Need {
    Need::Value(key, value)
}

/// A header that must be there.
pub const fn h(name: &'static str) -> Need {
    Need::Header(name)
}

/// Who may. This is the whole authorisation statement of a row; `admit.rs` is its only reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever may do this to the package of the target, which must exist: to the key if the
    /// target has one, else to the package as a whole.
    Package(Verb),
    /// Whoever may do this to every key of the package that begins with the query's `prefix`.
    Prefix(Verb),
    /// Whoever may do this to some keys of the package; the handler judges each key, or gives away
    /// none.
    SomeKeys(Verb),
    /// Whoever may do this to every package.
    Everywhere(Verb),
    /// Anyone with a valid signature; the handler shows or allows only what is the caller's.
    Caller,
    /// Anyone at all, signed or not: nothing is authenticated. Only for what gives nothing away.
    Anyone,
    /// Whoever the form in the body says, to a package that exists; the handler authenticates and
    /// authorizes before it acts.
    Form,
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing that is read.
    None,
    /// A small document of at most so many bytes.
    Document(usize),
    /// The same, but the checksum headers speak of an object and not of the document
    /// (CompleteMultipartUpload).
    ObjectDocument(usize),
    /// Bytes that are not gathered.
    Stream,
    /// A browser's form, which is not gathered either. Headers claim nothing of its bytes.
    Form,
}

/// One kibibyte.
pub const KIB: usize = 1024;

/// A row of a table.
#[derive(Debug)]
pub struct Row<O: 'static> {
    /// The method.
    pub method: Method,
    /// The kind of target.
    pub scope: Scope,
    /// What must be there.
    pub needs: &'static [Need],
    /// The query keys that may be there; one that ends in `*` stands for all that begin so.
    pub may: &'static [&'static str],
    /// The operation.
    pub operation: O,
    /// Who may.
    pub access: Access,
    /// What the body is.
    pub body: BodyKind,
}

/// A row, in the order of the table's columns.
pub const fn row<O>(
    method: Method,
    scope: Scope,
    needs: &'static [Need],
    may: &'static [&'static str],
    operation: O,
    access: Access,
    body: BodyKind,
) -> Row<O> {
    Row {
        method,
        scope,
        needs,
        may,
        operation,
        access,
        body,
    }
}

/// The segments of an extension path that the pattern of its row names.
pub type Parameters = Vec<(&'static str, String)>;

/// The first row that matches, and the parameters of its pattern.
pub fn find<'t, O>(
    table: &'t [Row<O>],
    method: &Method,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<(&'t Row<O>, Parameters), Fault> {
    for row in table {
        if row.method != *method || !row.scope.takes(target) || !row.has_needs(query, headers) {
            continue;
        }
        row.check_query(query)?;
        return Ok((row, row.scope.parameters(target)));
    }
    Err(unmatched(table, target, query, method))
}

impl Scope {
    fn takes(self, target: &Target) -> bool {
        match (self, target) {
            (Self::Service, Target::Service)
            | (Self::Bucket, Target::Bucket(_))
            | (Self::Object, Target::Object(..))
            | (Self::Special, Target::Special(..)) => true,
            (Self::Extension(pattern), Target::Extension(segments)) => {
                let mut wanted = pattern.split('/');
                segments.iter().all(|segment| {
                    wanted.next().is_some_and(|want| {
                        want == segment || (want.starts_with('{') && !segment.is_empty())
                    })
                }) && wanted.next().is_none()
            }
            _ => false,
        }
    }

    fn parameters(self, target: &Target) -> Parameters {
        let (Self::Extension(pattern), Target::Extension(segments)) = (self, target) else {
            return Vec::new();
        };
        let named = |want: &'static str| want.strip_prefix('{')?.strip_suffix('}');
        pattern
            .split('/')
            .zip(segments)
            .filter_map(|(want, segment)| Some((named(want)?, segment.clone())))
            .collect()
    }
}

impl<O> Row<O> {
    fn has_needs(&self, query: &Query, headers: &HeaderMap) -> bool {
        self.needs.iter().all(|need| match *need {
            Need::Query(key) => query.contains(key),
            Need::Value(key, value) => query.get(key) == Some(value),
            Need::Header(name) => headers.contains_key(name),
        })
    }

    /// Refuses keys that the row does not know, and keys that stand twice.
    fn check_query(&self, query: &Query) -> Result<(), Fault> {
        for (key, _) in query.iter() {
            if !self.knows(key) && !is_common(key) {
                return Err(not_implemented(key));
            }
            if query.count(key) > 1 {
                return Err(Fault::new(Code::InvalidArgument)
                    .message("A query parameter is given more than once.")
                    .detail("ArgumentName", key));
            }
        }
        Ok(())
    }

    fn knows(&self, key: &str) -> bool {
        self.may.iter().any(|&name| match name.strip_suffix('*') {
            Some(start) => key.starts_with(start),
            None => name == key,
        }) || self.needs.iter().any(|need| match *need {
            Need::Query(name) | Need::Value(name, _) => name == key,
            Need::Header(_) => false,
        })
    }
}

/// Keys that may stand on any request: those of signing in both versions, `x-id` of the SDKs, and
/// the overrides of response headers, which only reads heed. The headers that clients of signature
/// version 2 put into the query are read there, so they are common too.
fn is_common(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.starts_with("x-amz-")
        || lower.starts_with("response-")
        || matches!(
            key,
            "x-id" | "AWSAccessKeyId" | "Signature" | "Expires" | "content-type" | "content-md5"
        )
}

fn not_implemented(key: &str) -> Fault {
    Fault::new(Code::NotImplemented)
        .message("A query parameter you provided implies functionality that is not implemented.")
        .detail("Parameter", key)
}

fn unmatched<O>(table: &[Row<O>], target: &Target, query: &Query, method: &Method) -> Fault {
    if let Some((key, _)) = query.iter().find(|(key, _)| !is_common(key)) {
        return not_implemented(key);
    }
    let is_known = table.iter().any(|row| row.scope.takes(target));
    match *target {
        Target::Extension(_) if !is_known => Fault::new(Code::NoSuchEndpoint),
        _ => Fault::new(Code::MethodNotAllowed).detail("Method", method.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Act {
        Tag,
        Copy,
        Put,
        Show,
    }

    const ANY: Access = Access::Caller;
    const NONE: BodyKind = BodyKind::None;

    #[rustfmt::skip]
    static TABLE: &[Row<Act>] = &[
        row(Method::PUT, Scope::Object, &[q("tag"), v("n", "2")], &["why"], Act::Tag, ANY, NONE),
        row(Method::PUT, Scope::Object, &[h("x-copy")], &[], Act::Copy, ANY, NONE),
        row(Method::PUT, Scope::Object, &[], &["metadata.*"], Act::Put, ANY, NONE),
        row(Method::GET, Scope::Extension("packages/{p}/files/{id}"), &[], &[], Act::Show, ANY, NONE),
    ];

    fn find_in(
        method: &str,
        uri: &str,
        header: Option<&'static str>,
    ) -> Result<(Act, Parameters), Code> {
        let uri: http::Uri = uri.parse().unwrap();
        let target = Target::parse("h", &uri, &[]).unwrap();
        let query = Query::parse(uri.query().unwrap_or_default()).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, "1".parse().unwrap());
        }
        find(TABLE, &method.parse().unwrap(), &target, &query, &headers)
            .map(|(row, parameters)| (row.operation, parameters))
            .map_err(|fault| fault.code())
    }

    #[test]
    fn what_no_row_takes_is_refused() {
        let cases = [
            ("PUT", "/bucket/k?acl", Code::NotImplemented),
            ("PUT", "/bucket/k?tag&n=1", Code::NotImplemented),
            ("PUT", "/bucket/k?tag&n=2&acl", Code::NotImplemented),
            ("PUT", "/bucket/k?metadata", Code::NotImplemented),
            (
                "PUT",
                "/bucket/k?metadata.a=1&metadata.a=2",
                Code::InvalidArgument,
            ),
            ("GET", "/bucket/k?acl", Code::NotImplemented),
            ("GET", "/bucket/k", Code::MethodNotAllowed),
            ("OPTIONS", "/bucket/k", Code::MethodNotAllowed),
            ("POST", "/bucket", Code::MethodNotAllowed),
            ("PUT", "/bucket", Code::MethodNotAllowed),
            ("GET", "/_holdfast/v1/packages", Code::NoSuchEndpoint),
            (
                "GET",
                "/_holdfast/v1/packages/a/files/",
                Code::NoSuchEndpoint,
            ),
            (
                "GET",
                "/_holdfast/v1/packages/a/files/b/c",
                Code::NoSuchEndpoint,
            ),
            (
                "POST",
                "/_holdfast/v1/packages/a/files/b",
                Code::MethodNotAllowed,
            ),
        ];
        for (method, uri, code) in cases {
            let found = find_in(method, uri, None);
            assert_eq!(found.unwrap_err(), code, "{method} {uri}");
        }
    }

    #[test]
    fn the_first_row_that_matches_wins() {
        let cases = [
            ("/bucket/k?tag&n=2", None, Act::Tag),
            ("/bucket/k?tag&n=2&why=x", Some("x-copy"), Act::Tag),
            ("/bucket/k", Some("x-copy"), Act::Copy),
            ("/bucket/k", None, Act::Put),
            ("/bucket/k?metadata.a=1&metadata.b=2", None, Act::Put),
            (
                "/bucket/k?x-id=PutObject&X-Amz-Signature=a&response-expires=b&AWSAccessKeyId=c",
                None,
                Act::Put,
            ),
        ];
        for (uri, header, act) in cases {
            let found = find_in("PUT", uri, header);
            assert_eq!(found.map(|found| found.0), Ok(act), "{uri}");
        }
        let found = find_in("GET", "/_holdfast/v1/packages/a%2Fb/files/7", None);
        let parameters = vec![("p", "a/b".to_owned()), ("id", "7".to_owned())];
        assert_eq!(found, Ok((Act::Show, parameters)));
    }
}
