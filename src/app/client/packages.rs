//! `holdfast package …`

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::app::client::cli::{
    CreateArguments, FinalizeArguments, ListArguments, ManifestFormat, PackageArguments,
    PackageCommand, UpdateArguments,
};
use crate::app::client::connection::{Connection, path};
use crate::app::client::output::{print, print_json, print_line, print_table, size, text};
use crate::app::failure::Failure;

/// The entries of one page.
const PAGE: &str = "1000";

/// Runs a command on packages.
pub async fn run(arguments: &PackageArguments) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.connection)?;
    let as_json = arguments.connection.json;
    match &arguments.command {
        PackageCommand::Create(create) => {
            let body = describe(create);
            let package = connection
                .json(Method::POST, "/packages", Some(&body))
                .await?;
            show(&package, as_json)
        }
        PackageCommand::List(list) => list_packages(&connection, list, as_json).await,
        PackageCommand::Update(update) => {
            let path = path(&["packages", &update.package], &[]);
            let body = describe_change(update);
            let package = connection.json(Method::PATCH, &path, Some(&body)).await?;
            show(&package, as_json)
        }
        PackageCommand::Show { package } => {
            let path = path(&["packages", package], &[]);
            show(&connection.json(Method::GET, &path, None).await?, as_json)
        }
        PackageCommand::Finalize(finalize) => {
            finalize_package(&connection, finalize, as_json).await
        }
        PackageCommand::Manifest {
            package,
            format,
            output,
        } => {
            let format = match format {
                ManifestFormat::Cbor => "cbor",
                ManifestFormat::Json => "json",
            };
            let path = path(
                &["packages", package, "manifest"],
                &[("format", Some(format))],
            );
            let manifest = connection.bytes(Method::GET, &path, Vec::new()).await?;
            match output {
                None => print(&manifest),
                Some(file) => std::fs::write(file, manifest).map_err(|error| {
                    Failure::failed(format!("cannot write {}: {error}", file.display()))
                }),
            }
        }
        PackageCommand::Files { package } => list_files(&connection, package, as_json).await,
        PackageCommand::Rm { package } => {
            let path = path(&["packages", package], &[]);
            connection.json(Method::DELETE, &path, None).await?;
            if as_json {
                print_json(&json!({"deleted": package}))
            } else {
                print_line(&format!("{package} has ended"))
            }
        }
    }
}

/// Metadata of flags: JSON where it is JSON, else text.
fn metadata(pairs: &[(String, String)]) -> Map<String, Value> {
    let member = |(key, value): &(String, String)| {
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        (key.clone(), value)
    };
    pairs.iter().map(member).collect()
}

fn tags(pairs: &[(String, String)]) -> Map<String, Value> {
    let member = |(key, value): &(String, String)| (key.clone(), json!(value));
    pairs.iter().map(member).collect()
}

/// A merge patch: what is null goes.
fn describe_change(update: &UpdateArguments) -> Value {
    let mut body = json!({});
    let metadata = metadata(&update.metadata);
    if !metadata.is_empty() {
        body["metadata"] = Value::Object(metadata);
    }
    let mut tags = tags(&update.tag);
    tags.extend(
        update
            .remove_tag
            .iter()
            .map(|key| (key.clone(), Value::Null)),
    );
    if !tags.is_empty() {
        body["tags"] = Value::Object(tags);
    }
    if let Some(schema) = &update.metadata_schema {
        body["metadata_schema"] = json!(schema);
    }
    body
}

fn describe(create: &CreateArguments) -> Value {
    let metadata = metadata(&create.metadata);
    let tags = tags(&create.tag);
    let mut body = json!({"bucket": create.bucket, "tags": tags});
    let texts = [
        ("name", &create.name),
        ("producer", &create.producer),
        ("subject", &create.subject),
        ("retention_class", &create.retention_class),
        ("metadata_schema", &create.metadata_schema),
        ("write_mode", &create.write_mode),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    if !metadata.is_empty() {
        body["metadata"] = Value::Object(metadata);
    }
    body
}

async fn list_packages(
    connection: &Connection,
    list: &ListArguments,
    as_json: bool,
) -> Result<(), Failure> {
    let names: Vec<String> = list
        .metadata
        .iter()
        .map(|(key, _)| format!("metadata.{key}"))
        .collect();
    let mut query = vec![
        ("producer", list.producer.as_deref()),
        ("subject", list.subject.as_deref()),
        ("retention_class", list.retention_class.as_deref()),
        ("status", list.status.as_deref()),
    ];
    for (name, (_, value)) in names.iter().zip(&list.metadata) {
        query.push((name, Some(value)));
    }
    let packages = all_pages(connection, &["packages"], &query, "packages").await?;
    if as_json {
        return print_json(&Value::Array(packages));
    }
    let rows = packages.iter().map(|package| {
        let bytes = package["total_bytes"].as_u64().unwrap_or_default();
        let columns = ["bucket", "status", "producer", "subject", "file_count"];
        let mut row: Vec<_> = columns
            .iter()
            .map(|column| text(&package[column]))
            .collect();
        row.push(size(bytes));
        row.push(text(&package["created_at"]));
        row
    });
    let heading = [
        "BUCKET", "STATUS", "PRODUCER", "SUBJECT", "FILES", "SIZE", "CREATED",
    ];
    print_table(&heading, rows.collect(), &[4, 5])
}

async fn list_files(connection: &Connection, package: &str, as_json: bool) -> Result<(), Failure> {
    let files = all_pages(connection, &["packages", package, "files"], &[], "files").await?;
    if as_json {
        return print_json(&Value::Array(files));
    }
    let rows = files.iter().map(|file| {
        let digest = text(&file["content_address"]);
        vec![
            text(&file["relative_path"]),
            size(file["size_bytes"].as_u64().unwrap_or_default()),
            text(&file["media_type"]),
            text(&file["created_at"]),
            digest.chars().take("blake3:".len() + 16).collect(),
        ]
    });
    print_table(
        &["PATH", "SIZE", "TYPE", "CREATED", "CONTENT"],
        rows.collect(),
        &[1],
    )
}

/// Every entry of a paged list.
pub async fn all_pages(
    connection: &Connection,
    segments: &[&str],
    query: &[(&str, Option<&str>)],
    name: &str,
) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", Some(PAGE)));
        query.push(("after", after.as_deref()));
        let mut page = connection
            .json(Method::GET, &path(segments, &query), None)
            .await?;
        if let Value::Array(found) = page[name].take() {
            entries.extend(found);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(entries),
        }
    }
}

async fn finalize_package(
    connection: &Connection,
    finalize: &FinalizeArguments,
    as_json: bool,
) -> Result<(), Failure> {
    let object = |pairs: &[(String, String)]| -> Value {
        Value::Object(
            pairs
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect(),
        )
    };
    let mut body = json!({"abort_uploads": finalize.abort_uploads});
    if let Some(digest) = &finalize.expect_content_digest {
        body["expect_content_digest"] = json!(digest);
    }
    let has_provenance = [
        &finalize.source_commit,
        &finalize.tool_version,
        &finalize.environment,
    ]
    .iter()
    .any(|pairs| !pairs.is_empty());
    if has_provenance {
        body["provenance"] = json!({
            "source_commits": object(&finalize.source_commit),
            "tool_versions": object(&finalize.tool_version),
            "environment": object(&finalize.environment),
        });
    }
    let path = path(&["packages", &finalize.package, "finalize"], &[]);
    let answer = connection.json(Method::POST, &path, Some(&body)).await?;
    if as_json {
        return print_json(&answer);
    }
    print_line(&format!("{} is finalized", finalize.package))?;
    print_line(&format!("manifest  {}", text(&answer["manifest_digest"])))?;
    print_line(&format!(
        "read it with `holdfast package manifest {} --format cbor -o manifest.cbor`",
        finalize.package
    ))
}

fn show(package: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(package);
    }
    let bytes = package["total_bytes"].as_u64().unwrap_or_default();
    let is_told = |(_, value): &(&String, &Value)| !value.is_null() && **value != json!({});
    let Value::Object(fields) = package else {
        return print_json(package);
    };
    let rows = fields.iter().filter(is_told).map(|(name, value)| {
        let shown = if name == "total_bytes" {
            size(bytes)
        } else {
            text(value)
        };
        vec![name.replace('_', " "), shown]
    });
    print_table(&["PACKAGE", &text(&package["bucket"])], rows.collect(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_json_where_it_is_json() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let create = CreateArguments {
            bucket: "abc".to_owned(),
            producer: Some("ci".to_owned()),
            metadata: vec![pair("n", "1"), pair("v", "1.2.3"), pair("o", "{\"a\":[]}")],
            tag: vec![pair("t", "1")],
            ..CreateArguments::default()
        };
        assert_eq!(
            describe(&create),
            json!({"bucket": "abc", "producer": "ci", "tags": {"t": "1"},
                "metadata": {"n": 1, "v": "1.2.3", "o": {"a": []}}})
        );
        let update = UpdateArguments {
            package: "abc".to_owned(),
            metadata: vec![pair("n", "2"), pair("v", "null")],
            metadata_schema: Some("release@2".to_owned()),
            tag: vec![pair("t", "1")],
            remove_tag: vec!["u".to_owned()],
        };
        assert_eq!(
            describe_change(&update),
            json!({"metadata": {"n": 2, "v": null}, "metadata_schema": "release@2",
                "tags": {"t": "1", "u": null}})
        );
        assert_eq!(describe_change(&UpdateArguments::default()), json!({}));
    }
}
