//! Named readers of the log: what each wants to see, and how far it has come. Working state, not a
//! fact: nothing here is an event.

use std::fmt;

use crate::domain::ids::{PackageId, Sequence, Timestamp};
use crate::domain::type_filter::TypeFilter;

/// The most characters of a consumer's name.
pub const MAX_NAME_CHARACTERS: usize = 64;

/// The most consumers of one owner.
pub const MAX_OF_OWNER: u64 = 100;

/// The most consumers of all owners.
pub const MAX_CONSUMERS: u64 = 10_000;

/// A consumer's name: letters, digits, `.`, `_` and `-`, beginning with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// A name, if the text is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = (1..=MAX_NAME_CHARACTERS).contains(&text.len())
            && text.bytes().all(is_known)
            && text.as_bytes()[0].is_ascii_alphanumeric();
        is_name.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named reader of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name, which no other has.
    pub name: ConsumerName,
    /// Whose it is.
    pub owner: String,
    /// The types it wants.
    pub types: TypeFilter,
    /// The package it wants; all, if none.
    pub package_id: Option<PackageId>,
    /// Everything up to here is done with.
    pub acked: Sequence,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed or acknowledged something.
    pub updated_at: Timestamp,
}

/// Who asks for a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerCaller {
    /// The user.
    pub actor: String,
    /// Whether the user may use the consumers of others.
    pub is_admin: bool,
}

/// Why something cannot be done with a consumer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerRejection {
    /// There is none of this name.
    #[error("there is no consumer of this name")]
    NoSuchConsumer,
    /// It belongs to somebody else.
    #[error("the consumer belongs to another user")]
    NotOwner,
    /// The name belongs to somebody else.
    #[error("the name belongs to a consumer of another user")]
    NameTaken,
    /// There are as many as there may be.
    #[error("there are {limit} consumers already; remove one first")]
    TooMany {
        /// How many there may be.
        limit: u64,
    },
    /// The position lies before what is acknowledged.
    #[error("everything up to {acked} is acknowledged already")]
    Behind {
        /// What is acknowledged.
        acked: Sequence,
    },
    /// The log does not reach so far.
    #[error("the log ends at {head}")]
    BeyondHead {
        /// The end of the log.
        head: Sequence,
    },
}

impl Consumer {
    /// Whether somebody may use it.
    pub fn check_caller(&self, caller: &ConsumerCaller) -> Result<(), ConsumerRejection> {
        if caller.is_admin || self.owner == caller.actor {
            Ok(())
        } else {
            Err(ConsumerRejection::NotOwner)
        }
    }

    /// Decides an acknowledgement of everything up to a position in a log that ends at `head`.
    /// Never goes back, but for a rewind that is asked for.
    pub fn acknowledge(
        &self,
        sequence: Sequence,
        is_rewind: bool,
        head: Sequence,
    ) -> Result<Sequence, ConsumerRejection> {
        if sequence > head {
            return Err(ConsumerRejection::BeyondHead { head });
        }
        if sequence < self.acked && !is_rewind {
            return Err(ConsumerRejection::Behind { acked: self.acked });
        }
        Ok(sequence)
    }
}

/// Decides whether one more consumer may be made, when an owner has so many of all.
pub fn check_count(of_owner: u64, of_all: u64) -> Result<(), ConsumerRejection> {
    for (count, limit) in [(of_owner, MAX_OF_OWNER), (of_all, MAX_CONSUMERS)] {
        if count >= limit {
            return Err(ConsumerRejection::TooMany { limit });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        let long = "a".repeat(MAX_NAME_CHARACTERS + 1);
        for wrong in ["", ".a", "-a", "_a", "a b", "a/b", "é", "a*", &long] {
            assert_eq!(ConsumerName::parse(wrong), None, "{wrong}");
        }
        for name in ["a", "0", "Audit.mail_2-x", &long[1..]] {
            assert_eq!(ConsumerName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_position_goes_on_unless_it_is_told_to_go_back() {
        let consumer = Consumer {
            name: ConsumerName::parse("a").unwrap(),
            owner: "ci".to_owned(),
            types: TypeFilter::default(),
            package_id: None,
            acked: Sequence(5),
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        };
        let acknowledge =
            |sequence, rewind| consumer.acknowledge(Sequence(sequence), rewind, Sequence(9));
        let behind = ConsumerRejection::Behind { acked: Sequence(5) };
        let beyond = ConsumerRejection::BeyondHead { head: Sequence(9) };
        assert_eq!(acknowledge(4, false), Err(behind));
        assert_eq!(acknowledge(5, false), Ok(Sequence(5)));
        assert_eq!(acknowledge(9, false), Ok(Sequence(9)));
        assert_eq!(acknowledge(10, false), Err(beyond.clone()));
        assert_eq!(acknowledge(0, true), Ok(Sequence(0)));
        assert_eq!(acknowledge(10, true), Err(beyond));

        let caller = |actor: &str, is_admin| ConsumerCaller {
            actor: actor.to_owned(),
            is_admin,
        };
        assert!(consumer.check_caller(&caller("ci", false)).is_ok());
        assert!(consumer.check_caller(&caller("root", true)).is_ok());
        assert_eq!(
            consumer.check_caller(&caller("dev", false)),
            Err(ConsumerRejection::NotOwner)
        );
    }

    #[test]
    fn there_are_only_so_many() {
        let too_many = |limit| Err(ConsumerRejection::TooMany { limit });
        assert_eq!(check_count(MAX_OF_OWNER - 1, MAX_CONSUMERS - 1), Ok(()));
        assert_eq!(check_count(MAX_OF_OWNER, 0), too_many(MAX_OF_OWNER));
        assert_eq!(check_count(0, MAX_CONSUMERS), too_many(MAX_CONSUMERS));
    }
}
