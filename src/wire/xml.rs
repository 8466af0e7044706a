//! XML within limits: a small writer for answers, and a reader for small documents.
//!
//! The caller bounds the bytes of a document; this file bounds its depth and attributes, and
//! refuses a DTD, another root, and anything after the root.

use std::fmt::{Display, Write as _};

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::de::DeserializeOwned;

/// The namespace of S3's documents.
pub const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What every document begins with. A long operation may send it, then blanks, then the root.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The deepest nesting of elements that is read.
pub const MAX_DEPTH: usize = 16;

/// The most attributes that one element may have.
pub const MAX_ATTRIBUTES: usize = 32;

/// Why a document is refused (MalformedXML).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// No well-formed XML, or not of the schema.
    #[error("the XML is not well-formed or does not match the schema: {0}")]
    Malformed(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("the XML is nested too deeply")]
    TooDeep,
    /// More than [`MAX_ATTRIBUTES`] on one element.
    #[error("an XML element has too many attributes")]
    TooManyAttributes,
    /// A document type declaration.
    #[error("the XML must not have a document type declaration")]
    Dtd,
    /// The root has another name.
    #[error("the root of the XML must be {0}")]
    WrongRoot(&'static str),
}

/// Reads a document whose root has this (local) name.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], root: &'static str) -> Result<T, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_shape(text, root)?;
    quick_xml::de::from_str(text).map_err(malformed)
}

/// Walks through the whole document once, with a counter instead of recursion, so that what serde
/// sees afterwards is bounded. serde checks neither the name of the root nor what follows it.
fn check_shape(text: &str, root: &'static str) -> Result<(), XmlError> {
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    let mut has_root = false;
    loop {
        let event = reader.read_event().map_err(malformed)?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                if depth == 0 && has_root {
                    return Err(malformed("there is more than one root"));
                }
                if depth == 0 && start.local_name().as_ref() != root {
                    return Err(XmlError::WrongRoot(root));
                }
                if start.attributes().with_checks(false).count() > MAX_ATTRIBUTES {
                    return Err(XmlError::TooManyAttributes);
                }
                has_root = true;
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                }
                if depth > MAX_DEPTH {
                    return Err(XmlError::TooDeep);
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(_) => return Err(XmlError::Dtd),
            Event::Text(text) if depth == 0 && !text.as_ref().trim_ascii().is_empty() => {
                return Err(malformed("there is text outside of the root"));
            }
            Event::CData(_) | Event::GeneralRef(_) if depth == 0 => {
                return Err(malformed("there is text outside of the root"));
            }
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
            Event::Eof if depth == 0 && has_root => return Ok(()),
            Event::Eof => return Err(malformed("it ends too early")),
        }
    }
}

fn malformed(error: impl Display) -> XmlError {
    XmlError::Malformed(error.to_string())
}

/// Writes one document, element by element.
#[derive(Debug)]
pub struct XmlWriter {
    out: String,
    root: &'static str,
}

impl XmlWriter {
    /// A document with declaration and S3's namespace on its root.
    pub fn s3(root: &'static str) -> Self {
        let mut out = String::with_capacity(512);
        out.push_str(DECLARATION);
        Self::begin(out, root, Some(S3_NAMESPACE))
    }

    /// A document with declaration and without a namespace, such as `Error`.
    pub fn plain(root: &'static str) -> Self {
        let mut out = String::with_capacity(512);
        out.push_str(DECLARATION);
        Self::begin(out, root, None)
    }

    /// A root with S3's namespace that follows an already sent [`DECLARATION`].
    pub fn s3_without_declaration(root: &'static str) -> Self {
        Self::begin(String::new(), root, Some(S3_NAMESPACE))
    }

    /// A root without a namespace that follows an already sent [`DECLARATION`]: the error of a
    /// long operation.
    pub fn plain_without_declaration(root: &'static str) -> Self {
        Self::begin(String::new(), root, None)
    }

    fn begin(mut out: String, root: &'static str, namespace: Option<&str>) -> Self {
        out.push('<');
        out.push_str(root);
        if let Some(namespace) = namespace {
            out.push_str(" xmlns=\"");
            out.push_str(namespace);
            out.push('"');
        }
        out.push('>');
        Self { out, root }
    }

    /// Makes room for so many more bytes, when their number is known beforehand.
    pub fn reserve(&mut self, bytes: usize) -> &mut Self {
        self.out.reserve(bytes);
        self
    }

    /// `<name>text</name>`, with the text escaped.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name);
        escape_into(&mut self.out, text);
        self.close(name)
    }

    /// `<name>value</name>` for numbers and booleans, whose text needs no escaping.
    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.open(name);
        write!(self.out, "{value}").expect("a string takes everything");
        self.close(name)
    }

    /// The element if there is a text.
    pub fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// An element with whatever the closure writes inside.
    pub fn nest(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        inside(self);
        self.close(name)
    }

    /// An element that carries `xsi:type`, as `Grantee` does.
    pub fn nest_typed(
        &mut self,
        name: &str,
        xsi_type: &str,
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(XSI_TYPE);
        escape_into(&mut self.out, xsi_type);
        self.out.push_str("\">");
        inside(self);
        self.close(name)
    }

    /// The document, its root closed.
    pub fn finish(mut self) -> String {
        let root = self.root;
        self.close(root);
        self.out
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }
}

const XSI_TYPE: &str = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";

/// Escapes markup, and control characters as AWS does (`&#x1;`): XML 1.0 has no way to write them,
/// and a lenient client reads this one. A CR would be read as a line feed, so it is escaped too.
///
/// Goes over bytes, because a page of a listing is a hundred thousand of them.
fn escape_into(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if IS_PLAIN[usize::from(byte)] {
            continue;
        }
        // U+FFFE and U+FFFF are three bytes; 0xEF also begins many characters that are fine.
        let (length, fixed) = match (byte, bytes.get(at + 1..at + 3)) {
            (b'<', _) => (1, "&lt;"),
            (b'>', _) => (1, "&gt;"),
            (b'&', _) => (1, "&amp;"),
            (b'"', _) => (1, "&quot;"),
            (b'\r', _) => (1, "&#13;"),
            (0xef, Some([0xbf, 0xbe])) => (3, "&#xfffe;"),
            (0xef, Some([0xbf, 0xbf])) => (3, "&#xffff;"),
            (0xef, _) => continue,
            (_, _) => (1, ""),
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + length;
        if fixed.is_empty() {
            write!(out, "&#x{byte:x};").expect("a string takes everything");
        } else {
            out.push_str(fixed);
        }
    }
    out.push_str(&text[plain_from..]);
}

/// The bytes that need no second look.
const IS_PLAIN: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = matches!(byte as u8, b'\t' | b'\n');
        byte += 1;
    }
    table[b'<' as usize] = false;
    table[b'>' as usize] = false;
    table[b'&' as usize] = false;
    table[b'"' as usize] = false;
    table[0xef] = false;
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Delete {
        #[serde(rename = "Object", default)]
        objects: Vec<Object>,
        #[serde(rename = "Quiet", default)]
        quiet: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Object {
        #[serde(rename = "Key")]
        key: String,
    }

    fn read(text: &str) -> Result<Delete, XmlError> {
        parse(text.as_bytes(), "Delete")
    }

    #[test]
    fn what_breaks_a_limit_is_refused() {
        let deep = |n: usize| format!("<Delete>{}{}</Delete>", "<a>".repeat(n), "</a>".repeat(n));
        let wide = |n: usize| {
            let attributes: Vec<_> = (0..n).map(|i| format!(" a{i}=\"\"")).collect();
            format!("<Delete{}></Delete>", attributes.concat())
        };
        assert_eq!(read(&deep(MAX_DEPTH)), Err(XmlError::TooDeep));
        assert_eq!(read(&deep(200_000)), Err(XmlError::TooDeep));
        assert!(read(&deep(MAX_DEPTH - 1)).is_ok());
        assert_eq!(
            read(&wide(MAX_ATTRIBUTES + 1)),
            Err(XmlError::TooManyAttributes)
        );
        assert!(read(&wide(MAX_ATTRIBUTES)).is_ok());
        let dtd = "<!DOCTYPE d [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Delete/>";
        assert_eq!(read(dtd), Err(XmlError::Dtd));
        assert_eq!(read("<Remove/>"), Err(XmlError::WrongRoot("Delete")));
        let malformed = [
            "",
            " ",
            "<Delete>",
            "<Delete></Remove>",
            "<Delete/><Delete/>",
            "<Delete/>x",
            "x<Delete/>",
            "<Delete/>&amp;",
            "<Delete/><![CDATA[x]]>",
            "<Delete><Object/></Delete>",
            "<Delete><Quiet>perhaps</Quiet></Delete>",
            "<Delete><Object><Key>&e;</Key></Object></Delete>",
            "<Delete a=>",
            "<!-- ",
        ];
        for text in malformed {
            let found = read(text);
            assert!(
                matches!(found, Err(XmlError::Malformed(_))),
                "{text}: {found:?}"
            );
        }
        assert!(parse::<Delete>(b"<Delete>\xff</Delete>", "Delete").is_err());
    }

    #[test]
    fn clients_write_documents_in_their_own_ways() {
        let object = |key: &str| Object {
            key: key.to_owned(),
        };
        let expected = Delete {
            objects: vec![object("a b"), object("<é&\r\u{1}")],
            quiet: true,
        };
        let bodies = "<Object><Key>a b</Key></Object><Quiet>true</Quiet><Object><VersionId/>\
                      <Key>&lt;é&amp;&#13;&#x1;</Key></Object>";
        let s3 = format!("<Delete xmlns=\"{S3_NAMESPACE}\">{bodies}</Delete>");
        let texts = [
            s3.clone(),
            format!("{DECLARATION}\n{s3}\n"),
            format!("\u{feff}{DECLARATION}<!-- c -->{s3}<!-- d -->"),
            format!("<Delete>{bodies}</Delete>"),
            format!("<x:Delete xmlns:x=\"{S3_NAMESPACE}\">{bodies}</x:Delete>"),
        ];
        for text in texts {
            assert_eq!(read(&text).as_ref(), Ok(&expected), "{text}");
        }
        assert!(read("<Delete/>").unwrap().objects.is_empty());
    }

    #[test]
    fn the_writer_escapes_what_xml_cannot_hold() {
        let mut xml = XmlWriter::s3("List");
        xml.text("Wide", "\u{feff}\u{ffef}\u{fffd}\u{ffff}")
            .text("Key", "a<b>&\"c\"\r\n\t\u{1}\u{b}\u{fffe}é\u{1f600}\u{7f}")
            .value("Size", 5)
            .value("IsTruncated", false)
            .optional("Marker", None)
            .optional("Prefix", Some(""))
            .nest("Owner", |xml| {
                xml.text("ID", "root");
            })
            .nest_typed("Grantee", "CanonicalUser", |_| {});
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <List xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Wide>\u{feff}\u{ffef}\u{fffd}&#xffff;</Wide>\
            <Key>a&lt;b&gt;&amp;&quot;c&quot;&#13;\n\t&#x1;&#xb;&#xfffe;é\u{1f600}\u{7f}</Key>\
            <Size>5</Size><IsTruncated>false</IsTruncated><Prefix></Prefix>\
            <Owner><ID>root</ID></Owner>\
            <Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
            xsi:type=\"CanonicalUser\"></Grantee></List>";
        assert_eq!(xml.finish(), expected);
        assert_eq!(
            XmlWriter::plain("Error").finish(),
            format!("{DECLARATION}<Error></Error>")
        );
        let later = XmlWriter::s3_without_declaration("R").finish();
        assert_eq!(later, format!("<R xmlns=\"{S3_NAMESPACE}\"></R>"));
        assert_eq!(
            XmlWriter::plain_without_declaration("R").finish(),
            "<R></R>"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(
            keys in prop::collection::vec("(\\PC|[ \t\r\n<>&\"'\u{1}\u{feff}\u{85}]){0,8}", 1..4),
        ) {
            let mut xml = XmlWriter::s3("Delete");
            for key in &keys {
                xml.nest("Object", |xml| {
                    xml.text("Key", key);
                });
            }
            let found = read(&xml.finish()).unwrap();
            let found: Vec<_> = found.objects.into_iter().map(|object| object.key).collect();
            prop_assert_eq!(found, keys);
        }

        #[test]
        fn no_document_makes_a_panic(text in "[<>/!?&;\\[\\]a-z\"'= -]{0,60}", bytes: Vec<u8>) {
            let _ = read(&text);
            let _ = parse::<Delete>(&bytes, "Delete");
            let _ = read(&format!("<Delete>{text}</Delete>"));
        }
    }
}
