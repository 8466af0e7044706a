//! Named consumers: make, change, list, read on, acknowledge, remove.
//!
//! A consumer is a filter and a position. What it reads is never marked as read by reading: only an
//! acknowledgement moves the position, so that every event is seen at least once.

use std::time::Duration;

use async_trait::async_trait;

use crate::db::commit::Unit;
use crate::db::consumers;
use crate::db::tx::{UnitResult, WriteTx};
use crate::domain::consumer::{
    Consumer, ConsumerCaller, ConsumerName, ConsumerRejection, check_count,
};
use crate::domain::ids::{PackageId, Sequence};
use crate::domain::type_filter::TypeFilter;
use crate::registry::error::Result;
use crate::registry::feed::{EventBatch, EventQuery, Payloads};
use crate::registry::handle::Registry;

/// Where a new consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerStart {
    /// After this position.
    After(Sequence),
    /// At the end of the log: only what comes.
    Head,
}

/// Makes a consumer, or changes the filter of the one that is there.
#[derive(Debug, Clone)]
pub struct PutConsumer {
    /// The name.
    pub name: ConsumerName,
    /// Who asks; the owner of a new one.
    pub caller: ConsumerCaller,
    /// The types it wants.
    pub types: TypeFilter,
    /// The package it wants; all, if none.
    pub package_id: Option<PackageId>,
    /// Where a new one begins. One that is there stays where it is.
    pub start: ConsumerStart,
}

/// Acknowledges everything up to a position.
#[derive(Debug, Clone)]
pub struct AcknowledgeEvents {
    /// The consumer.
    pub name: ConsumerName,
    /// Who asks.
    pub caller: ConsumerCaller,
    /// The position.
    pub sequence: Sequence,
    /// Whether it may lie before what is acknowledged.
    pub is_rewind: bool,
}

impl Registry {
    /// Makes or changes a consumer, and says whether it is new. Durable when it returns; a repeat
    /// changes nothing.
    pub async fn put_consumer(&self, command: PutConsumer) -> Result<(Consumer, bool)> {
        Ok(self.inner.committer.submit(PutUnit(command)).await??)
    }

    /// A consumer, for who may use it.
    pub async fn find_consumer(
        &self,
        name: &ConsumerName,
        caller: &ConsumerCaller,
    ) -> Result<Consumer> {
        let found = consumers::find(&self.inner.db.readers, name).await?;
        Ok(usable(found, caller)?)
    }

    /// Consumers after a name, in the order of names, and whether more follow: those of the caller,
    /// or all for who may use all.
    pub async fn list_consumers(
        &self,
        caller: &ConsumerCaller,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Consumer>, bool)> {
        let owner = (!caller.is_admin).then_some(caller.actor.as_str());
        let readers = &self.inner.db.readers;
        let mut page = consumers::list(readers, owner, after, limit + 1).await?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        Ok((page, has_more))
    }

    /// The next events of a consumer after what it has acknowledged; waits up to `wait` for a first
    /// one. The same again until they are acknowledged. Cancel-safe.
    pub async fn poll_consumer(
        &self,
        consumer: &Consumer,
        limit: usize,
        payloads: Payloads,
        wait: Duration,
    ) -> Result<EventBatch> {
        let query = EventQuery {
            since: consumer.acked,
            limit,
            package: consumer.package_id,
            types: consumer.types.clone(),
            payloads,
        };
        self.poll_events(&query, wait).await
    }

    /// Moves the position of a consumer. Durable when it returns.
    pub async fn acknowledge_events(&self, command: AcknowledgeEvents) -> Result<Consumer> {
        Ok(self
            .inner
            .committer
            .submit(AcknowledgeUnit(command))
            .await??)
    }

    /// Removes a consumer and its position. Durable when it returns.
    pub async fn remove_consumer(&self, name: ConsumerName, caller: ConsumerCaller) -> Result<()> {
        let unit = RemoveUnit { name, caller };
        Ok(self.inner.committer.submit(unit).await??)
    }

    /// The end of the log, as this process knows it.
    pub fn log_head(&self) -> Sequence {
        *self.inner.committer.head().borrow()
    }
}

fn usable(
    found: Option<Consumer>,
    caller: &ConsumerCaller,
) -> std::result::Result<Consumer, ConsumerRejection> {
    let consumer = found.ok_or(ConsumerRejection::NoSuchConsumer)?;
    consumer.check_caller(caller)?;
    Ok(consumer)
}

struct PutUnit(PutConsumer);

#[async_trait]
impl Unit for PutUnit {
    type Output = (Consumer, bool);
    type Refusal = ConsumerRejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Self::Output, Self::Refusal> {
        let command = &self.0;
        let found = consumers::find(&mut *tx.connection, &command.name).await?;
        let is_new = found.is_none();
        let consumer = match found {
            Some(there) if there.check_caller(&command.caller).is_err() => {
                return Ok(Err(ConsumerRejection::NameTaken));
            }
            Some(there) => {
                if there.types == command.types && there.package_id == command.package_id {
                    return Ok(Ok((there, false)));
                }
                Consumer {
                    types: command.types.clone(),
                    package_id: command.package_id,
                    updated_at: tx.now(),
                    ..there
                }
            }
            None => match self.begin(tx).await? {
                Ok(consumer) => consumer,
                Err(rejection) => return Ok(Err(rejection)),
            },
        };
        consumers::put(tx.connection, &consumer).await?;
        Ok(Ok((consumer, is_new)))
    }
}

impl PutUnit {
    /// Decides about a new consumer.
    async fn begin(&self, tx: &mut WriteTx<'_>) -> UnitResult<Consumer, ConsumerRejection> {
        let command = &self.0;
        let (of_owner, of_all) = consumers::count(tx.connection, &command.caller.actor).await?;
        if let Err(rejection) = check_count(of_owner, of_all) {
            return Ok(Err(rejection));
        }
        let head = tx.last_sequence();
        let acked = match command.start {
            ConsumerStart::Head => head,
            ConsumerStart::After(since) if since > head => {
                return Ok(Err(ConsumerRejection::BeyondHead { head }));
            }
            ConsumerStart::After(since) => since,
        };
        Ok(Ok(Consumer {
            name: command.name.clone(),
            owner: command.caller.actor.clone(),
            types: command.types.clone(),
            package_id: command.package_id,
            acked,
            created_at: tx.now(),
            updated_at: tx.now(),
        }))
    }
}

struct AcknowledgeUnit(AcknowledgeEvents);

#[async_trait]
impl Unit for AcknowledgeUnit {
    type Output = Consumer;
    type Refusal = ConsumerRejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Self::Output, Self::Refusal> {
        let command = &self.0;
        let found = consumers::find(&mut *tx.connection, &command.name).await?;
        let head = tx.last_sequence();
        let decided = usable(found, &command.caller).and_then(|consumer| {
            let acked = consumer.acknowledge(command.sequence, command.is_rewind, head)?;
            Ok((consumer, acked))
        });
        let (mut consumer, acked) = match decided {
            Ok(decided) => decided,
            Err(rejection) => return Ok(Err(rejection)),
        };
        if consumer.acked != acked {
            consumer.acked = acked;
            consumer.updated_at = tx.now();
            consumers::put(tx.connection, &consumer).await?;
        }
        Ok(Ok(consumer))
    }
}

struct RemoveUnit {
    name: ConsumerName,
    caller: ConsumerCaller,
}

#[async_trait]
impl Unit for RemoveUnit {
    type Output = ();
    type Refusal = ConsumerRejection;

    async fn run(&self, tx: &mut WriteTx<'_>) -> UnitResult<Self::Output, Self::Refusal> {
        let found = consumers::find(&mut *tx.connection, &self.name).await?;
        if let Err(rejection) = usable(found, &self.caller) {
            return Ok(Err(rejection));
        }
        consumers::remove(tx.connection, &self.name).await?;
        Ok(Ok(()))
    }
}
