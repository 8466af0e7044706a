//! `holdfast schema …`

use std::io::Read;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::client::cli::{SchemaArguments, SchemaCommand};
use crate::app::client::connection::{Connection, path};
use crate::app::client::output::{print_json, print_line, print_table, text};
use crate::app::client::packages::all_pages;
use crate::app::failure::Failure;

/// Runs a command on metadata schemas.
pub async fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let as_json = arguments.connection.json;
    match &arguments.command {
        SchemaCommand::Register {
            slug,
            file,
            version,
        } => {
            let mut body = json!({"json_schema": read_schema(file)?});
            if let Some(version) = version {
                body["version"] = json!(version);
            }
            let path = path(&["metadata-schemas", slug], &[]);
            let schema = connection.json(Method::PUT, &path, Some(&body)).await?;
            if as_json {
                return print_json(&schema);
            }
            let name = name(&schema);
            print_line(&format!("{name} is registered"))?;
            print_line(&format!(
                "ask for it with `holdfast package create BUCKET --metadata-schema {name}`"
            ))
        }
        SchemaCommand::Show { schema } => {
            let (slug, version) = match schema.split_once('@') {
                Some((slug, version)) => (slug, Some(version)),
                None => (schema.as_str(), None),
            };
            let path = path(&["metadata-schemas", slug], &[("version", version)]);
            let schema = connection.json(Method::GET, &path, None).await?;
            if as_json {
                return print_json(&schema);
            }
            let rows = ["schema_id", "created_at", "created_by", "sequence"]
                .map(|field| vec![field.replace('_', " "), text(&schema[field])]);
            print_table(&["SCHEMA", &name(&schema)], rows.to_vec(), &[])?;
            print_json(&schema["json_schema"])
        }
        SchemaCommand::List => {
            let schemas = all_pages(&connection, &["metadata-schemas"], &[], "schemas").await?;
            if as_json {
                return print_json(&Value::Array(schemas));
            }
            let columns = ["slug", "version", "schema_id", "created_by", "created_at"];
            let row = |schema: &Value| columns.map(|column| text(&schema[column])).to_vec();
            let heading = ["SLUG", "VERSION", "ID", "BY", "CREATED"];
            print_table(&heading, schemas.iter().map(row).collect(), &[1])
        }
    }
}

fn name(schema: &Value) -> String {
    format!("{}@{}", text(&schema["slug"]), text(&schema["version"]))
}

/// The schema in a file; `-` is standard input.
fn read_schema(file: &Path) -> Result<Value, Failure> {
    let shown = file.display();
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|error| Failure::failed(format!("cannot read {shown}: {error}")))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::usage(format!("{shown} is not JSON: {error}")))
}
