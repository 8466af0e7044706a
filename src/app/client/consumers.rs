//! `holdfast consumer …`

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::client::cli::{ConsumerArguments, ConsumerCommand, ConsumerCreateArguments};
use crate::app::client::connection::{Connection, path};
use crate::app::client::output::{print_json, print_line, print_table, text};
use crate::app::client::packages::all_pages;
use crate::app::failure::Failure;

/// Runs a command on consumers.
pub async fn run(arguments: &ConsumerArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let as_json = arguments.connection.json;
    match &arguments.command {
        ConsumerCommand::Create(create) => {
            let path = path(&["consumers", &create.name], &[]);
            let body = describe(create);
            show(
                &connection.json(Method::PUT, &path, Some(&body)).await?,
                as_json,
            )
        }
        ConsumerCommand::List => {
            let consumers = all_pages(&connection, &["consumers"], &[], "consumers").await?;
            if as_json {
                return print_json(&Value::Array(consumers));
            }
            let heading = [
                "NAME",
                "OWNER",
                "TYPES",
                "PACKAGE",
                "ACKNOWLEDGED",
                "BEHIND",
            ];
            print_table(&heading, consumers.iter().map(row).collect(), &[4, 5])
        }
        ConsumerCommand::Show { name } => {
            let path = path(&["consumers", name], &[]);
            show(&connection.json(Method::GET, &path, None).await?, as_json)
        }
        ConsumerCommand::Ack {
            name,
            sequence,
            rewind,
        } => {
            let path = path(&["consumers", name, "ack"], &[]);
            let body = json!({"sequence": sequence, "rewind": rewind});
            show(
                &connection.json(Method::POST, &path, Some(&body)).await?,
                as_json,
            )
        }
        ConsumerCommand::Rm { name } => {
            let path = path(&["consumers", name], &[]);
            connection.json(Method::DELETE, &path, None).await?;
            if as_json {
                print_json(&json!({"deleted": name}))
            } else {
                print_line(&format!("{name} is gone, and its position with it"))
            }
        }
    }
}

fn describe(create: &ConsumerCreateArguments) -> Value {
    let mut body = json!({"types": create.types});
    if let Some(package) = &create.package {
        body["package"] = json!(package);
    }
    match create.since.as_deref() {
        None => {}
        Some(text) => body["since"] = text.parse().map_or(json!(text), |since: u64| json!(since)),
    }
    body
}

fn row(consumer: &Value) -> Vec<String> {
    let package = text(&consumer["package_id"]);
    vec![
        text(&consumer["name"]),
        text(&consumer["owner"]),
        types(consumer),
        if package.is_empty() {
            "all".to_owned()
        } else {
            package
        },
        text(&consumer["acked"]),
        text(&consumer["lag"]),
    ]
}

fn types(consumer: &Value) -> String {
    let types = consumer["types"].as_array().into_iter().flatten();
    let types: Vec<_> = types.map(text).collect();
    if types.is_empty() {
        "all".to_owned()
    } else {
        types.join(",")
    }
}

fn show(consumer: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(consumer);
    }
    let shown = row(consumer);
    let names = ["owner", "types", "package", "acknowledged", "events behind"];
    let rows = names.iter().zip(&shown[1..]);
    let mut rows: Vec<_> = rows
        .map(|(name, value)| vec![(*name).to_owned(), value.clone()])
        .collect();
    for (name, key) in [("created", "created_at"), ("changed", "updated_at")] {
        rows.push(vec![name.to_owned(), text(&consumer[key])]);
    }
    print_table(&["CONSUMER", &shown[0]], rows, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_number_or_a_word() {
        let body = |since: Option<&str>| {
            describe(&ConsumerCreateArguments {
                name: "a".to_owned(),
                since: since.map(str::to_owned),
                ..ConsumerCreateArguments::default()
            })
        };
        assert_eq!(body(None), json!({"types": []}));
        assert_eq!(body(Some("17"))["since"], 17);
        assert_eq!(body(Some("head"))["since"], "head");
    }
}
