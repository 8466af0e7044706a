//! Reads Rust files as far as the rules need it: without comments, literals and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// A Rust file: its path from the repository's root and three forms of its text. The forms have
/// the same lines, so that a complaint can name one.
pub struct Source {
    /// From the root of the repository, with slashes.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// Without comments, strings and characters.
    pub code: String,
    /// `code` without what is compiled for tests only.
    pub shipped: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let shipped = if path.starts_with("src/") {
            blank_tests(&code)
        } else {
            String::new()
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            shipped,
        }
    }

    pub fn room(&self) -> Option<&str> {
        let (room, _) = self.path.strip_prefix("src/")?.split_once('/')?;
        Some(room)
    }
}

/// Replaces the content of comments, strings and character literals by blanks, line by line.
pub fn blank_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end > at {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// The end of the comment or literal that begins at `at`; `at` if none begins there.
pub fn literal_end(chars: &[char], at: usize) -> usize {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    let find = |from: usize, ends: &dyn Fn(usize) -> bool| {
        (from..chars.len())
            .find(|&i| ends(i))
            .unwrap_or(chars.len())
    };
    let after_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (chars[at], next(1)) {
        ('/', '/') => find(at, &|i| chars[i] == '\n'),
        ('/', '*') => (find(at + 2, &|i| {
            chars[i] == '*' && chars.get(i + 1) == Some(&'/')
        }) + 2)
            .min(chars.len()),
        ('"', _) => string_end(chars, at),
        ('b', '"') if !after_name => string_end(chars, at + 1),
        ('r', '"' | '#') if !after_name || (at > 0 && chars[at - 1] == 'b') => {
            raw_string_end(chars, at)
        }
        ('\'', '\\') => find(at + 3, &|i| chars[i] == '\'') + 1,
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

pub fn string_end(chars: &[char], open: usize) -> usize {
    let mut at = open + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The end of `r#"…"#`; `at` itself for a raw identifier such as `r#type`.
pub fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let closes = |i: usize| {
        chars[i] == '"' && chars[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    let open = at + 1 + hashes;
    (open + 1..chars.len())
        .find(|&i| closes(i))
        .map_or(chars.len(), |i| i + 1 + hashes)
}

/// Blanks every item under `#[cfg(test)]`, whether a block or a declaration.
pub fn blank_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let rest = &out[start..];
        let open = rest.find('{').unwrap_or(rest.len());
        let semicolon = rest.find(';').unwrap_or(rest.len());
        let length = if semicolon < open {
            semicolon + 1
        } else {
            open + block_length(&rest[open..])
        };
        let blank: String = rest[..length]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        out.replace_range(start..start + length, &blank);
    }
    out
}

pub fn block_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Every place where `word` stands in `code` and is not the end of a longer name.
pub fn places(code: &str, word: &str) -> Vec<usize> {
    let joins = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    code.match_indices(word)
        .filter(|(at, _)| !code[..*at].ends_with(joins) && !code[..*at].ends_with("::"))
        .map(|(at, _)| at)
        .collect()
}

/// Every path that begins with `crate::`, groups written out: (offset, segments).
pub fn crate_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    for at in places(code, "crate::") {
        let mut found = Vec::new();
        read_tree(&code[at + "crate::".len()..], &mut Vec::new(), &mut found);
        paths.extend(found.into_iter().map(|segments| (at, segments)));
    }
    paths
}

/// Reads one use-tree and answers how many bytes it took.
pub fn read_tree(text: &str, stem: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let mut at = text.len() - text.trim_start().len();
    if text[at..].starts_with('{') {
        at += 1;
        loop {
            at += read_tree(&text[at..], &mut stem.clone(), found);
            at += text[at..].len() - text[at..].trim_start().len();
            match text[at..].chars().next() {
                Some(',') => at += 1,
                Some('}') => return at + 1,
                _ => return at,
            }
        }
    }
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let length = text[at..].find(|c| !name(c)).unwrap_or(text.len() - at);
    if length == 0 {
        return at;
    }
    stem.push(text[at..at + length].to_owned());
    at += length;
    if text[at..].starts_with("::") {
        return at + 2 + read_tree(&text[at + 2..], stem, found);
    }
    found.push(stem.clone());
    if let Some(alias) = text[at..].strip_prefix(" as ") {
        at += " as ".len() + alias.find(|c| !name(c)).unwrap_or(alias.len());
    }
    at
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Every file of the repository that is text, by path from its root.
pub fn repository() -> BTreeMap<String, String> {
    fn walk(folder: &Path, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder is readable").path();
            let name = path
                .file_name()
                .expect("an entry has a name")
                .to_string_lossy()
                .into_owned();
            let not_ours = [
                "target",
                ".git",
                ".clients",
                "holdfast-data",
                "node_modules",
            ];
            if not_ours.contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                walk(&path, files);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path
                    .strip_prefix(root())
                    .expect("the walk begins at the root")
                    .to_string_lossy()
                    .into_owned();
                files.insert(name, text);
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(root(), &mut files);
    files
}

pub fn sources() -> Vec<Source> {
    let is_rust = |path: &str| {
        let at_home = ["src/", "tests/", "benches/"]
            .iter()
            .any(|home| path.starts_with(home));
        at_home
            && Path::new(path)
                .extension()
                .is_some_and(|extension| extension == "rs")
    };
    let files = repository();
    let mut sources: Vec<_> = files
        .iter()
        .filter(|(path, _)| is_rust(path))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    blank_test_files(&mut sources);
    sources
}

/// Files that an index declares under `#[cfg(test)]` ship nothing.
pub fn blank_test_files(sources: &mut [Source]) {
    let mut files = BTreeSet::new();
    for index in sources
        .iter()
        .filter(|source| source.path.ends_with("/mod.rs"))
    {
        let folder = index.path.trim_end_matches("mod.rs");
        for rest in index.code.split("#[cfg(test)]").skip(1) {
            let declared = rest.trim_start().trim_start_matches("pub ");
            if let Some((name, _)) = declared
                .strip_prefix("mod ")
                .and_then(|r| r.split_once(';'))
            {
                files.insert(format!("{folder}{name}.rs"));
            }
        }
    }
    for source in sources
        .iter_mut()
        .filter(|source| files.contains(&source.path))
    {
        source.shipped = String::new();
    }
}

#[track_caller]
pub fn expect_none(rule: &str, complaints: &[String]) {
    let list = complaints
        .iter()
        .fold(String::new(), |mut list, complaint| {
            writeln!(list, "  {complaint}").expect("a text grows");
            list
        });
    assert!(complaints.is_empty(), "{rule}\n{list}");
}

#[track_caller]
pub fn expect_one(complaints: &[String], part: &str) {
    assert!(
        complaints.len() == 1 && complaints[0].contains(part),
        "expected one complaint with {part:?}, got {complaints:?}"
    );
}

#[test]
fn comments_and_literals_are_blanked_and_nothing_else() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b\n */ c", "a     \n    c"),
        ("f(\"a\\\"b\") + 1", "f(      ) + 1"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"a\" c", "b     c"),
        ("b\"a\" c", "     c"),
        ("'\\'' 'a' &'a str", "         &'a str"),
        ("'\"' x", "    x"),
        ("r#type x", "r#type x"),
        ("attr\"x\"", "attr   "),
    ];
    for (text, expected) in cases {
        assert_eq!(blank_comments_and_literals(text), expected, "{text:?}");
    }
}

#[test]
fn only_tests_are_blanked() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}\n";
    let words: Vec<_> = blank_tests(code)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(words.join(" "), "fn a() {} fn c() {} fn e() {}");
}

#[test]
fn grouped_paths_are_written_out() {
    let code = "use crate::{a::B, c::{self, d::E as F, g::*}};\nlet x = crate::h::i();";
    let paths: Vec<_> = crate_paths(code)
        .into_iter()
        .map(|(_, path)| path.join("::"))
        .collect();
    assert_eq!(paths, ["a::B", "c::self", "c::d::E", "c::g::*", "h::i"]);
}

#[test]
fn a_file_declared_for_tests_ships_nothing() {
    let mut sources = [
        Source::new(
            "src/blob/mod.rs",
            "#[cfg(test)]\nmod faults;\npub mod store;\n",
        ),
        Source::new("src/blob/faults.rs", "fn f() {}\n"),
        Source::new("src/blob/store.rs", "fn f() {}\n"),
    ];
    blank_test_files(&mut sources);
    let shipped = sources.map(|source| source.shipped.contains("fn f"));
    assert_eq!(shipped, [false, false, true]);
}
