//! Metadata schemas, metadata and tags: what races, what is checked, what replay rebuilds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast::domain::cbor::decode::decode;
use holdfast::domain::cbor::fields::Fields;
use holdfast::domain::condition::WriteCondition;
use holdfast::domain::description::Change;
use holdfast::domain::ids::{FileId, PackageId, SchemaId};
use holdfast::domain::lock::LockRequest;
use holdfast::domain::name::{ObjectKey, PackageName};
use holdfast::domain::package::Rejection;
use holdfast::domain::schema::{SchemaRecord, SchemaReference, SchemaSlug};
use holdfast::registry::describe::UpdatePackage;
use holdfast::registry::error::{Error, Result};
use holdfast::registry::feed::EventQuery;
use holdfast::registry::files::CopyFile;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::packages::CreatePackage;
use holdfast::registry::schemas::RegisterSchema;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{House, create, rejection};

async fn register(
    house: &House,
    slug: &str,
    version: Option<u64>,
    json_schema: Value,
) -> Result<(SchemaRecord, bool)> {
    let command = RegisterSchema {
        slug: SchemaSlug::parse(slug).unwrap(),
        version,
        json_schema,
        actor: "tester".into(),
    };
    house.registry.register_schema(command).await
}

/// A schema that demands one member, a text.
fn demands(member: &str) -> Value {
    json!({"required": [member], "properties": {member: {"type": "string"}}})
}

fn described(bucket: &str, schema: Option<&str>, metadata: Value) -> CreatePackage {
    CreatePackage {
        metadata: Some(metadata),
        metadata_schema: schema.map(str::to_owned),
        ..create(bucket)
    }
}

fn merge(metadata: Option<Value>, tags: Option<Value>) -> UpdatePackage {
    UpdatePackage {
        metadata: metadata.map(Change::Merge),
        tags: tags.map(Change::Merge),
        actor: "tester".into(),
        ..UpdatePackage::default()
    }
}

fn argument<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Err(Error::InvalidArgument(message)) => message,
        other => panic!("expected a refused argument, got {other:?}"),
    }
}

async fn types(house: &House) -> Vec<String> {
    let query = EventQuery {
        limit: 1000,
        ..EventQuery::default()
    };
    let batch = house.registry.fetch_events(&query).await.unwrap();
    batch
        .events
        .into_iter()
        .map(|event| event.event_type)
        .collect()
}

#[tokio::test]
async fn an_equal_schema_is_one_and_a_different_one_asks_for_its_version() {
    let mut house = House::open().await;
    let (first, is_new) = register(&house, "release", None, demands("a"))
        .await
        .unwrap();
    assert!(is_new);
    assert_eq!((first.version, first.created_by.as_str()), (1, "tester"));
    let (again, is_new) = register(&house, "release", None, demands("a"))
        .await
        .unwrap();
    assert_eq!((again, is_new), (first.clone(), false));
    let refused = rejection(register(&house, "release", None, demands("b")).await);
    assert!(
        matches!(refused, Rejection::SchemaConflict { .. }),
        "{refused}"
    );
    let (second, is_new) = register(&house, "release", Some(2), demands("b"))
        .await
        .unwrap();
    assert_eq!((second.version, is_new), (2, true));
    // What was registered first is still there, and a repeat of it is no conflict.
    let (again, _) = register(&house, "release", None, demands("a"))
        .await
        .unwrap();
    assert_eq!(again, first);
    let find = |text: &str| {
        let reference = SchemaReference::parse(text).unwrap();
        let registry = house.registry.clone();
        async move { registry.find_schema(&reference).await.unwrap() }
    };
    assert_eq!(find("release").await, Some(second));
    assert_eq!(find("release@1").await, Some(first));
    assert_eq!(find("release@3").await, None);
    assert_eq!(find("other").await, None);
    for wrong in [
        json!({"type": "objekt"}),
        json!([]),
        json!({"$ref": "https://example.org"}),
    ] {
        argument(register(&house, "wrong", None, wrong).await);
    }
    let expected = ["v1.metadata_schema.registered"; 2];
    assert_eq!(types(&house).await, expected);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_registrations_the_log_decides() {
    let house = Arc::new(House::open().await);
    for round in 0..20 {
        // Three equal ones of each of four schemas; the first version is nobody's own.
        for (version, asked) in [(1, None), (2, Some(2))] {
            let slug = format!("slug-{round}");
            let mut racers = JoinSet::new();
            for racer in 0..12 {
                let (house, slug) = (house.clone(), slug.clone());
                let schema = demands(&format!("{version}-{}", racer % 4));
                racers.spawn(async move {
                    let outcome = register(&house, &slug, asked, schema.clone()).await;
                    (schema, outcome)
                });
            }
            let (mut winners, mut new) = (BTreeSet::<SchemaId>::new(), 0);
            while let Some(raced) = racers.join_next().await {
                match raced.unwrap() {
                    (schema, Ok((record, is_new))) => {
                        assert_eq!((record.json_schema, record.version), (schema, version));
                        winners.insert(record.id);
                        new += usize::from(is_new);
                    }
                    (_, Err(Error::Rejected(Rejection::SchemaConflict { .. }))) => {}
                    (_, Err(error)) => panic!("{error}"),
                }
            }
            assert_eq!((winners.len(), new), (1, 1), "{slug}@{version}");
        }
    }
    let mut house = Arc::into_inner(house).unwrap();
    assert_eq!(types(&house).await.len(), 40);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_created_by_the_schema_that_holds_at_that_moment() {
    let house = Arc::new(House::open().await);
    register(&house, "s", None, json!({})).await.unwrap();
    let writer = {
        let house = house.clone();
        tokio::spawn(async move {
            for version in 2..40 {
                let schema = demands(&format!("m{version}"));
                register(&house, "s", Some(version), schema).await.unwrap();
            }
        })
    };
    let mut creators = JoinSet::new();
    for n in 0..60 {
        let house = house.clone();
        // It conforms to the even versions only.
        let members = (2..40).step_by(2).map(|n| (format!("m{n}"), String::new()));
        let metadata = json!(members.collect::<BTreeMap<_, _>>());
        creators.spawn(async move {
            let command = described(&format!("pkg-{n}"), Some("s"), metadata);
            house.registry.create_package(command).await
        });
    }
    let mut created = Vec::new();
    while let Some(outcome) = creators.join_next().await {
        match outcome.unwrap() {
            Ok(package) => created.push(package),
            Err(Error::InvalidArgument(message)) => {
                assert!(message.contains("is a required property"), "{message}");
            }
            // A new version came each time that the metadata was checked.
            Err(Error::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    writer.await.unwrap();
    for package in created {
        let id = package
            .metadata_schema_id
            .as_ref()
            .unwrap()
            .parse()
            .unwrap();
        let schema = house.registry.find_schema_of_id(id).await.unwrap().unwrap();
        assert!(
            schema.version % 2 == 0 || schema.version == 1,
            "{}",
            schema.version
        );
        // No later version was there when it was created.
        let next = SchemaReference {
            slug: schema.slug.clone(),
            version: Some(schema.version + 1),
        };
        if let Some(next) = house.registry.find_schema(&next).await.unwrap() {
            assert!(package.last_sequence < next.sequence, "{}", package.bucket);
        }
    }
    let mut house = Arc::into_inner(house).unwrap();
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn metadata_is_checked_whenever_it_is_said() {
    let mut house = House::open().await;
    let unknown = house
        .registry
        .create_package(described("pkg", Some("release"), json!({})));
    assert_eq!(
        rejection(unknown.await),
        Rejection::NoSuchSchema("release".into())
    );
    let (schema, _) = register(&house, "release", None, demands("v"))
        .await
        .unwrap();
    for (metadata, part) in [
        (json!({}), "at '': \"v\" is a required property"),
        (json!({"v": 1}), "at '/v': 1 is not of type \"string\""),
    ] {
        let command = described("pkg", Some("release"), metadata);
        let message = argument(house.registry.create_package(command).await);
        assert!(
            message.contains("'release@1'") && message.contains(part),
            "{message}"
        );
    }
    let command = described("pkg", Some("release@1"), json!({"v": "1"}));
    let package = house.registry.create_package(command).await.unwrap();
    assert_eq!(package.metadata_schema_id, Some(schema.id.to_string()));
    let id = package.id;

    let update = |command| house.registry.update_package(id, command);
    let message = argument(update(merge(Some(json!({"v": null})), None)).await);
    assert!(message.contains("required property"), "{message}");
    let changed = merge(Some(json!({"v": "2", "n": 1})), Some(json!({"t": "x"})));
    let package = update(changed.clone()).await.unwrap();
    assert_eq!(package.metadata, json!({"v": "2", "n": 1}));
    assert_eq!(package.tags, BTreeMap::from([("t".into(), "x".into())]));
    let same = update(changed).await.unwrap();
    assert_eq!(
        same.last_sequence, package.last_sequence,
        "no change is no event"
    );

    // Another schema must allow what there is.
    register(&house, "strict", None, json!({"maxProperties": 1}))
        .await
        .unwrap();
    let switch = |metadata: Option<Value>| UpdatePackage {
        metadata_schema: Some("strict".into()),
        ..merge(metadata, None)
    };
    let message = argument(update(switch(None)).await);
    assert!(message.contains("'strict@1'"), "{message}");
    let package = update(switch(Some(json!({"n": null})))).await.unwrap();
    assert_ne!(package.metadata_schema_id, Some(schema.id.to_string()));
    let unknown = UpdatePackage {
        metadata_schema: Some("none".into()),
        ..merge(None, None)
    };
    let unknown = rejection(update(unknown).await);
    assert_eq!(unknown, Rejection::NoSuchSchema("none".into()));
    for wrong in [
        json!({"a": 9_007_199_254_740_992_u64}),
        json!({"a": "x".repeat(70_000)}),
    ] {
        let refused = rejection(update(merge(Some(wrong), None)).await);
        assert!(matches!(refused, Rejection::Description(_)), "{refused}");
    }

    let command = FinalizePackage {
        actor: "tester".into(),
        ..FinalizePackage::default()
    };
    let finalized = house.registry.finalize_package(id, command).await.unwrap();
    let frozen = Rejection::Finalized {
        manifest: finalized.manifest_address,
    };
    let late = house
        .registry
        .update_package(id, merge(None, Some(json!({"t": null}))));
    assert_eq!(rejection(late.await), frozen);
    let expected = [
        "v1.metadata_schema.registered",
        "v1.package.created",
        "v1.retention.default_applied",
        "v1.package.metadata_updated",
        "v1.metadata_schema.registered",
        "v1.package.metadata_updated",
        "v1.package.finalized",
    ];
    assert_eq!(types(&house).await, expected);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_once_none_is_lost() {
    let house = Arc::new(House::open().await);
    register(&house, "any", None, json!({"maxProperties": 100}))
        .await
        .unwrap();
    let command = described("pkg", Some("any"), json!({}));
    let id = house.registry.create_package(command).await.unwrap().id;
    let mut changes = JoinSet::new();
    for n in 0..40 {
        let house = house.clone();
        changes.spawn(async move {
            let (metadata, tags) = if n % 2 == 0 {
                (Some(json!({ format!("m{n}"): n })), None)
            } else {
                (None, Some(json!({ format!("t{n}"): "x" })))
            };
            // Metadata is checked beside the committer, so a change may meet others again and again.
            loop {
                match house
                    .registry
                    .update_package(id, merge(metadata.clone(), tags.clone()))
                    .await
                {
                    Err(Error::Busy) => {}
                    outcome => break outcome.unwrap(),
                }
            }
        });
    }
    while let Some(change) = changes.join_next().await {
        change.unwrap();
    }
    let package = house.registry.find_package(id).await.unwrap().unwrap();
    assert_eq!(package.metadata.as_object().unwrap().len(), 20);
    assert_eq!(package.tags.len(), 20);
    // Buckets that are remembered show it too.
    let name = PackageName::parse("pkg").unwrap();
    let bucket = house.registry.find_bucket(&name).await.unwrap().unwrap();
    assert_eq!(bucket.tags, package.tags);
    let mut house = Arc::into_inner(house).unwrap();
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn the_manifest_says_where_everything_comes_from() {
    let mut house = House::open().await;
    let staging = house.create("staging").await;
    let release = house.create("release").await;
    let source = house.put(staging, "built", b"bytes").await.unwrap();
    let own = house.put(release, "own", b"mine").await.unwrap();
    let command = CopyFile {
        source: source.clone(),
        package_id: release,
        key: ObjectKey::parse("promoted").unwrap(),
        replace: None,
        checksum: None,
        condition: WriteCondition::Always,
        lock: LockRequest::default(),
        actor: "promoter".into(),
    };
    let copy = house.registry.copy_file(command).await.unwrap();
    assert_eq!(copy.copied_from, Some((staging, source.id)));
    // From the database too, not only from memory.
    house.reopen().await;
    let read = house
        .registry
        .find_file_by_id(copy.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*read, *copy);

    let provenance = json!({
        "source_commits": {"holdfast": "8b1a9953"},
        "tool_versions": {"rustc": "1.94.0"},
        "environment": {"host": "builder-7", "cores": 2},
    });
    let command = FinalizePackage {
        provenance: Some(provenance.clone()),
        actor: "finisher".into(),
        ..FinalizePackage::default()
    };
    house
        .registry
        .finalize_package(release, command)
        .await
        .unwrap();
    let manifest = house
        .registry
        .find_manifest(release)
        .await
        .unwrap()
        .unwrap();
    let value = decode(&manifest, 1 << 20).unwrap();
    let fields = Fields::of(&value).unwrap();
    let given = fields.json_object("provenance").unwrap();
    for key in ["source_commits", "tool_versions", "environment"] {
        assert_eq!(given[key], provenance[key], "{key}");
    }
    assert_eq!(given["ingest_actor"], "finisher");
    let files = fields.array("files").unwrap();
    let expected = [
        (&own, "tester", None),
        (&copy, "promoter", copy.copied_from),
    ];
    for (value, (file, actor, copied_from)) in files.iter().zip(expected) {
        let entry = Fields::of(value).unwrap();
        assert_eq!(entry.text("ingested_by").unwrap(), actor);
        assert_eq!(
            entry.text("ingested_at").unwrap(),
            file.created_at.to_isoformat()
        );
        assert_eq!(entry.uint("event_sequence").unwrap(), file.sequence.0);
        let origin = entry.optional_map("copied_from").unwrap().map(|origin| {
            let package: PackageId = origin.text("package_id").unwrap().parse().unwrap();
            let file: FileId = origin.text("file_id").unwrap().parse().unwrap();
            (package, file)
        });
        assert_eq!(origin, copied_from);
    }
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}
