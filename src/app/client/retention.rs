//! `holdfast retention …`

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::client::cli::{DefineArguments, RetentionArguments, RetentionCommand};
use crate::app::client::connection::{Connection, path};
use crate::app::client::output::{print_json, print_line, print_table, text};
use crate::app::client::packages::all_pages;
use crate::app::failure::Failure;

/// Runs a command on retention.
pub async fn run(arguments: &RetentionArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let as_json = arguments.connection.json;
    match &arguments.command {
        RetentionCommand::Show { package } => {
            let path = path(&["packages", package, "retention"], &[]);
            let retention = connection.json(Method::GET, &path, None).await?;
            show(package, &retention, as_json)
        }
        RetentionCommand::Extend {
            package,
            until,
            reason,
        } => {
            let path = path(&["packages", package, "retention", "extend"], &[]);
            let body = json!({"new_expires_at": until, "reason": reason});
            let retention = connection.json(Method::POST, &path, Some(&body)).await?;
            show(package, &retention, as_json)
        }
        RetentionCommand::Hold {
            package,
            reason,
            kind,
        } => {
            let path = path(&["packages", package, "holds"], &[]);
            let body = json!({"reason": reason, "kind": kind});
            let held = connection.json(Method::POST, &path, Some(&body)).await?;
            if as_json {
                return print_json(&held);
            }
            let id = text(&held["hold_id"]);
            print_line(&format!("{package} is held by {id}"))?;
            print_line(&format!(
                "release it with `holdfast retention release {package} {id} --reason …`"
            ))
        }
        RetentionCommand::Release {
            package,
            hold,
            reason,
        } => {
            let path = path(&["packages", package, "holds", hold, "release"], &[]);
            let body = json!({"reason": reason});
            let retention = connection.json(Method::POST, &path, Some(&body)).await?;
            show(package, &retention, as_json)
        }
        RetentionCommand::History { package } => history(&connection, package, as_json).await,
        RetentionCommand::Sweep => {
            let path = path(&["retention", "sweep"], &[]);
            let swept = connection.json(Method::POST, &path, None).await?;
            if as_json {
                return print_json(&swept);
            }
            let count = |name: &str| swept[name].as_array().map_or(0, Vec::len);
            print_line(&format!(
                "{} became eligible for deletion, {} ended",
                count("eligible"),
                count("ended")
            ))
        }
        RetentionCommand::Classes => list_classes(&connection, as_json).await,
        RetentionCommand::Define(define) => define_class(&connection, define, as_json).await,
    }
}

fn show(package: &str, retention: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(retention);
    }
    let told = |name: &str, absent: &str| match &retention[name] {
        Value::Null => absent.to_owned(),
        value => text(value),
    };
    let mut rows = vec![
        vec!["class".to_owned(), told("retention_class", "")],
        vec!["kept until".to_owned(), told("expires_at", "for ever")],
        vec!["lock mode".to_owned(), told("lock_mode", "")],
        vec!["at the end".to_owned(), told("deletion_strategy", "")],
        vec![
            "may be ended since".to_owned(),
            told("eligible_since", "no"),
        ],
    ];
    for hold in retention["holds"].as_array().into_iter().flatten() {
        let words = ["id", "kind", "applied_by", "reason"].map(|name| text(&hold[name]));
        rows.push(vec!["held".to_owned(), words.join("  ")]);
    }
    print_table(&["RETENTION", package], rows, &[])
}

async fn history(connection: &Connection, package: &str, as_json: bool) -> Result<(), Failure> {
    let mut events = Vec::new();
    let mut since = Some("0".to_owned());
    while let Some(after) = since {
        let query = [("limit", Some("1000")), ("since", Some(after.as_str()))];
        let path = path(&["packages", package, "retention", "history"], &query);
        let mut page = connection.json(Method::GET, &path, None).await?;
        if let Value::Array(found) = page["events"].take() {
            events.extend(found);
        }
        since = page["next_since"].as_u64().map(|next| next.to_string());
    }
    if as_json {
        return print_json(&Value::Array(events));
    }
    let rows = events.iter().map(|event| {
        let payload = &event["payload"];
        vec![
            text(&event["sequence"]),
            text(&event["created_at"]),
            text(&event["event_type"]),
            text(&event["actor"]),
            text(&payload["reason"]),
        ]
    });
    let heading = ["SEQUENCE", "WHEN", "EVENT", "ACTOR", "REASON"];
    print_table(&heading, rows.collect(), &[0])
}

async fn list_classes(connection: &Connection, as_json: bool) -> Result<(), Failure> {
    let segments = ["retention-classes"];
    let classes = all_pages(connection, &segments, &[], "retention_classes").await?;
    if as_json {
        return print_json(&Value::Array(classes));
    }
    let rows = classes.iter().map(|class| {
        let duration = match &class["default_duration_seconds"] {
            Value::Null => "for ever".to_owned(),
            seconds => format!("{seconds} s"),
        };
        let words = ["deletion_strategy", "lock_mode", "anchor", "defined_at"];
        let mut row = vec![text(&class["id"]), duration];
        row.extend(words.map(|name| text(&class[name])));
        row
    });
    let heading = ["CLASS", "KEPT", "AT THE END", "LOCK", "FROM", "DEFINED"];
    print_table(&heading, rows.collect(), &[])
}

async fn define_class(
    connection: &Connection,
    define: &DefineArguments,
    as_json: bool,
) -> Result<(), Failure> {
    let mut body = json!({
        "default_duration_seconds": define.duration,
        "grace_seconds": define.grace,
    });
    let words = [
        ("deletion_strategy", &define.deletion_strategy),
        ("lock_mode", &define.lock_mode),
        ("anchor", &define.anchor),
    ];
    for (name, word) in words {
        if let Some(word) = word {
            body[name] = json!(word);
        }
    }
    let path = path(&["retention-classes", &define.class], &[]);
    let class = connection.json(Method::PUT, &path, Some(&body)).await?;
    if as_json {
        print_json(&class)
    } else {
        print_line(&format!(
            "{} is defined, for packages to come",
            define.class
        ))
    }
}
