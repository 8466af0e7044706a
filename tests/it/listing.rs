//! Listings, held against a sorted map: every key once, in byte order, whatever the page.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::buckets::elements;
use crate::support::connection::Answer;
use crate::support::server::Server;
use crate::support::sign::encode;

/// What keys, prefixes and delimiters are made of: everything that a careless server mixes up.
const PIECES: [&str; 16] = [
    "a",
    "b",
    "/",
    "//",
    "-",
    " ",
    "+",
    "%",
    "%2F",
    "é",
    "\u{1}",
    "\n",
    "\u{1f600}",
    "<&>",
    "~",
    ".",
];

/// An entry of a listing: a key, or a common prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    text: String,
    is_prefix: bool,
}

/// What a page is asked to show.
#[derive(Debug, Clone)]
struct Question {
    prefix: String,
    delimiter: String,
    start_after: String,
    max_keys: usize,
    is_encoded: bool,
}

fn oracle(keys: &BTreeSet<String>, asked: &Question) -> Vec<Entry> {
    let mut entries = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&asked.prefix) else {
            continue;
        };
        if !asked.start_after.is_empty() && *key <= asked.start_after {
            continue;
        }
        let end = rest
            .find(&asked.delimiter)
            .filter(|_| !asked.delimiter.is_empty());
        let length = end.map(|end| asked.prefix.len() + end + asked.delimiter.len());
        let text = key[..length.unwrap_or(key.len())].to_owned();
        let entry = Entry {
            text,
            is_prefix: length.is_some(),
        };
        // A marker that is itself a common prefix passes over the group.
        let is_passed = entry.is_prefix && entry.text == asked.start_after;
        if !is_passed && entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn target(asked: &Question) -> String {
    let value = |text: &str| encode(text.as_bytes(), true);
    let mut target = format!(
        "/pkg?prefix={}&delimiter={}&max-keys={}",
        value(&asked.prefix),
        value(&asked.delimiter),
        asked.max_keys
    );
    if asked.is_encoded {
        target.push_str("&encoding-type=url");
    }
    target
}

/// The text of a key as the document has it.
fn plain(text: &str, asked: &Question) -> String {
    if asked.is_encoded {
        let decoded = percent_encoding::percent_decode_str(text);
        return decoded.decode_utf8().expect("a key is UTF-8").into_owned();
    }
    let escapes = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x1;", "\u{1}"),
    ];
    let text = escapes
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

/// The entries of a page in byte order.
fn entries(page: &Answer, asked: &Question) -> Vec<Entry> {
    let keys = elements(page, "Contents").into_iter().map(|contents| {
        let (_, rest) = contents.split_once("<Key>").expect("a key");
        let (key, _) = rest.split_once("</Key>").expect("a key");
        Entry {
            text: plain(key, asked),
            is_prefix: false,
        }
    });
    let prefixes = elements(page, "CommonPrefixes").into_iter().map(|prefix| {
        let prefix = prefix
            .trim_start_matches("<Prefix>")
            .trim_end_matches("</Prefix>");
        Entry {
            text: plain(prefix, asked),
            is_prefix: true,
        }
    });
    let keys: Vec<_> = keys.collect();
    let prefixes: Vec<_> = prefixes.collect();
    assert!(keys.is_sorted() && prefixes.is_sorted());
    let mut entries = [keys, prefixes].concat();
    entries.sort();
    entries
}

fn walk_v2(server: &Server, asked: &Question) -> Vec<Entry> {
    let first = format!(
        "{}&list-type=2&start-after={}",
        target(asked),
        encode(asked.start_after.as_bytes(), true)
    );
    let mut next = first.clone();
    let mut found = Vec::new();
    loop {
        let page = server.call("GET", &next).send().expect(200);
        let shown = entries(&page, asked);
        assert_eq!(page.element("KeyCount"), Some(shown.len().to_string()));
        assert_eq!(page.element("MaxKeys"), Some(asked.max_keys.to_string()));
        let is_truncated = page.element("IsTruncated").as_deref() == Some("true");
        let token = page.element("NextContinuationToken");
        assert_eq!(is_truncated, token.is_some());
        assert!(
            shown.len() == asked.max_keys || !is_truncated,
            "a page came short"
        );
        found.extend(shown);
        match token {
            Some(token) => next = format!("{first}&continuation-token={token}"),
            None => return found,
        }
    }
}

fn walk_v1(server: &Server, asked: &Question) -> Vec<Entry> {
    let mut marker = asked.start_after.clone();
    let mut found = Vec::new();
    loop {
        let target = format!(
            "{}&marker={}",
            target(asked),
            encode(marker.as_bytes(), true)
        );
        let page = server.call("GET", &target).send().expect(200);
        let shown = entries(&page, asked);
        let next = page.element("NextMarker").map(|text| plain(&text, asked));
        if page.element("IsTruncated").as_deref() == Some("false") {
            assert_eq!(next, None);
            found.extend(shown);
            return found;
        }
        let last = shown
            .last()
            .expect("a page that goes on has an entry")
            .text
            .clone();
        assert_eq!(next.as_ref(), Some(&last));
        found.extend(shown);
        marker = last;
    }
}

fn put(server: &Server, key: &str) {
    let target = format!("/pkg/{}", encode(key.as_bytes(), true));
    server.call("PUT", &target).body("x").send().expect(200);
}

fn text(pieces: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), pieces).prop_map(|pieces| pieces.concat())
}

fn some_keys(count: usize) -> BTreeSet<String> {
    let mut runner = TestRunner::deterministic();
    let mut keys = BTreeSet::new();
    while keys.len() < count {
        let key = text(1..6).new_tree(&mut runner).expect("a key").current();
        keys.insert(key);
    }
    keys
}

#[test]
fn every_walk_finds_every_key_once_and_in_order() {
    let server = Server::start();
    server.make_bucket("pkg");
    let keys = some_keys(150);
    keys.iter().for_each(|key| put(&server, key));
    let after: Vec<String> = keys.iter().cloned().collect();
    let question = (
        text(0..3),
        prop_oneof![Just(String::new()), Just("/".to_owned()), text(1..3)],
        prop_oneof![Just(String::new()), select(after), text(0..4)],
        select(&[1, 2, 3, 7, 50, 1000][..]),
        any::<bool>(),
    );
    let question =
        question.prop_map(
            |(prefix, delimiter, start_after, max_keys, is_encoded)| Question {
                prefix,
                delimiter,
                start_after,
                max_keys,
                is_encoded,
            },
        );
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&question, |asked| {
        let expected = oracle(&keys, &asked);
        prop_assert_eq!(walk_v2(&server, &asked), expected.clone());
        prop_assert_eq!(walk_v1(&server, &asked), expected);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start();
    server.make_bucket("pkg");
    let wrong = [
        "max-keys=blah",
        "max-keys=-1",
        "max-keys=99999999999",
        "encoding-type=base64",
        "list-type=2&continuation-token=blah",
        "list-type=2&fetch-owner=perhaps",
        "prefix=a&prefix=b",
    ];
    for query in wrong {
        let answer = server.call("GET", &format!("/pkg?{query}")).send();
        answer.expect_fault(400, "InvalidArgument");
    }
    for query in [
        "list-type=3",
        "list-type=2&metadata=true",
        "policies",
        "x=1",
    ] {
        let answer = server.call("GET", &format!("/pkg?{query}")).send();
        answer.expect_fault(501, "NotImplemented");
    }
    server
        .call("GET", "/none")
        .send()
        .expect_fault(404, "NoSuchBucket");
    server
        .call("GET", "/pkg?prefix=%FF")
        .send()
        .expect_fault(400, "InvalidURI");
}

#[test]
fn a_marker_that_is_a_common_prefix_passes_the_group() {
    let server = Server::start();
    server.make_bucket("pkg");
    for key in ["a/1", "a/2", "b", "c--1", "c--2"] {
        put(&server, key);
    }
    let shown = |query: &str| {
        let asked = Question {
            prefix: String::new(),
            delimiter: String::new(),
            start_after: String::new(),
            max_keys: 0,
            is_encoded: false,
        };
        let page = server
            .call("GET", &format!("/pkg?{query}"))
            .send()
            .expect(200);
        entries(&page, &asked)
            .into_iter()
            .map(|entry| entry.text)
            .collect::<Vec<_>>()
    };
    assert_eq!(shown("delimiter=/&marker=a/"), ["b", "c--1", "c--2"]);
    assert_eq!(shown("marker=a/"), ["a/1", "a/2", "b", "c--1", "c--2"]);
    assert_eq!(shown("delimiter=/&marker=a/1"), ["a/", "b", "c--1", "c--2"]);
    assert_eq!(shown("delimiter=--&marker=c--"), [""; 0]);
    assert_eq!(shown("delimiter=--&marker=c-"), ["c--"]);
    assert_eq!(
        shown("list-type=2&delimiter=/&start-after=a/1"),
        ["a/", "b", "c--1", "c--2"]
    );
    let version_2 = shown("list-type=2&delimiter=/&start-after=a/");
    assert_eq!(version_2, ["b", "c--1", "c--2"]);
    assert_eq!(shown("max-keys=0"), [""; 0]);
}

#[test]
fn a_page_of_none_is_not_truncated() {
    let server = Server::start();
    server.make_bucket("pkg");
    put(&server, "a");
    for query in ["max-keys=0", "list-type=2&max-keys=0"] {
        let page = server
            .call("GET", &format!("/pkg?{query}"))
            .send()
            .expect(200);
        assert_eq!(page.element("IsTruncated").as_deref(), Some("false"));
        assert_eq!(page.element("MaxKeys").as_deref(), Some("0"));
    }
    let page = server
        .call("GET", "/pkg?list-type=2&max-keys=5000")
        .send()
        .expect(200);
    assert_eq!(page.element("MaxKeys").as_deref(), Some("1000"));
}

#[test]
fn a_listing_echoes_what_was_asked() {
    let server = Server::start();
    server.make_bucket("pkg");
    put(&server, "a b/c");
    let query = "list-type=2&prefix=a%20&delimiter=%2F&start-after=%2B&encoding-type=url";
    let page = server
        .call("GET", &format!("/pkg?{query}&fetch-owner=true"))
        .send()
        .expect(200);
    assert_eq!(elements(&page, "Prefix"), ["a%20", "a%20b/"]);
    assert_eq!(page.element("Delimiter").as_deref(), Some("/"));
    assert_eq!(page.element("StartAfter").as_deref(), Some("%2B"));
    assert_eq!(page.element("EncodingType").as_deref(), Some("url"));

    let empty = "list-type=2&prefix=&delimiter=&start-after=&continuation-token=";
    let page = server
        .call("GET", &format!("/pkg?{empty}"))
        .send()
        .expect(200);
    assert_eq!(page.element("Prefix").as_deref(), Some(""));
    assert_eq!(page.element("ContinuationToken").as_deref(), Some(""));
    assert_eq!(page.element("Delimiter"), None);
    assert_eq!(page.element("Key").as_deref(), Some("a b/c"));
    assert_eq!(page.element("Owner"), None);
    let version_1 = server.call("GET", "/pkg").send().expect(200);
    assert_eq!(version_1.element("Marker").as_deref(), Some(""));
    assert_eq!(version_1.element("ID").as_deref(), Some("root"));
    assert_eq!(version_1.element("NextMarker"), None);
}

#[test]
fn special_objects_are_listed_when_asked_for() {
    let server = Server::start();
    server.make_bucket("pkg");
    for key in ["a", ".holdfast", ".holdfasty"] {
        put(&server, key);
    }
    let shown = |query: &str| {
        let page = server
            .call("GET", &format!("/pkg?list-type=2&{query}"))
            .send()
            .expect(200);
        elements(&page, "Key")
    };
    assert_eq!(shown(""), [".holdfast", ".holdfasty", "a"]);
    assert_eq!(shown("prefix=.hold"), [".holdfast", ".holdfasty"]);
    let open = shown("prefix=.holdfast");
    assert_eq!(open.first().map(String::as_str), Some(".holdfast"));
    assert_eq!(open.last().map(String::as_str), Some(".holdfasty"));
    assert!(
        open.contains(&".holdfast/status.json".to_owned()),
        "{open:?}"
    );
    assert!(
        !open.contains(&".holdfast/manifest.json".to_owned()),
        "{open:?}"
    );

    server
        .call("PUT", "/pkg/.holdfast/finalize")
        .send()
        .expect(200);
    let all = shown("prefix=.holdfast/");
    assert!(
        all.contains(&".holdfast/manifest.json".to_owned()),
        "{all:?}"
    );
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = shown(&format!("prefix=.holdfast/&max-keys=1&start-after={after}"));
        let Some(key) = page.into_iter().next() else {
            break;
        };
        after.clone_from(&key);
        paged.push(key);
    }
    assert_eq!(paged, all);
    let manifest = server
        .call("HEAD", "/pkg/.holdfast/manifest.json")
        .send()
        .expect(200);
    assert!(manifest.header("etag").is_some());
}
