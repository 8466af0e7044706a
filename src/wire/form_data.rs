//! `multipart/form-data` as browsers send it, taken apart step by step.
//! <https://www.rfc-editor.org/rfc/rfc7578>
//!
//! Is fed bytes and never awaits; holds no more than one frame and the head of a part, whatever the
//! client sends (the parsers at hand gather a body as fast as it arrives). Knows no field by name.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

/// The longest boundary.
pub const MAX_BOUNDARY_BYTES: usize = 70;

/// The most bytes of the head of a part.
pub const MAX_PART_HEAD_BYTES: usize = 8 * 1024;

/// The most bytes before the first part.
pub const MAX_PREAMBLE_BYTES: usize = 8 * 1024;

/// The most blanks after a boundary.
const MAX_PADDING_BYTES: usize = 64;

/// Why a body is refused (MalformedPOSTRequest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form is malformed: {0}")]
pub struct FormDataError(pub &'static str);

/// What comes next in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormStep {
    /// More bytes are needed.
    More,
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part.
    Data(Bytes),
    /// The part is whole.
    PartEnd,
    /// The form is whole. What follows means nothing.
    End,
}

/// The head of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// The name of the file, as the client has it.
    pub file_name: Option<String>,
}

/// Takes a form apart.
pub struct FormDecoder {
    buffer: BytesMut,
    delimiter: Finder<'static>,
    state: State,
    /// How many bytes came before the first part.
    preamble_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    AfterDelimiter,
    Head,
    Body,
    Done,
}

impl FormDecoder {
    /// A decoder for a form with this boundary.
    pub fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            // The first boundary has no line before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            state: State::Preamble,
            preamble_bytes: 0,
        }
    }

    /// Takes bytes of the body, once a step has asked for more.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next step.
    pub fn step(&mut self) -> Result<FormStep, FormDataError> {
        loop {
            match self.state {
                State::Preamble => {
                    let found = self.delimiter.find(&self.buffer);
                    let passed = found.unwrap_or_else(|| self.safe_bytes());
                    self.buffer.advance(passed);
                    self.preamble_bytes += passed;
                    if self.preamble_bytes > MAX_PREAMBLE_BYTES {
                        return Err(FormDataError("the boundary does not come"));
                    }
                    if found.is_none() {
                        return Ok(FormStep::More);
                    }
                    self.buffer.advance(self.delimiter.needle().len());
                    self.state = State::AfterDelimiter;
                }
                State::AfterDelimiter => {
                    if !self.pass_delimiter()? {
                        return Ok(FormStep::More);
                    }
                }
                State::Head => {
                    return Ok(self.head()?.map_or(FormStep::More, FormStep::Part));
                }
                State::Body => return Ok(self.body()),
                State::Done => return Ok(FormStep::End),
            }
        }
    }

    /// How many bytes certainly belong to no delimiter.
    fn safe_bytes(&self) -> usize {
        (self.buffer.len() + 1).saturating_sub(self.delimiter.needle().len())
    }

    /// Passes what follows a delimiter on its line: dashes at the end of the form, else blanks.
    fn pass_delimiter(&mut self) -> Result<bool, FormDataError> {
        if self.buffer.starts_with(b"--") {
            self.state = State::Done;
            return Ok(true);
        }
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let blanks = self.buffer.iter().take_while(|byte| is_blank(byte)).count();
        let rest = &self.buffer[blanks..];
        if rest.starts_with(b"\r\n") {
            self.buffer.advance(blanks + 2);
            self.state = State::Head;
            return Ok(true);
        }
        let may_come = rest.is_empty() || *rest == *b"\r" || (blanks == 0 && *rest == *b"-");
        if may_come && blanks <= MAX_PADDING_BYTES {
            return Ok(false);
        }
        Err(FormDataError("a boundary is followed by something else"))
    }

    fn head(&mut self) -> Result<Option<PartHead>, FormDataError> {
        let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") else {
            if self.buffer.len() > MAX_PART_HEAD_BYTES {
                return Err(FormDataError("the head of a part is too long"));
            }
            return Ok(None);
        };
        if end > MAX_PART_HEAD_BYTES {
            return Err(FormDataError("the head of a part is too long"));
        }
        let head = self.buffer.split_to(end + 4);
        let head = std::str::from_utf8(&head[..end])
            .map_err(|_| FormDataError("the head of a part is not UTF-8"))?;
        let part = PartHead::parse(head)?;
        self.state = State::Body;
        Ok(Some(part))
    }

    fn body(&mut self) -> FormStep {
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                self.buffer.advance(self.delimiter.needle().len());
                self.state = State::AfterDelimiter;
                FormStep::PartEnd
            }
            Some(at) => FormStep::Data(self.buffer.split_to(at).freeze()),
            None => match self.safe_bytes() {
                0 => FormStep::More,
                safe => FormStep::Data(self.buffer.split_to(safe).freeze()),
            },
        }
    }
}

impl PartHead {
    fn parse(head: &str) -> Result<Self, FormDataError> {
        let disposition = head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.trim().eq_ignore_ascii_case("content-disposition");
            is_it.then_some(value)
        });
        let disposition = disposition.ok_or(FormDataError("a part has no Content-Disposition"))?;
        let (kind, parameters) = disposition.split_once(';').unwrap_or((disposition, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(FormDataError("a part is no form-data"));
        }
        let mut part = Self::default();
        let mut rest = parameters;
        while let Some((name, value, after)) = parameter(rest)? {
            match name.to_ascii_lowercase().as_str() {
                "name" => part.name = value,
                "filename" => part.file_name = Some(value),
                _ => {}
            }
            rest = after;
        }
        if part.name.is_empty() {
            return Err(FormDataError("a part has no name"));
        }
        Ok(part)
    }
}

/// The first parameter of a list, its value without quotes, and what follows it.
fn parameter(list: &str) -> Result<Option<(&str, String, &str)>, FormDataError> {
    let list = list.trim_start_matches([' ', '\t', ';']);
    if list.is_empty() {
        return Ok(None);
    }
    let (name, rest) = list
        .split_once('=')
        .ok_or(FormDataError("a parameter has no value"))?;
    let Some(quoted) = rest.trim_start().strip_prefix('"') else {
        let (value, after) = rest.split_once(';').unwrap_or((rest, ""));
        return Ok(Some((name.trim(), value.trim().to_owned(), after)));
    };
    // Some clients escape quotes; none escapes the backslashes of a path that a browser gives.
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some((_, '"'))) => {
                value.push('"');
                characters.next();
            }
            ('"', _) => return Ok(Some((name.trim(), value, &quoted[at + 1..]))),
            (other, _) => value.push(other),
        }
    }
    Err(FormDataError("a quote does not end"))
}

/// The boundary that a `Content-Type` of `multipart/form-data` names; `Ok(None)` for another type.
pub fn boundary(content_type: &str) -> Result<Option<String>, FormDataError> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let mut rest = parameters;
    while let Some((name, value, after)) = parameter(rest)? {
        if name.eq_ignore_ascii_case("boundary") {
            let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            let is_good = (1..=MAX_BOUNDARY_BYTES).contains(&value.len())
                && value.bytes().all(is_plain)
                && !value.ends_with(' ');
            return if is_good {
                Ok(Some(value))
            } else {
                Err(FormDataError("the boundary is none"))
            };
        }
        rest = after;
    }
    Err(FormDataError("the Content-Type names no boundary"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(PartHead, Vec<u8>)>;

    /// The parts of a body that comes in pieces of this size.
    fn parts(body: &[u8], piece: usize) -> Result<Parts, FormDataError> {
        let mut decoder = FormDecoder::new("XX");
        let mut pieces = body.chunks(piece.max(1));
        let mut found: Parts = Vec::new();
        loop {
            match decoder.step()? {
                FormStep::More => match pieces.next() {
                    Some(piece) => decoder.feed(piece),
                    None => return Err(FormDataError("it ends too early")),
                },
                FormStep::Part(head) => found.push((head, Vec::new())),
                FormStep::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    found.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
                FormStep::PartEnd => {}
                FormStep::End => return Ok(found),
            }
            assert!(decoder.buffer.len() <= piece + MAX_PART_HEAD_BYTES + 100);
        }
    }

    fn part(head: &str, body: &str) -> String {
        format!("--XX\r\n{head}\r\n\r\n{body}\r\n")
    }

    const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";

    #[test]
    fn a_body_that_is_no_form_is_refused() {
        let long = format!("{NAMED}\r\nx: {}", "h".repeat(MAX_PART_HEAD_BYTES));
        let wrong = [
            String::new(),
            "--".to_owned(),
            "--YY--".to_owned(),
            "--XX".to_owned(),
            "--XX-".to_owned(),
            "--XXX\r\n".to_owned(),
            "--XX\n".to_owned(),
            "--XX - \r\n".to_owned(),
            format!("--XX{}\r\n", " ".repeat(MAX_PADDING_BYTES + 1)) + &NAMED[..1],
            part(NAMED, "1"),
            part("", "1") + "--XX--",
            part("x: y", "1") + "--XX--",
            part("Content-Disposition: form-data", "1") + "--XX--",
            part("Content-Disposition: form-data; name=\"\"", "1") + "--XX--",
            part("Content-Disposition: form-data; name=\"a", "1") + "--XX--",
            part("Content-Disposition: form-data; name", "1") + "--XX--",
            part("Content-Disposition: attachment; name=a", "1") + "--XX--",
            part(&long, "1") + "--XX--",
            "p".repeat(MAX_PREAMBLE_BYTES * 2) + &part(NAMED, "1") + "--XX--",
        ];
        for body in wrong {
            for piece in [1, 7, 100_000] {
                let found = parts(body.as_bytes(), piece);
                assert!(found.is_err(), "{body:.60}: {found:?}");
            }
        }
    }

    #[test]
    fn clients_write_forms_in_their_own_ways() {
        let head = |name: &str, file_name: Option<&str>| PartHead {
            name: name.to_owned(),
            file_name: file_name.map(str::to_owned),
        };
        let cases = [
            ("--XX--".to_owned(), vec![]),
            (
                "preamble\r\n".to_owned() + &part(NAMED, "") + "--XX--\r\nepilogue",
                vec![(head("a", None), "")],
            ),
            (
                part("content-disposition:form-data;name=a", "\r\n--X\r\r\n")
                    + &part(
                        "Content-Type: text/plain\r\nContent-Disposition: form-data; \
                         name=\"fi\\\"le\"; filename=\"C:\\dir\\ü.txt\"",
                        "--XX",
                    )
                    + "--XX--",
                vec![
                    (head("a", None), "\r\n--X\r\r\n"),
                    (head("fi\"le", Some("C:\\dir\\ü.txt")), "--XX"),
                ],
            ),
            (
                "--XX \t\r\n".to_owned() + NAMED + "; filename=\"\"\r\n\r\n1\r\n--XX--",
                vec![(head("a", Some("")), "1")],
            ),
        ];
        for (body, expected) in cases {
            let expected: Parts = expected
                .into_iter()
                .map(|(head, text)| (head, text.as_bytes().to_vec()))
                .collect();
            for piece in 1..40 {
                assert_eq!(
                    parts(body.as_bytes(), piece).as_ref(),
                    Ok(&expected),
                    "{body:?}"
                );
            }
        }
    }

    #[test]
    fn the_boundary_is_in_the_content_type() {
        let cases = [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "Multipart/Form-Data;charset=utf-8;Boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/mixed; boundary=abc", None),
            ("text/plain", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(boundary(text).unwrap().as_deref(), expected, "{text}");
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for wrong in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"a",
            "multipart/form-data; boundary=ü",
            &long,
        ] {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
        assert!(boundary(&long[..long.len() - 1]).is_ok());
    }

    proptest! {
        #[test]
        fn a_form_is_the_same_however_it_is_cut(
            bodies in prop::collection::vec("[X\r\n-]{0,40}", 0..4),
            piece in 1_usize..50,
        ) {
            prop_assume!(bodies.iter().all(|body| !format!("\r\n{body}\r\n").contains("\r\n--XX")));
            let text: String = bodies.iter().map(|body| part(NAMED, body)).collect();
            let found = parts((text + "--XX--").as_bytes(), piece).unwrap();
            let found: Vec<_> = found.into_iter().map(|(_, bytes)| bytes).collect();
            let expected: Vec<_> = bodies.iter().map(|body| body.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_body_makes_a_panic(bytes: Vec<u8>, text in "(--XX|\r\n|[a-z:;=\" -]){0,40}", piece in 1_usize..9) {
            let _ = parts(&bytes, piece);
            let _ = parts(text.as_bytes(), piece);
            let _ = boundary(&text);
        }
    }
}
