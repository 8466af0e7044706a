//! XML within limits: a small writer for answers, and a reader for small documents.
//!
//! The caller bounds the bytes of a document; this file bounds its depth and attributes, and
//! refuses a DTD, another root, and anything after the root.

use std::fmt::Display;

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
    let _ = (bytes, root);
    todo!()
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
        let _ = root;
        todo!()
    }

    /// A document with declaration and without a namespace, such as `Error`.
    pub fn plain(root: &'static str) -> Self {
        let _ = root;
        todo!()
    }

    /// A root with S3's namespace that follows an already sent [`DECLARATION`].
    pub fn s3_without_declaration(root: &'static str) -> Self {
        let _ = root;
        todo!()
    }

    /// `<name>text</name>`, with the text escaped.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        let _ = (name, text);
        todo!()
    }

    /// `<name>value</name>` for numbers and booleans, whose text needs no escaping.
    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        let _ = (name, value);
        todo!()
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
        let _ = name;
        inside(self);
        todo!()
    }

    /// An element that carries `xsi:type`, as `Grantee` does.
    pub fn nest_typed(
        &mut self,
        name: &str,
        xsi_type: &str,
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        let _ = (name, xsi_type);
        inside(self);
        todo!()
    }

    /// The document, its root closed.
    pub fn finish(self) -> String {
        let _ = self.root;
        self.out
    }
}
