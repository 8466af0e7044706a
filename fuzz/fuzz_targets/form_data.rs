//! A form is the same however it is cut, and nothing makes a panic.
#![no_main]

use holdfast::wire::form_data::{FormDecoder, FormStep, PartHead, boundary};
use libfuzzer_sys::fuzz_target;

/// The parts of a body that comes in pieces of this size.
fn parts(body: &[u8], piece: usize) -> Option<Vec<(PartHead, Vec<u8>)>> {
    let mut decoder = FormDecoder::new("X");
    let mut pieces = body.chunks(piece);
    let mut found: Vec<(PartHead, Vec<u8>)> = Vec::new();
    loop {
        match decoder.step().ok()? {
            FormStep::More => decoder.feed(pieces.next()?),
            FormStep::Part(head) => found.push((head, Vec::new())),
            FormStep::Data(bytes) => found.last_mut()?.1.extend_from_slice(&bytes),
            FormStep::PartEnd => {}
            FormStep::End => return Some(found),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else {
        return;
    };
    if let Ok(text) = std::str::from_utf8(body) {
        let _ = boundary(text);
    }
    let piece = usize::from(first) + 1;
    let (whole, cut) = (parts(body, usize::MAX), parts(body, piece));
    if let (Some(whole), Some(cut)) = (whole, cut) {
        assert_eq!(whole, cut);
    }
});
