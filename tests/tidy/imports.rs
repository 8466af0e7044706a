//! Rules about paths: which room, file or crate may name which.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, crate_paths, expect_none, expect_one, line_of, places, read, sources};
use crate::{DOORS, FORBIDDEN, ROOMS};

fn imports_against_the_rooms(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Some(room) = source.room() else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!(
                "{}: the room '{room}' is not in the table",
                source.path
            ));
            continue;
        };
        for (at, path) in crate_paths(&source.shipped) {
            let other = path[0].as_str();
            let is_room = ROOMS.iter().any(|(name, _)| *name == other);
            if is_room && other != room && !allowed.contains(&other) {
                complaints.push(format!(
                    "{}:{}: {room}/ must not import {other}/ (crate::{})",
                    source.path,
                    line_of(&source.code, at),
                    path.join("::")
                ));
            }
        }
    }
    complaints
}

#[test]
fn rooms_import_downward_only() {
    expect_none(
        "An import breaks the table of docs/architecture.md. Move the name to a lower room, or the caller to a higher one.",
        &imports_against_the_rooms(&sources()),
    );
}

#[test]
fn rooms_import_downward_only_or_it_is_said() {
    let upward = Source::new("src/domain/a.rs", "use crate::registry::error::Error;\n");
    expect_one(
        &imports_against_the_rooms(&[upward]),
        "src/domain/a.rs:1: domain/ must not import registry/",
    );
    let grouped = Source::new(
        "src/s3/a.rs",
        "use crate::{\n  wire::uri::encode, db::{pool::Db}};\n",
    );
    expect_one(
        &imports_against_the_rooms(&[grouped]),
        "s3/ must not import db/ (crate::db::pool::Db)",
    );
    let inline = Source::new("src/s3/a.rs", "fn f() { crate::api::routes::table(); }\n");
    expect_one(
        &imports_against_the_rooms(&[inline]),
        "must not import api/",
    );
    let in_a_test = Source::new(
        "src/wire/a.rs",
        "#[cfg(test)]\nmod tests { use crate::db::a; }\n// crate::db::a\n",
    );
    assert!(imports_against_the_rooms(&[in_a_test]).is_empty());
}

/// The files that each file imports, within the library.
fn file_graph(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let mut graph = BTreeMap::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        let imported = crate_paths(&source.shipped)
            .into_iter()
            .filter_map(|(_, segments)| {
                let longest = (1..=segments.len()).rev().find_map(|length| {
                    paths.get(format!("src/{}.rs", segments[..length].join("/")).as_str())
                });
                longest.copied().filter(|path| *path != source.path)
            });
        graph.insert(source.path.as_str(), imported.collect());
    }
    graph
}

fn circles(sources: &[Source]) -> Vec<String> {
    fn visit<'a>(
        file: &'a str,
        graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        trail: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        found: &mut Vec<String>,
    ) {
        if let Some(start) = trail.iter().position(|step| *step == file) {
            found.push(format!("{} -> {file}", trail[start..].join(" -> ")));
            return;
        }
        if done.contains(file) {
            return;
        }
        trail.push(file);
        for next in graph.get(file).into_iter().flatten() {
            visit(next, graph, trail, done, found);
        }
        trail.pop();
        done.insert(file);
    }
    let graph = file_graph(sources);
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for file in graph.keys() {
        visit(file, &graph, &mut Vec::new(), &mut done, &mut found);
    }
    found
}

#[test]
fn files_import_downward_only() {
    expect_none(
        "Files import each other in a circle. Put what both need into a lower file.",
        &circles(&sources()),
    );
}

#[test]
fn files_import_downward_only_or_it_is_said() {
    let circle = [
        Source::new("src/db/a.rs", "use crate::db::b::B;\n"),
        Source::new("src/db/b.rs", "use crate::db::c::C;\n"),
        Source::new("src/db/c.rs", "use crate::db::a::A;\n"),
    ];
    expect_one(
        &circles(&circle),
        "src/db/a.rs -> src/db/b.rs -> src/db/c.rs -> src/db/a.rs",
    );
    assert!(circles(&circle[..2]).is_empty());
}

fn names_by_more_than_one_path(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        let mut complain = |at: usize, what: &str| {
            complaints.push(format!(
                "{}:{}: {what}",
                source.path,
                line_of(&source.code, at)
            ));
        };
        for word in ["pub use ", "pub(crate) use ", "pub(super) use "] {
            for at in places(&source.shipped, word) {
                complain(at, "re-exports a name");
            }
        }
        for word in ["super::", "self::"] {
            for at in places(&source.shipped, word) {
                complain(
                    at,
                    "a path begins with `crate::`, so that this test sees where it leads",
                );
            }
        }
        for (at, _) in source.shipped.match_indices("::*") {
            complain(at, "imports everything: name what is needed");
        }
        for (at, _) in source.shipped.match_indices("prelude::") {
            complain(at, "has a prelude");
        }
        let is_index = source.path.ends_with("/mod.rs") || source.path == "src/lib.rs";
        let declares = |line: &str| {
            let rest = line
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            line.is_empty()
                || line.starts_with("#[")
                || line.starts_with("#![")
                || rest.starts_with("mod ")
        };
        if is_index && let Some(line) = source.shipped.lines().find(|line| !declares(line.trim())) {
            complain(
                0,
                &format!(
                    "defines something: `{}`; an index declares its files",
                    line.trim()
                ),
            );
        }
    }
    complaints
}

#[test]
fn one_name_has_one_path() {
    expect_none(
        "A name can be reached by two paths. Import it from the file that defines it; an index declares its files and nothing else.",
        &names_by_more_than_one_path(&sources()),
    );
}

#[test]
fn one_name_has_one_path_or_it_is_said() {
    let check = |path: &str, text: &str, part: &str| {
        expect_one(
            &names_by_more_than_one_path(&[Source::new(path, text)]),
            part,
        );
    };
    check(
        "src/db/mod.rs",
        "//! Doc.\npub mod pool;\npub struct Db;\n",
        "defines something: `pub struct Db;`",
    );
    check(
        "src/db/a.rs",
        "pub use crate::db::pool::Db;\n",
        "src/db/a.rs:1: re-exports",
    );
    check(
        "src/db/a.rs",
        "\nuse crate::db::pool::*;\n",
        "src/db/a.rs:2: imports everything",
    );
    check(
        "src/db/a.rs",
        "use super::pool::Db;\n",
        "begins with `crate::`",
    );
    check("src/db/a.rs", "use rayon::prelude::Iter;\n", "prelude");
}

fn crates_outside_their_door(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
    {
        for (name, doors) in DOORS {
            if doors.iter().any(|door| source.path.starts_with(door)) {
                continue;
            }
            for at in places(&source.shipped, &format!("{name}::")) {
                let line = line_of(&source.code, at);
                complaints.push(format!(
                    "{}:{line}: {name} stands behind {}",
                    source.path,
                    doors.join(", ")
                ));
            }
        }
    }
    complaints
}

#[test]
fn each_crate_has_one_door() {
    expect_none(
        "An outside crate is named away from its door.",
        &crates_outside_their_door(&sources()),
    );
}

#[test]
fn each_crate_has_one_door_or_it_is_said() {
    let check = |path: &str, text: &str| crates_outside_their_door(&[Source::new(path, text)]);
    expect_one(
        &check("src/registry/a.rs", "fn f(e: sqlx::Error) {}\n"),
        "sqlx stands behind src/db/",
    );
    assert!(check("src/db/a.rs", "use sqlx::Row;\n").is_empty());
    assert!(check("src/api/a.rs", "use my_sqlx::Row; // sqlx::Row\n").is_empty());
}

fn forbidden_acts(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (home, words, why) in FORBIDDEN {
            if !source.path.starts_with(home) {
                continue;
            }
            for (word, (at, _)) in words.iter().flat_map(|word| {
                source
                    .shipped
                    .match_indices(word)
                    .map(move |hit| (word, hit))
            }) {
                complaints.push(format!(
                    "{}:{}: {word}: {why}",
                    source.path,
                    line_of(&source.code, at)
                ));
            }
        }
    }
    complaints
}

#[test]
fn no_room_does_what_it_must_never_do() {
    expect_none(
        "A room does what it must never do.",
        &forbidden_acts(&sources()),
    );
}

#[test]
fn no_room_does_what_it_must_never_do_or_it_is_said() {
    let clock = Source::new("src/domain/a.rs", "fn now() { chrono::Utc::now(); }\n");
    expect_one(&forbidden_acts(&[clock]), "read no clock");
}

fn unused_dependencies(manifest: &str, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut is_listed = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_listed = line.contains("dependencies]");
        }
        let Some((name, _)) = line
            .split_once(" =")
            .filter(|_| is_listed && !line.starts_with('#'))
        else {
            continue;
        };
        // The library of md-5 is called md5.
        let ident = if name == "md-5" {
            "md5".to_owned()
        } else {
            name.replace('-', "_")
        };
        let is_used = sources.iter().any(|source| {
            let word = [
                format!("{ident}::"),
                format!("use {ident} "),
                format!("use {ident};"),
            ];
            word.iter()
                .any(|word| !places(&source.code, word).is_empty())
        });
        if !is_used {
            complaints.push(format!("Cargo.toml: nothing uses {name}"));
        }
    }
    complaints
}

#[test]
fn every_dependency_is_used() {
    expect_none(
        "A dependency has no use. Remove it.",
        &unused_dependencies(&read("Cargo.toml"), &sources()),
    );
}

#[test]
fn every_dependency_is_used_or_it_is_said() {
    let source = [Source::new("src/db/a.rs", "use sqlx::Row;\n")];
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nsqlx = \"1\"\naws-sigv4 = \"1\"\n";
    expect_one(
        &unused_dependencies(manifest, &source),
        "nothing uses aws-sigv4",
    );
}
