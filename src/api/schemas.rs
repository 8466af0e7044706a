//! Metadata schemas: register, show, list.

use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::paging::limit;
use crate::domain::ids::SchemaId;
use crate::domain::schema::{
    InvalidSchema, SchemaRecord, SchemaReference, SchemaSlug, parse_version,
};
use crate::exchange::context::Context;
use crate::exchange::fault::{Code, Fault};
use crate::exchange::reply::Reply;
use crate::exchange::request::Request;
use crate::registry::schemas::RegisterSchema;

/// `GET /metadata-schemas`: a page of schemas, every version, in the order of slugs and versions,
/// without the schemas themselves. `next` is the `after` of the next page, or null.
pub async fn list_schemas(request: Request, context: &Context) -> Result<Reply, Fault> {
    let limit = limit(&request)?;
    let after = match request.query.get("after") {
        None => None,
        Some(text) => {
            let reference = reference("after", text)?;
            // A slug alone stands behind all its versions.
            Some((reference.slug, reference.version.unwrap_or(u64::MAX)))
        }
    };
    let after = after.as_ref().map(|(slug, at)| (slug.as_str(), *at));
    let (schemas, has_more) = context.registry.list_schemas(after, limit).await?;
    let next = schemas.last().filter(|_| has_more);
    let next = next.map(|schema| format!("{}@{}", schema.slug, schema.version));
    let entries: Vec<_> = schemas.iter().map(entry).collect();
    Reply::json(&json!({"schemas": entries, "next": next}))
}

/// `GET /metadata-schemas/{slug}?version=`: a schema, the latest version if none is given. In place
/// of the slug an id may stand, as packages keep it.
pub async fn get_schema(request: Request, context: &Context) -> Result<Reply, Fault> {
    let text = request.parameter("slug");
    let registry = &context.registry;
    let version = request.query.get("version");
    let found = match (text.parse::<SchemaId>(), version) {
        (Ok(id), None) => registry.find_schema_of_id(id).await?,
        _ => {
            let reference = SchemaReference {
                slug: slug(text)?,
                version: version
                    .map(|text| {
                        parse_version(text).map_err(|error| invalid("version", text, &error))
                    })
                    .transpose()?,
            };
            registry.find_schema(&reference).await?
        }
    };
    let schema = found.ok_or_else(|| {
        Fault::new(Code::NoSuchMetadataSchema).message(match version {
            None => format!("There is no metadata schema '{text}'."),
            Some(version) => format!("There is no metadata schema '{text}@{version}'."),
        })
    })?;
    Reply::json(&whole(&schema))
}

/// The body of `PUT /metadata-schemas/{slug}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaForm {
    json_schema: Value,
    version: Option<u64>,
}

/// `PUT /metadata-schemas/{slug}`: registers a schema; 201, or 200 when it is there already. 409
/// `MetadataSchemaConflict` for a different one, unless the body asks for the next version.
pub async fn put_schema(mut request: Request, context: &Context) -> Result<Reply, Fault> {
    let body = request.document().await?;
    let slug = slug(request.parameter("slug"))?;
    // By way of a map: a struct would also be read from an array.
    let form = serde_json::from_slice(&body);
    let form = form.and_then(|members| serde_json::from_value(Value::Object(members)));
    let form: SchemaForm = form.map_err(|error| {
        Fault::new(Code::InvalidArgument).message(format!(
            "The body is JSON such as {{\"json_schema\": {{…}}, \"version\": 2}}: {error}."
        ))
    })?;
    let command = RegisterSchema {
        slug,
        version: form.version,
        json_schema: form.json_schema,
        actor: request.actor().to_owned(),
    };
    let (schema, is_new) = context.registry.register_schema(command).await?;
    let mut reply = Reply::json(&whole(&schema))?;
    if is_new {
        reply.status = StatusCode::CREATED;
    }
    let location = format!(
        "/_holdfast/v1/metadata-schemas/{}?version={}",
        schema.slug, schema.version
    );
    reply.set_text(header::LOCATION, &location)?;
    Ok(reply)
}

fn slug(text: &str) -> Result<SchemaSlug, Fault> {
    SchemaSlug::parse(text).map_err(|error| invalid("slug", text, &error))
}

fn reference(name: &str, text: &str) -> Result<SchemaReference, Fault> {
    SchemaReference::parse(text).map_err(|error| invalid(name, text, &error))
}

fn invalid(name: &str, text: &str, error: &InvalidSchema) -> Fault {
    Fault::argument(name, text, format!("{error}."))
}

fn entry(schema: &SchemaRecord) -> Value {
    json!({
        "slug": schema.slug.as_str(),
        "version": schema.version,
        "schema_id": schema.id.to_string(),
        "sequence": schema.sequence.0,
        "created_at": schema.created_at.to_isoformat(),
        "created_by": schema.created_by,
    })
}

fn whole(schema: &SchemaRecord) -> Value {
    let mut value = entry(schema);
    value["json_schema"] = schema.json_schema.clone();
    value
}
