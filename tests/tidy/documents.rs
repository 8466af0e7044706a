//! Rules that keep the pages and the code in step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::source::{
    blank_comments_and_literals, block_length, expect_none, expect_one, read, repository, root,
};

/// The variants of `enum name` in a source.
fn variants(source: &str, name: &str) -> Vec<String> {
    let code = blank_comments_and_literals(source);
    let Some(start) = code.find(&format!("enum {name} {{")) else {
        return Vec::new();
    };
    let open = start + code[start..].find('{').unwrap_or_default();
    let body = &code[open + 1..open + block_length(&code[open..]) - 1];
    let mut depth = 0;
    let mut found = Vec::new();
    for line in body.lines() {
        let word: String = line
            .trim()
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        if depth == 0 && word.starts_with(char::is_uppercase) {
            found.push(word);
        }
        let count = |set: &[char]| line.matches(set).count();
        depth = depth + count(&['{', '(', '[']) - count(&['}', ')', ']']);
    }
    found
}

/// The rows of the Markdown tables of a page whose first cell is one code word: name -> the rest.
fn rows(page: &str) -> BTreeMap<String, String> {
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
        Some((
            name.to_owned(),
            rest.trim_start_matches([' ', '|']).to_owned(),
        ))
    };
    page.lines().filter_map(row).collect()
}

fn undocumented_operations(page: &str, routes: &str, model: &str) -> Vec<String> {
    let rows = rows(page);
    let built: BTreeSet<String> = variants(routes, "Operation").into_iter().collect();
    let aws: BTreeSet<&str> = model
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut complaints = Vec::new();
    for name in built
        .iter()
        .map(String::as_str)
        .chain(aws.iter().copied())
        .collect::<BTreeSet<_>>()
    {
        let is_said_built = rows.get(name).map(|rest| rest.starts_with("built"));
        match (is_said_built, built.contains(name)) {
            (None, _) => complaints.push(format!("{name}: has no row")),
            (Some(false), true) => {
                complaints.push(format!("{name}: is routed, but its row does not say built"));
            }
            (Some(true), false) => complaints.push(format!(
                "{name}: its row says built, but no route leads to it"
            )),
            _ => {}
        }
    }
    for name in rows
        .keys()
        .filter(|name| !built.contains(*name) && !aws.contains(name.as_str()))
    {
        complaints.push(format!(
            "{name}: is no operation, neither of the model nor of routes.rs"
        ));
    }
    complaints
}

#[test]
fn every_operation_is_documented() {
    let routes = read("src/s3/routes.rs");
    assert!(
        !variants(&routes, "Operation").is_empty(),
        "src/s3/routes.rs has no enum Operation"
    );
    expect_none(
        "docs/s3-compatibility.md and the table of src/s3/routes.rs differ.",
        &undocumented_operations(
            &read("docs/s3-compatibility.md"),
            &routes,
            &read("tests/golden/s3-operations.txt"),
        ),
    );
}

#[test]
fn every_operation_is_documented_or_it_is_said() {
    let check = |page: &str, routes: &str| {
        undocumented_operations(
            page,
            &format!("pub enum Operation {{\n{routes}\n}}"),
            "# model\nGetX GET /\n",
        )
    };
    assert!(check("| `GetX` | built | |\n", "/// Doc.\nGetX,").is_empty());
    assert!(check("| `GetX` | 501 | |\n", "").is_empty());
    expect_one(&check("", ""), "GetX: has no row");
    expect_one(
        &check("| `GetX` | 501 | |\n", "GetX,"),
        "does not say built",
    );
    expect_one(&check("| `GetX` | built | |\n", ""), "no route leads to it");
    expect_one(
        &check("| `GetX` | 501 | |\n| `GetY` | 501 | |\n", ""),
        "GetY: is no operation",
    );
}

fn undocumented_events(page: &str, source: &str) -> Vec<String> {
    let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let named: BTreeSet<String> = rows(page)
        .into_keys()
        .chain(headings.map(str::to_owned))
        .collect();
    let types: BTreeSet<&str> = shipped
        .split('"')
        .filter(|text| text.starts_with("v1.") && !text.contains(char::is_whitespace))
        .collect();
    let missing = types.iter().filter(|name| !named.contains(**name));
    missing.map(|name| format!("{name}: has no row")).collect()
}

#[test]
fn every_event_is_documented() {
    expect_none(
        "An event type of src/domain/event.rs is missing in docs/events.md.",
        &undocumented_events(&read("docs/events.md"), &read("src/domain/event.rs")),
    );
}

#[test]
fn every_event_is_documented_or_it_is_said() {
    let source = "match self { A => \"v1.a.made\", B => \"v1.b.made\" }";
    expect_one(
        &undocumented_events("| `v1.a.made` | … |\n", source),
        "v1.b.made: has no row",
    );
}

fn settings_without_a_comment(file: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut above = "";
    for (number, line) in file.lines().enumerate() {
        let is_setting = line.split_once('=').is_some_and(|(key, _)| {
            let key = key.trim();
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-.\"".contains(c))
        });
        if is_setting && !above.trim_start().starts_with('#') && !line.contains(" # ") {
            complaints.push(format!(
                "config/holdfast.toml:{}: `{line}` has no comment",
                number + 1
            ));
        }
        above = line;
    }
    complaints
}

#[test]
fn every_setting_is_commented() {
    let file = read("config/holdfast.toml");
    assert!(!file.is_empty(), "config/holdfast.toml is missing");
    expect_none(
        "A setting has no comment above it.",
        &settings_without_a_comment(&file),
    );
}

#[test]
fn every_setting_is_commented_or_it_is_said() {
    expect_one(
        &settings_without_a_comment("# Listens here.\na = 1\nb = 2\n"),
        "`b = 2`",
    );
    assert!(settings_without_a_comment("[x]\n# A.\na = 1\nb = 2 # B.\n").is_empty());
}

fn broken_links(pages: &BTreeMap<String, String>, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in pages {
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            let is_elsewhere =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !is_elsewhere && !exists(&folder.join(target)) {
                complaints.push(format!("{path}: leads to {target}, which is not there"));
            }
        }
    }
    complaints
}

#[test]
fn links_between_pages_lead_somewhere() {
    let is_page = |path: &str| {
        Path::new(path)
            .extension()
            .is_some_and(|extension| extension == "md")
    };
    let pages = repository()
        .into_iter()
        .filter(|(path, _)| is_page(path))
        .collect();
    expect_none(
        "A page links to a file that is not there.",
        &broken_links(&pages, |path| root().join(path).exists()),
    );
}

#[test]
fn links_between_pages_lead_somewhere_or_it_is_said() {
    let page = BTreeMap::from([(
        "docs/a.md".to_owned(),
        "[b](b.md#x) [c](https://c.org)".to_owned(),
    )]);
    expect_one(&broken_links(&page, |_| false), "docs/a.md: leads to b.md");
}
