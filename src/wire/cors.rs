//! Cross-origin rules of a bucket: their document, and which of them lets a page through.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>
//!
//! A browser asks first (preflight) or sends at once and reads the headers of the answer. Either way
//! the first rule that allows the origin, the method and every header decides; nothing here decides
//! whether the request itself is allowed.

use serde::Deserialize;

use crate::wire::xml::{XmlError, XmlWriter, parse};

/// The most rules of a bucket.
pub const MAX_RULES: usize = 100;

/// The most characters of a rule's id.
pub const MAX_ID_CHARS: usize = 255;

/// The root of the document.
const ROOT: &str = "CORSConfiguration";

/// The methods that a rule may allow.
pub const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// The rules of a bucket, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CorsRules {
    #[serde(rename = "CORSRule", default)]
    rules: Vec<CorsRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "AllowedHeader", default)]
    headers: Vec<String>,
    #[serde(rename = "AllowedMethod", default)]
    methods: Vec<String>,
    #[serde(rename = "AllowedOrigin", default)]
    origins: Vec<String>,
    #[serde(rename = "ExposeHeader", default)]
    exposed: Vec<String>,
    #[serde(rename = "MaxAgeSeconds")]
    max_age_seconds: Option<i32>,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// No such document (MalformedXML).
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// A rule lacks an origin or a method, or there is no rule (MalformedXML).
    #[error("a rule has at least one origin and one method")]
    Incomplete,
    /// A rule that cannot be (InvalidRequest).
    #[error("{0}")]
    Invalid(String),
}

/// What a request from another origin asks.
#[derive(Debug, Clone, Copy)]
pub struct CorsRequest<'a> {
    /// `Origin`.
    pub origin: &'a str,
    /// The method: the request's own, or the one that a preflight asks for.
    pub method: &'a str,
    /// The headers that a preflight asks for.
    pub headers: &'a [String],
}

/// What the answer says to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsAnswer {
    /// `Access-Control-Allow-Origin`.
    pub origin: String,
    /// Whether `Access-Control-Allow-Credentials` is sent: unless every origin is allowed.
    pub has_credentials: bool,
    /// `Access-Control-Allow-Methods`.
    pub methods: String,
    /// `Access-Control-Allow-Headers`, for a preflight that asked for some.
    pub headers: Option<String>,
    /// `Access-Control-Expose-Headers`, if there are any.
    pub exposed: Option<String>,
    /// `Access-Control-Max-Age`.
    pub max_age_seconds: Option<i32>,
}

impl CorsRules {
    /// Reads a document that a client sends.
    pub fn parse(document: &[u8]) -> Result<Self, CorsError> {
        let rules: Self = parse(document, ROOT)?;
        if rules.rules.is_empty() {
            return Err(CorsError::Incomplete);
        }
        if rules.rules.len() > MAX_RULES {
            return Err(CorsError::Invalid(format!(
                "The number of CORS rules should not exceed allowed limit of {MAX_RULES} rules."
            )));
        }
        for rule in &rules.rules {
            rule.check()?;
        }
        Ok(rules)
    }

    /// The document, as it is kept and as it is shown.
    pub fn to_document(&self) -> String {
        let mut xml = XmlWriter::s3(ROOT);
        for rule in &self.rules {
            xml.nest("CORSRule", |xml| {
                xml.optional("ID", rule.id.as_deref());
                let lists = [
                    ("AllowedHeader", &rule.headers),
                    ("AllowedMethod", &rule.methods),
                    ("AllowedOrigin", &rule.origins),
                    ("ExposeHeader", &rule.exposed),
                ];
                for (name, texts) in lists {
                    for text in texts {
                        xml.text(name, text);
                    }
                }
                if let Some(seconds) = rule.max_age_seconds {
                    xml.value("MaxAgeSeconds", seconds);
                }
            });
        }
        xml.finish()
    }

    /// What the first rule says that lets the request through; `None` when none does.
    pub fn answer(&self, request: &CorsRequest<'_>) -> Option<CorsAnswer> {
        self.rules.iter().find_map(|rule| rule.answer(request))
    }
}

impl CorsRule {
    fn check(&self) -> Result<(), CorsError> {
        let invalid = |message: String| Err(CorsError::Invalid(message));
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(CorsError::Incomplete);
        }
        if self
            .id
            .as_ref()
            .is_some_and(|id| id.chars().count() > MAX_ID_CHARS)
        {
            return invalid(format!(
                "The ID of a CORS rule should not exceed allowed limit of {MAX_ID_CHARS} characters."
            ));
        }
        for method in &self.methods {
            if !METHODS.contains(&method.as_str()) {
                return invalid(format!(
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                ));
            }
        }
        for (name, texts) in [
            ("AllowedOrigin", &self.origins),
            ("AllowedHeader", &self.headers),
        ] {
            if let Some(text) = texts.iter().find(|text| text.matches('*').count() > 1) {
                return invalid(format!(
                    "{name} \"{text}\" can not have more than one wildcard."
                ));
            }
        }
        if let Some(text) = self.exposed.iter().find(|text| text.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{text}\" contains wildcard. We currently do not support wildcard \
                 for ExposeHeader."
            ));
        }
        Ok(())
    }

    fn answer(&self, request: &CorsRequest<'_>) -> Option<CorsAnswer> {
        let origin = self.origins.iter().find(|it| matches(it, request.origin))?;
        let is_allowed = self.methods.iter().any(|method| method == request.method)
            && request.headers.iter().all(|header| self.takes(header));
        is_allowed.then(|| CorsAnswer {
            origin: if origin == "*" { "*" } else { request.origin }.to_owned(),
            has_credentials: origin != "*",
            methods: self.methods.join(", "),
            headers: (!request.headers.is_empty()).then(|| request.headers.join(", ")),
            exposed: (!self.exposed.is_empty()).then(|| self.exposed.join(", ")),
            max_age_seconds: self.max_age_seconds,
        })
    }

    fn takes(&self, header: &str) -> bool {
        let lower = header.to_ascii_lowercase();
        self.headers
            .iter()
            .any(|pattern| matches(&pattern.to_ascii_lowercase(), &lower))
    }
}

/// Whether a text is that of a pattern, in which one `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

/// The headers that a preflight asks for, in lower case as browsers send them.
pub fn requested_headers(text: &str) -> Vec<String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(inside: &str) -> Result<CorsRules, CorsError> {
        CorsRules::parse(format!("<CORSConfiguration>{inside}</CORSConfiguration>").as_bytes())
    }

    const GET_ANY: &str = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";

    fn rule(inside: &str) -> String {
        format!("<CORSRule>{inside}</CORSRule>")
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        let long = format!("<ID>{}</ID>{GET_ANY}", "i".repeat(MAX_ID_CHARS + 1));
        let invalid = [
            (
                "<AllowedMethod>PATCH</AllowedMethod><AllowedOrigin>*</AllowedOrigin>",
                "Unsupported method is PATCH",
            ),
            (
                "<AllowedMethod>get</AllowedMethod><AllowedOrigin>*</AllowedOrigin>",
                "Unsupported method is get",
            ),
            (
                "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://*.*</AllowedOrigin>",
                "AllowedOrigin \"http://*.*\" can not have more than one wildcard.",
            ),
            (
                &format!("{GET_ANY}<AllowedHeader>*-*</AllowedHeader>"),
                "AllowedHeader \"*-*\" can not have more than one wildcard.",
            ),
            (
                &format!("{GET_ANY}<ExposeHeader>x-*</ExposeHeader>"),
                "ExposeHeader \"x-*\" contains wildcard.",
            ),
            (&long, "255 characters"),
        ];
        for (inside, message) in invalid {
            match rules(&rule(inside)) {
                Err(CorsError::Invalid(text)) => assert!(text.contains(message), "{text}"),
                other => panic!("{inside}: {other:?}"),
            }
        }
        let many = rule(GET_ANY).repeat(MAX_RULES + 1);
        assert!(matches!(rules(&many), Err(CorsError::Invalid(_))));
        assert!(rules(&rule(GET_ANY).repeat(MAX_RULES)).is_ok());
        for incomplete in [
            "",
            "<CORSRule/>",
            "<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>",
            "<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>",
        ] {
            assert_eq!(
                rules(incomplete),
                Err(CorsError::Incomplete),
                "{incomplete}"
            );
        }
        for malformed in [
            "<CORSRule>",
            "<Other/>x<",
            &rule("<MaxAgeSeconds>a</MaxAgeSeconds>"),
            &rule(&format!("{GET_ANY}<AllowedColour>red</AllowedColour>")),
        ] {
            assert!(
                matches!(rules(malformed), Err(CorsError::Xml(_))),
                "{malformed}"
            );
        }
        assert!(CorsRules::parse(b"<Cors/>").is_err());
    }

    #[test]
    fn a_document_is_kept_as_it_was() {
        let inside = "<CORSRule><ID>a&amp;b</ID><AllowedHeader>*</AllowedHeader>\
            <AllowedHeader>x-amz-*</AllowedHeader><AllowedMethod>GET</AllowedMethod>\
            <AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://a.example</AllowedOrigin>\
            <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>0</MaxAgeSeconds></CORSRule>\
            <CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";
        let read = rules(inside).unwrap();
        let document = read.to_document();
        assert!(document.contains(inside), "{document}");
        assert_eq!(CorsRules::parse(document.as_bytes()), Ok(read));
    }

    #[test]
    fn the_first_rule_that_allows_all_decides() {
        let all = rules(
            "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://a.example</AllowedOrigin>\
             <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-a</ExposeHeader></CORSRule>\
             <CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>\
             <AllowedOrigin>https://*.example</AllowedOrigin><AllowedHeader>X-Amz-*</AllowedHeader>\
             <AllowedHeader>content-type</AllowedHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>\
             <CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>",
        )
        .unwrap();
        let ask = |origin, method, headers: &str| {
            let headers = requested_headers(headers);
            all.answer(&CorsRequest {
                origin,
                method,
                headers: &headers,
            })
        };
        let first = ask("http://a.example", "GET", "").unwrap();
        assert_eq!(first.origin, "http://a.example");
        assert!(first.has_credentials);
        assert_eq!(first.exposed.as_deref(), Some("ETag, x-a"));
        assert_eq!((first.headers, first.max_age_seconds), (None, None));

        let second = ask("https://b.example", "PUT", "X-AMZ-Date, Content-Type").unwrap();
        assert_eq!(second.methods, "PUT, GET");
        assert_eq!(second.headers.as_deref(), Some("x-amz-date, content-type"));
        assert_eq!(second.max_age_seconds, Some(60));

        let any = ask("https://c.other", "GET", "").unwrap();
        assert_eq!((any.origin.as_str(), any.has_credentials), ("*", false));

        for (origin, method, headers) in [
            ("https://b.example", "DELETE", ""),
            ("https://b.example", "PUT", "x-other"),
            ("http://b.example", "PUT", ""),
            ("https://c.other", "GET", "content-type"),
            ("https://b.example.org", "PUT", ""),
            ("https://b.example", "put", ""),
        ] {
            assert_eq!(
                ask(origin, method, headers),
                None,
                "{origin} {method} {headers}"
            );
        }
    }

    #[test]
    fn a_wildcard_stands_for_any_text() {
        let cases = [
            ("*", "", true),
            ("*", "https://a", true),
            ("https://*", "https://", true),
            ("*.example", "a.example", true),
            ("*.example", "example", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*", "axb*", true),
            ("a", "A", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
