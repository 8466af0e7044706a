//! No document makes a panic, and what the writer escapes reads back the same.
#![no_main]

use holdfast::wire::xml::{XmlWriter, parse};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

#[derive(Deserialize)]
struct Root {
    #[serde(rename = "Key", default)]
    keys: Vec<String>,
}

fuzz_target!(|bytes: &[u8]| {
    let _ = parse::<Root>(bytes, "Root");
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // Characters that a reader refuses even as references.
    if text.contains(['\0', '\u{fffe}', '\u{ffff}']) {
        return;
    }
    let mut xml = XmlWriter::plain("Root");
    xml.text("Key", text);
    let root: Root = parse(xml.finish().as_bytes(), "Root").expect("our own document");
    assert_eq!(root.keys, [text]);
});
