//! Documents that configure buckets: kept, replaced, removed, gone with the package.

use holdfast::domain::configuration::{ConfigurationKind, MAX_DOCUMENT_BYTES};
use holdfast::domain::ids::PackageId;
use holdfast::domain::package::Rejection;
use holdfast::registry::configurations::SetConfiguration;
use holdfast::registry::error::{Error, Result};
use holdfast::registry::finalize::FinalizePackage;

use crate::support::{House, rejection};

async fn set(
    house: &House,
    package_id: PackageId,
    kind: ConfigurationKind,
    document: Option<&str>,
) -> Result<()> {
    let command = SetConfiguration {
        package_id,
        kind,
        document: document.map(str::to_owned),
        actor: "tester".into(),
    };
    house.registry.set_configuration(command).await
}

async fn found(house: &House, id: PackageId, kind: ConfigurationKind) -> Option<String> {
    let all = house.registry.find_configurations(id).await.unwrap();
    all.get(&kind).cloned()
}

async fn last_sequence(house: &House, id: PackageId) -> u64 {
    let package = house.registry.find_package(id).await.unwrap().unwrap();
    package.last_sequence.0
}

#[tokio::test]
async fn a_document_is_kept_until_it_is_replaced_or_removed() {
    use ConfigurationKind::{Cors, Ownership};
    let mut house = House::open().await;
    let id = house.create("pkg").await;
    let other = house.create("other").await;
    assert_eq!(found(&house, id, Cors).await, None);
    set(&house, id, Cors, Some("<a/>")).await.unwrap();
    assert_eq!(found(&house, id, Cors).await.as_deref(), Some("<a/>"));
    set(&house, id, Cors, Some("<b/>")).await.unwrap();
    set(&house, id, Ownership, Some("<c/>")).await.unwrap();
    assert_eq!(found(&house, id, Cors).await.as_deref(), Some("<b/>"));
    assert_eq!(found(&house, id, Ownership).await.as_deref(), Some("<c/>"));
    assert_eq!(found(&house, other, Cors).await, None);

    // What changes nothing is no event.
    let before = last_sequence(&house, id).await;
    set(&house, id, Cors, Some("<b/>")).await.unwrap();
    assert_eq!(last_sequence(&house, id).await, before);

    assert_eq!(house.audit().await.faults, Vec::<String>::new());
    house.reopen().await;
    assert_eq!(found(&house, id, Cors).await.as_deref(), Some("<b/>"));
    set(&house, id, Cors, None).await.unwrap();
    set(&house, id, Cors, None).await.unwrap();
    assert_eq!(last_sequence(&house, id).await, before + 1);
    assert_eq!(found(&house, id, Cors).await, None);
    assert_eq!(found(&house, id, Ownership).await.as_deref(), Some("<c/>"));
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_finalized_package_is_still_configured_and_an_ended_one_is_not() {
    let mut house = House::open().await;
    let id = house.create("pkg").await;
    let command = FinalizePackage {
        abort_uploads: false,
        expect_content_digest: None,
        provenance: None,
        request_body: bytes::Bytes::new(),
        actor: "tester".into(),
    };
    house.registry.finalize_package(id, command).await.unwrap();
    let kind = ConfigurationKind::Cors;
    set(&house, id, kind, Some("<a/>")).await.unwrap();
    assert_eq!(found(&house, id, kind).await.as_deref(), Some("<a/>"));

    let ended = house.create("ended").await;
    set(&house, ended, kind, Some("<a/>")).await.unwrap();
    house
        .registry
        .delete_package(ended, "tester", false)
        .await
        .unwrap();
    assert_eq!(found(&house, ended, kind).await, None);
    let refused = rejection(set(&house, ended, kind, Some("<b/>")).await);
    assert_eq!(refused, Rejection::NoSuchPackage);
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_document_has_its_limit_on_both_sides() {
    let house = House::open().await;
    let id = house.create("pkg").await;
    let kind = ConfigurationKind::Cors;
    let most = "x".repeat(MAX_DOCUMENT_BYTES);
    set(&house, id, kind, Some(&most)).await.unwrap();
    let more = set(&house, id, kind, Some(&format!("{most}x"))).await;
    assert!(matches!(more, Err(Error::InvalidArgument(_))), "{more:?}");
    assert_eq!(found(&house, id, kind).await, Some(most));
}
