//! One package from its creation to its end.

use holdfast::domain::digest::ClaimMismatch;
use holdfast::domain::ids::Sequence;
use holdfast::domain::name::{ObjectKey, PackageName};
use holdfast::domain::package::{PackageStatus, Rejection};
use holdfast::registry::error::Error;
use holdfast::registry::feed::EventQuery;
use holdfast::registry::files::IngestFile;
use holdfast::registry::finalize::FinalizePackage;

use crate::support::{House, Source, bytes, create, rejection};

fn finalize() -> FinalizePackage {
    FinalizePackage {
        actor: "tester".into(),
        ..FinalizePackage::default()
    }
}

#[tokio::test]
async fn a_package_is_written_frozen_and_read() {
    let mut house = House::open().await;
    let package = house.create("pkg").await;
    let (small, large) = (bytes(1, 100), bytes(2, 3 << 20));
    house.put(package, "small", &small).await.unwrap();
    house.put(package, "large", &large).await.unwrap();
    house.put(package, "empty", b"").await.unwrap();
    house.put(package, "small", &bytes(3, 50)).await.unwrap();
    house.put(package, "small", &small).await.unwrap();
    house.remove(package, "empty").await.unwrap();
    house.remove(package, "was never there").await.unwrap();
    assert_eq!(
        house.read(package, "small").await.unwrap(),
        Some(small.clone())
    );
    assert_eq!(
        house.read(package, "large").await.unwrap(),
        Some(large.clone())
    );
    assert_eq!(house.read(package, "empty").await.unwrap(), None);

    let first = house
        .registry
        .finalize_package(package, finalize())
        .await
        .unwrap();
    let second = house
        .registry
        .finalize_package(package, finalize())
        .await
        .unwrap();
    assert_eq!(first, second, "a repeat answers the same");
    let manifest = house
        .registry
        .find_manifest(package)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        blake3::hash(&manifest).as_bytes(),
        &first.manifest_address.0
    );

    let frozen = Rejection::Finalized {
        manifest: first.manifest_address,
    };
    assert_eq!(rejection(house.put(package, "new", b"x").await), frozen);
    assert_eq!(
        rejection(house.put(package, "small", b"other").await),
        frozen
    );
    assert_eq!(rejection(house.remove(package, "small").await), frozen);
    let same = house.put(package, "small", &small).await.unwrap();
    assert_eq!(same.size_bytes, 100, "the same bytes again are a success");
    let deleted = house
        .registry
        .delete_package(package, "tester", false)
        .await;
    assert_eq!(rejection(deleted), Rejection::Retained { expires_at: None });

    let record = house.registry.find_package(package).await.unwrap().unwrap();
    assert_eq!(record.status, PackageStatus::Finalized);
    assert_eq!(
        (record.file_count, record.total_bytes),
        (2, 100 + (3 << 20))
    );
    assert_eq!(record.last_sequence, first.sequence);

    let query = EventQuery {
        limit: 1000,
        ..EventQuery::default()
    };
    let batch = house.registry.fetch_events(&query).await.unwrap();
    let types: Vec<_> = batch
        .events
        .iter()
        .map(|event| event.event_type.as_str())
        .collect();
    let expected = [
        "v1.package.created",
        "v1.retention.default_applied",
        "v1.file.ingested",
        "v1.file.ingested",
        "v1.file.ingested",
        "v1.file.superseded",
        "v1.file.ingested",
        "v1.file.superseded",
        "v1.file.ingested",
        "v1.file.removed",
        "v1.package.finalized",
    ];
    assert_eq!(types, expected);
    assert_eq!(batch.head, Sequence(11));
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_name_is_free_again_after_its_end() {
    let mut house = House::open().await;
    let package = house.create("pkg").await;
    let taken = rejection(house.registry.create_package(create("pkg")).await);
    assert_eq!(
        taken,
        Rejection::NameTaken {
            owner: "tester".into()
        }
    );
    house.put(package, "key", b"x").await.unwrap();
    let refused = house
        .registry
        .delete_package(package, "tester", false)
        .await;
    assert_eq!(rejection(refused), Rejection::NotEmpty);
    house.remove(package, "key").await.unwrap();
    house
        .registry
        .delete_package(package, "tester", false)
        .await
        .unwrap();
    assert_eq!(
        rejection(house.put(package, "key", b"x").await),
        Rejection::NoSuchPackage
    );
    let name = PackageName::parse("pkg").unwrap();
    assert!(house.registry.find_bucket(&name).await.unwrap().is_none());
    let again = house.create("pkg").await;
    assert_ne!(again, package);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let house = House::open().await;
    let package = house.create("pkg").await;
    let command = IngestFile {
        package_id: package,
        key: ObjectKey::parse("key").unwrap(),
        media_type: String::new(),
        attributes: holdfast::domain::file::ObjectAttributes::default(),
        condition: holdfast::domain::condition::WriteCondition::Always,
        lock: holdfast::domain::lock::LockRequest::default(),
        actor: "tester".into(),
    };
    for length in [10, 1 << 20] {
        let mut wrong = Source::of(&bytes(1, length));
        wrong.claims.md5 = Some([0; 16]);
        let outcome = house
            .registry
            .ingest_file(command.clone(), &mut wrong)
            .await;
        assert!(
            matches!(outcome, Err(Error::Claim(ClaimMismatch::Md5))),
            "{outcome:?}"
        );
        let mut cut = Source::of(&bytes(1, length));
        cut.breaks_off = true;
        let outcome = house.registry.ingest_file(command.clone(), &mut cut).await;
        assert!(matches!(outcome, Err(Error::Source(_))), "{outcome:?}");
    }
    assert_eq!(house.read(package, "key").await.unwrap(), None);
    let events = house
        .registry
        .fetch_events(&EventQuery::default())
        .await
        .unwrap();
    assert_eq!(events.head, Sequence(2));
    let staging = house.folder.path().join("staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
}
