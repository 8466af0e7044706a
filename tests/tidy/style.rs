//! Rules about the form of files.

use std::collections::BTreeMap;

use crate::source::{Source, expect_none, expect_one, line_of, repository, sources};
use crate::{CALLS, KNOWN_LONG, MAX_LINES};

fn careless_calls(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        for (call, instead) in CALLS {
            let is_of_app = ["println!(", "process::exit("].contains(&call);
            if is_of_app && (source.path.starts_with("src/app/") || source.path == "src/main.rs") {
                continue;
            }
            for (at, _) in source.shipped.match_indices(call) {
                let line = line_of(&source.code, at);
                complaints.push(format!("{}:{line}: {call}: {instead}", source.path));
            }
        }
    }
    complaints
}

#[test]
fn shipped_code_is_finished() {
    expect_none(
        "Shipped code makes a careless call.",
        &careless_calls(&sources()),
    );
}

#[test]
fn shipped_code_is_finished_or_it_is_said() {
    let check = |text: &str| careless_calls(&[Source::new("src/db/a.rs", text)]);
    expect_one(
        &check("fn f() { g().unwrap() }\n"),
        "src/db/a.rs:1: .unwrap()",
    );
    expect_one(&check("fn f() { todo!() }\n"), "todo!(");
    expect_one(
        &check("fn f() {\n eprintln!(\"\") }\n"),
        "src/db/a.rs:2: println!(",
    );
    assert!(
        check("/// x.unwrap()\n#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\n").is_empty()
    );
}

fn files_without_a_module_comment(sources: &[Source]) -> Vec<String> {
    let silent = sources
        .iter()
        .filter(|source| !source.text.starts_with("//! "));
    silent
        .map(|source| format!("{}: begins without a module comment", source.path))
        .collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    expect_none(
        "A file begins without `//!`. Say what it is for, and what it deliberately does not do.",
        &files_without_a_module_comment(&sources()),
    );
}

#[test]
fn every_file_says_what_it_is_for_or_it_is_said() {
    expect_one(
        &files_without_a_module_comment(&[Source::new("src/a.rs", "use std;\n")]),
        "src/a.rs",
    );
}

fn long_files(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        let lines = source.shipped.trim_end().lines().count();
        let is_known = KNOWN_LONG.contains(&source.path.as_str());
        if lines > MAX_LINES && !is_known {
            complaints.push(format!("{}: {lines} lines before its tests", source.path));
        }
        if lines <= MAX_LINES && is_known {
            complaints.push(format!(
                "{}: is short now, strike it from KNOWN_LONG",
                source.path
            ));
        }
    }
    complaints
}

#[test]
fn files_stay_readable() {
    expect_none(
        "A file is too long: divide it by what it is about.",
        &long_files(&sources()),
    );
}

#[test]
fn files_stay_readable_or_it_is_said() {
    let long = Source::new("src/db/a.rs", &"fn f() {}\n".repeat(MAX_LINES + 1));
    expect_one(&long_files(&[long]), "601 lines");
    let tests = format!(
        "#[cfg(test)]\nmod tests {{\n{}}}\n",
        "fn f() {}\n".repeat(MAX_LINES)
    );
    assert!(long_files(&[Source::new("src/db/a.rs", &tests)]).is_empty());
}

fn paths_of_a_machine(files: &BTreeMap<String, String>) -> Vec<String> {
    // Written in two pieces so that this file does not complain of itself.
    let homes = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
    ]
    .map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let begins = |at: usize| {
                line[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| !c.is_alphanumeric() && !"._-/}".contains(c))
            };
            if homes
                .iter()
                .any(|home| line.match_indices(home.as_str()).any(|(at, _)| begins(at)))
            {
                complaints.push(format!(
                    "{path}:{}: names a path of one machine",
                    number + 1
                ));
            }
        }
    }
    complaints
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    expect_none(
        "A path of one machine is committed.",
        &paths_of_a_machine(&repository()),
    );
}

#[test]
fn no_file_names_a_path_of_one_machine_or_it_is_said() {
    let one = |text: String| BTreeMap::from([("a.md".to_owned(), text)]);
    expect_one(
        &paths_of_a_machine(&one(["cd /ho", "me/me/x"].concat())),
        "a.md:1",
    );
    assert!(paths_of_a_machine(&one(["https://x.org/wo", "rk/y"].concat())).is_empty());
}
