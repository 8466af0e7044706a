//! Named consumers of the log, below HTTP: races, restarts, and a log that is longer than a search.

use std::time::Duration;

use holdfast::domain::consumer::{Consumer, ConsumerCaller, ConsumerName, ConsumerRejection};
use holdfast::domain::ids::Sequence;
use holdfast::domain::type_filter::TypeFilter;
use holdfast::registry::consumers::{AcknowledgeEvents, ConsumerStart, PutConsumer};
use holdfast::registry::error::{Error, Result};
use holdfast::registry::feed::{EventQuery, Payloads};
use holdfast::registry::handle::Registry;
use tokio::task::JoinSet;

use crate::support::House;

fn name() -> ConsumerName {
    ConsumerName::parse("mail").unwrap()
}

fn caller(actor: &str) -> ConsumerCaller {
    ConsumerCaller {
        actor: actor.to_owned(),
        is_admin: false,
    }
}

fn put(actor: &str, types: &str) -> PutConsumer {
    PutConsumer {
        name: name(),
        caller: caller(actor),
        types: TypeFilter::parse(types).unwrap(),
        package_id: None,
        start: ConsumerStart::After(Sequence(0)),
    }
}

async fn acknowledge(registry: &Registry, sequence: u64) -> Result<Consumer> {
    let command = AcknowledgeEvents {
        name: name(),
        caller: caller("a"),
        sequence: Sequence(sequence),
        is_rewind: false,
    };
    registry.acknowledge_events(command).await
}

async fn next(registry: &Registry, limit: usize) -> Vec<u64> {
    let consumer = registry.find_consumer(&name(), &caller("a")).await.unwrap();
    let poll = registry.poll_consumer(&consumer, limit, Payloads::Small, Duration::ZERO);
    let batch = poll.await.unwrap();
    batch.events.iter().map(|event| event.sequence.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_owners_one_wins_and_of_racing_positions_the_last() {
    let mut house = House::open().await;
    let package = house.create("pkg").await;
    for n in 0..30 {
        house.put(package, &format!("{n}"), b"x").await.unwrap();
    }
    let mut makers = JoinSet::new();
    for maker in 0..8 {
        let registry = house.registry.clone();
        let command = put(["a", "b"][maker % 2], "");
        makers.spawn(async move { registry.put_consumer(command).await });
    }
    let mut new = Vec::new();
    let mut owner = String::new();
    while let Some(outcome) = makers.join_next().await {
        match outcome.unwrap() {
            Ok((consumer, is_new)) => {
                new.extend(is_new.then_some(()));
                owner = consumer.owner;
            }
            Err(Error::Consumer(ConsumerRejection::NameTaken)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(new.len(), 1);
    let removed = house.registry.remove_consumer(name(), caller(&owner)).await;
    removed.unwrap();
    house.registry.put_consumer(put("a", "")).await.unwrap();

    let mut readers = JoinSet::new();
    for sequence in 1..=32 {
        let registry = house.registry.clone();
        readers.spawn(async move { acknowledge(&registry, sequence).await });
    }
    while let Some(outcome) = readers.join_next().await {
        match outcome.unwrap() {
            Ok(_) | Err(Error::Consumer(ConsumerRejection::Behind { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(next(&house.registry, 10).await, [0; 0]);
    let beyond = acknowledge(&house.registry, 33).await.unwrap_err();
    assert!(
        matches!(
            beyond,
            Error::Consumer(ConsumerRejection::BeyondHead { head: Sequence(32) })
        ),
        "{beyond}"
    );
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_position_outlives_a_restart_and_a_replay() {
    let mut house = House::open().await;
    let package = house.create("pkg").await;
    for n in 0..5 {
        house.put(package, &format!("{n}"), b"x").await.unwrap();
    }
    house
        .registry
        .put_consumer(put("a", "v1.file.*"))
        .await
        .unwrap();
    assert_eq!(next(&house.registry, 2).await, [3, 4]);
    house.reopen().await;
    assert_eq!(next(&house.registry, 2).await, [3, 4]);
    acknowledge(&house.registry, 4).await.unwrap();
    assert_eq!(house.audit().await.faults, Vec::<String>::new());
    assert_eq!(next(&house.registry, 2).await, [5, 6]);
    house.reopen().await;
    acknowledge(&house.registry, 6).await.unwrap();
    assert_eq!(next(&house.registry, 9).await, [7]);
}

#[tokio::test]
async fn what_is_far_behind_others_is_found_in_one_go() {
    let house = House::open().await;
    let package = house.create("pkg").await;
    // More than a page of envelopes.
    for n in 0..600 {
        house.put(package, &format!("{n}"), b"x").await.unwrap();
    }
    house.remove(package, "0").await.unwrap();
    house
        .registry
        .put_consumer(put("a", "*.removed"))
        .await
        .unwrap();
    assert_eq!(next(&house.registry, 1).await, [603]);
    let query = EventQuery {
        limit: 1000,
        ..EventQuery::default()
    };
    let batch = house.registry.fetch_events(&query).await.unwrap();
    let sequences: Vec<_> = batch.events.iter().map(|event| event.sequence.0).collect();
    assert_eq!(sequences, (1..=603).collect::<Vec<_>>());
    assert!(batch.events.iter().all(|event| event.payload.is_some()));
}
