//! What must not happen when many write at once.

use std::collections::BTreeSet;

use holdfast::domain::condition::WriteCondition;
use holdfast::domain::digest::ContentAddress;
use holdfast::domain::file::ObjectAttributes;
use holdfast::domain::ids::Sequence;
use holdfast::domain::manifest::Manifest;
use holdfast::domain::name::ObjectKey;
use holdfast::domain::package::Rejection;
use holdfast::domain::retention::HoldKind;
use holdfast::registry::error::Error;
use holdfast::registry::feed::EventQuery;
use holdfast::registry::finalize::FinalizePackage;
use holdfast::registry::uploads::CreateUpload;
use tokio::task::JoinSet;

use crate::support::{House, bytes};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_an_absent_key_one_wins() {
    let house = std::sync::Arc::new(House::open().await);
    let package = house.create("pkg").await;
    for round in 0..50 {
        let mut writers = JoinSet::new();
        for writer in 0..8u64 {
            let house = house.clone();
            writers.spawn(async move {
                let bytes = bytes(round * 8 + writer, 100);
                let key = format!("key {round}");
                house
                    .put_if(package, &key, &bytes, WriteCondition::IfAbsent)
                    .await
            });
        }
        let mut winners = 0;
        while let Some(outcome) = writers.join_next().await {
            match outcome.unwrap() {
                Ok(_) => winners += 1,
                Err(Error::Rejected(Rejection::PreconditionFailed)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_succeeds_if_and_only_if_it_is_in_the_manifest() {
    let house = std::sync::Arc::new(House::open().await);
    for round in 0..50u64 {
        let package = house.create(&format!("pkg-{round}")).await;
        let mut writers = JoinSet::new();
        for writer in 0..16u64 {
            let house = house.clone();
            writers.spawn(async move {
                let mut written = Vec::new();
                for step in 0..20u64 {
                    let key = format!("{writer}/{step}");
                    match house
                        .put(package, &key, &bytes(writer * 20 + step, 64))
                        .await
                    {
                        Ok(_) => written.push(key),
                        Err(Error::Rejected(Rejection::Finalized { .. })) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                written
            });
        }
        let mut finalizers = JoinSet::new();
        for _ in 0..4 {
            let house = house.clone();
            finalizers.spawn(async move {
                let command = FinalizePackage {
                    actor: "tester".into(),
                    ..Default::default()
                };
                house
                    .registry
                    .finalize_package(package, command)
                    .await
                    .unwrap()
            });
        }
        let mut outcomes = BTreeSet::new();
        while let Some(outcome) = finalizers.join_next().await {
            outcomes.insert(outcome.unwrap().manifest_address);
        }
        assert_eq!(outcomes.len(), 1, "every finalize answers the same digest");
        let mut written = BTreeSet::new();
        while let Some(keys) = writers.join_next().await {
            written.extend(keys.unwrap());
        }
        let manifest = house
            .registry
            .find_manifest(package)
            .await
            .unwrap()
            .unwrap();
        let manifest = Manifest::decode(&manifest).unwrap();
        let listed: BTreeSet<_> = manifest
            .files
            .iter()
            .map(|file| file.path.as_str().to_owned())
            .collect();
        assert_eq!(listed, written, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_follows_sees_every_event_once_and_in_order() {
    let mut house = House::open().await;
    let package = house.create("pkg").await;
    let reader = {
        let registry = house.registry.clone();
        tokio::spawn(async move {
            let mut query = EventQuery {
                limit: 7,
                ..EventQuery::default()
            };
            let mut seen = Vec::new();
            while seen.len() < 402 {
                let wait = std::time::Duration::from_secs(20);
                let batch = registry.poll_events(&query, wait).await.unwrap();
                assert!(!batch.events.is_empty(), "the log stands still");
                seen.extend(batch.events.iter().map(|event| event.sequence));
                query.since = batch.next_since;
            }
            seen
        })
    };
    let shared = std::sync::Arc::new(house);
    let mut writers = JoinSet::new();
    for writer in 0..8u64 {
        let house = shared.clone();
        writers.spawn(async move {
            for step in 0..50 {
                house
                    .put(package, &format!("{writer}/{step}"), b"x")
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(outcome) = writers.join_next().await {
        outcome.unwrap();
    }
    let seen = reader.await.unwrap();
    assert_eq!(seen, (1..=402).map(Sequence).collect::<Vec<_>>());
    house = std::sync::Arc::into_inner(shared).unwrap();
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_while_a_manifest_is_built_does_not_refuse_the_finalize() {
    let mut house = House::open().await;
    for round in 0..30u64 {
        let package = house.create(&format!("pkg-{round}")).await;
        for file in 0..20 {
            let key = format!("file {file}");
            house.put(package, &key, &bytes(file, 10)).await.unwrap();
        }
        let registry = &house.registry;
        let command = FinalizePackage {
            actor: "tester".to_owned(),
            ..FinalizePackage::default()
        };
        let finalize = registry.finalize_package(package, command);
        let hold = registry.apply_hold(package, HoldKind::Operator, "inquiry", "tester");
        let (finalized, held) = tokio::join!(finalize, hold);
        held.unwrap();
        finalized.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_finalize_that_is_refused_keeps_the_uploads_that_it_would_have_aborted() {
    let house = House::open().await;
    let package = house.create("pkg").await;
    let command = CreateUpload {
        package_id: package,
        key: ObjectKey::parse("key").unwrap(),
        media_type: "text/plain".to_owned(),
        attributes: ObjectAttributes::default(),
        checksum: None,
        lock: holdfast::domain::lock::LockRequest::default(),
        actor: "tester".to_owned(),
    };
    let upload = house.registry.create_upload(command).await.unwrap();
    let finalize = |expected| {
        let command = FinalizePackage {
            abort_uploads: true,
            expect_content_digest: expected,
            actor: "tester".to_owned(),
            ..FinalizePackage::default()
        };
        house.registry.finalize_package(package, command)
    };
    let refused = finalize(Some(ContentAddress([7; 32]))).await;
    assert!(matches!(
        refused,
        Err(Error::Rejected(Rejection::ContentDigestMismatch { .. }))
    ));
    let find = || house.registry.find_upload(package, &upload.key, upload.id);
    assert!(find().await.is_ok(), "it is still open");
    finalize(None).await.unwrap();
    assert!(find().await.is_err());
}
