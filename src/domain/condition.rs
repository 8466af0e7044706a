//! The condition of a write, decided where the write is decided: inside the commit.
//!
//! Reads no header: `wire/conditions.rs` does.

/// What must hold of the current object for a write to happen.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// No condition.
    #[default]
    Always,
    /// `If-None-Match: *`: the key must be absent.
    IfAbsent,
    /// `If-Match`: the key must be there, with one of these ETags; `*` matches any.
    IfMatch(Vec<String>),
    /// `If-None-Match` with ETags: the key must not have any of them.
    IfNoneMatch(Vec<String>),
}

/// Why a condition does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionFailed {
    /// The key is there when it must not be, or has another ETag.
    Precondition,
    /// `If-Match` on a key that is not there.
    MissingKey,
}

impl WriteCondition {
    /// Judges the current object, given by its unquoted ETag; `None` when the key is absent.
    pub fn check(&self, current: Option<&str>) -> Result<(), ConditionFailed> {
        let matches = |etags: &[String], etag: &str| etags.iter().any(|e| e == "*" || e == etag);
        match (self, current) {
            (Self::IfMatch(_), None) => Err(ConditionFailed::MissingKey),
            (Self::IfAbsent, Some(_)) => Err(ConditionFailed::Precondition),
            (Self::IfMatch(etags), Some(etag)) if !matches(etags, etag) => {
                Err(ConditionFailed::Precondition)
            }
            (Self::IfNoneMatch(etags), Some(etag)) if matches(etags, etag) => {
                Err(ConditionFailed::Precondition)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_judges_the_current_etag() {
        let etags = |list: &[&str]| list.iter().map(|&e| e.to_owned()).collect::<Vec<_>>();
        let failed = Err(ConditionFailed::Precondition);
        let cases = [
            (WriteCondition::Always, None, Ok(())),
            (WriteCondition::Always, Some("a"), Ok(())),
            (WriteCondition::IfAbsent, None, Ok(())),
            (WriteCondition::IfAbsent, Some("a"), failed),
            (
                WriteCondition::IfMatch(etags(&["a"])),
                None,
                Err(ConditionFailed::MissingKey),
            ),
            (WriteCondition::IfMatch(etags(&["a"])), Some("b"), failed),
            (
                WriteCondition::IfMatch(etags(&["a", "b"])),
                Some("b"),
                Ok(()),
            ),
            (WriteCondition::IfMatch(etags(&["*"])), Some("b"), Ok(())),
            (WriteCondition::IfNoneMatch(etags(&["a"])), None, Ok(())),
            (
                WriteCondition::IfNoneMatch(etags(&["a"])),
                Some("a"),
                failed,
            ),
            (
                WriteCondition::IfNoneMatch(etags(&["a"])),
                Some("b"),
                Ok(()),
            ),
        ];
        for (condition, current, expected) in cases {
            assert_eq!(
                condition.check(current),
                expected,
                "{condition:?} on {current:?}"
            );
        }
    }
}
