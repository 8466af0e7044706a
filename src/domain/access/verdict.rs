//! The judgement: the owner, the grants of the settings, the policy, the ACLs and the block, in the
//! order in which they count.
//!
//! An explicit denial of the policy comes first and holds for everybody; only the policy itself
//! stays in the hands of the owner and of the root, or a policy could shut everybody out for good.
//! Then whoever owns the bucket or holds a grant is let in, then whom the policy allows, then whom
//! an ACL permits. Nobody else is.

use std::fmt;

use crate::domain::access::acl::{Acl, AclOf, Permission, permission_of};
use crate::domain::access::action::Action;
use crate::domain::access::bucket::BucketAccess;
use crate::domain::access::policy::{Answer, Question};
use crate::domain::access::principal::Who;

/// How a caller stands to a bucket, before its own documents are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the caller is the root or owns the bucket.
    pub is_owner: bool,
    /// Whether ownership or a grant of the settings lets the caller do this.
    pub is_entitled: bool,
    /// Whether nothing else can let the caller do this: it is an act that S3 does not know, such as
    /// finalizing, under the name of an action that it does.
    pub has_own_rights_only: bool,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// Let in.
    Allowed,
    /// Let in if the object's ACL permits this; [`judge_object`] says.
    AskObject(Permission),
    /// Not let in, by this rule.
    Refused(Rule<'p>),
}

/// The rule that decided a refusal, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule<'p> {
    /// A statement of the bucket policy denies it.
    PolicyDenies(&'p str),
    /// The bucket policy cannot be read.
    PolicyUnreadable,
    /// The policy allows it, but is public, and `RestrictPublicBuckets` is on.
    RestrictPublicBuckets(&'p str),
    /// The bucket's ACL does not permit it.
    BucketAcl(Permission),
    /// The object's ACL does not permit it.
    ObjectAcl(Permission),
    /// Neither ownership nor a grant nor the policy allows it, and ACLs cannot.
    NothingAllows,
}

impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PolicyDenies(label) => write!(f, "policy statement '{label}' denies it"),
            Self::PolicyUnreadable => f.write_str("the bucket policy cannot be read"),
            Self::RestrictPublicBuckets(label) => write!(
                f,
                "policy statement '{label}' allows it, but RestrictPublicBuckets is on"
            ),
            Self::BucketAcl(permission) => {
                write!(f, "the bucket's ACL does not permit {}", permission.name())
            }
            Self::ObjectAcl(permission) => {
                write!(f, "the object's ACL does not permit {}", permission.name())
            }
            Self::NothingAllows => {
                f.write_str("no grant, no policy statement and no ACL allows it")
            }
        }
    }
}

/// Judges a request by all that is known without looking at the object.
pub fn judge<'p>(
    standing: Standing,
    access: &'p BucketAccess,
    question: &Question<'_>,
) -> Verdict<'p> {
    let action = question.action;
    if standing.is_owner && standing.is_entitled && action.mends_policy() {
        return Verdict::Allowed;
    }
    if access.is_policy_unreadable {
        return Verdict::Refused(Rule::PolicyUnreadable);
    }
    let answer = match &access.policy {
        Some(policy) => policy.answer(question),
        None => Answer::Silent,
    };
    if let Answer::Denied(label) = answer {
        return Verdict::Refused(Rule::PolicyDenies(label));
    }
    if standing.is_entitled {
        return Verdict::Allowed;
    }
    let mut rule = Rule::NothingAllows;
    if standing.has_own_rights_only {
        return Verdict::Refused(rule);
    }
    if let Answer::Allowed(label) = answer
        && may_be_given(action)
    {
        if !(access.block.restrict_public_buckets && access.is_policy_public) {
            return Verdict::Allowed;
        }
        rule = Rule::RestrictPublicBuckets(label);
    }
    match permission_of(action) {
        Some((AclOf::Bucket, permission)) if access.ownership.has_acls() => {
            let ignores_public = access.block.ignore_public_acls;
            let permits = |acl: &Acl| acl.permits(question.who, permission, ignores_public);
            if access.acl.as_ref().is_some_and(permits) {
                return Verdict::Allowed;
            }
            if rule == Rule::NothingAllows {
                rule = Rule::BucketAcl(permission);
            }
            Verdict::Refused(rule)
        }
        Some((AclOf::Object, permission)) if access.ownership.has_acls() => {
            Verdict::AskObject(permission)
        }
        _ => Verdict::Refused(rule),
    }
}

/// Judges by the ACL of the object, where [`judge`] asks for it. `None` is the ACL of an object
/// that has none of its own: private to the bucket's owner.
pub fn judge_object(
    acl: Option<&Acl>,
    access: &BucketAccess,
    who: Who<'_>,
    permission: Permission,
) -> Verdict<'static> {
    let ignores_public = access.block.ignore_public_acls;
    let permits = |acl: &Acl| acl.permits(who, permission, ignores_public);
    if access.ownership.has_acls() && acl.is_some_and(permits) {
        Verdict::Allowed
    } else {
        Verdict::Refused(Rule::ObjectAcl(permission))
    }
}

/// Whether a policy can give an action away. The bypass of governance retention comes from the
/// grants of the settings alone: the owner of a bucket, who writes its policy, has none.
fn may_be_given(action: Action) -> bool {
    action != Action::BypassGovernanceRetention
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::acl::Canned;
    use crate::domain::access::action::ResourceKind;
    use crate::domain::access::bucket::{Ownership, PublicAccessBlock};
    use crate::domain::access::facts::Facts;
    use crate::domain::access::policy::arn;
    use serde_json::json;

    const OWNER: Standing = Standing {
        is_owner: true,
        is_entitled: true,
        has_own_rights_only: false,
    };
    const GRANTED: Standing = Standing {
        is_owner: false,
        is_entitled: true,
        has_own_rights_only: false,
    };
    const NOBODY: Standing = Standing {
        is_owner: false,
        is_entitled: false,
        has_own_rights_only: false,
    };

    fn policy(effect: &str) -> BucketAccess {
        let text = json!({"Statement": {
            "Sid": "s", "Effect": effect, "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::pkg", "arn:aws:s3:::pkg/*"],
        }});
        BucketAccess::default().with_policy(&text.to_string(), "pkg")
    }

    fn with_acl(ownership: Ownership, canned: Canned) -> BucketAccess {
        BucketAccess {
            ownership,
            acl: Some(canned.acl("owner", "owner")),
            ..BucketAccess::default()
        }
    }

    fn verdict(standing: Standing, access: &BucketAccess, action: Action) -> Verdict<'_> {
        let question = Question {
            who: Who::User("bob"),
            action,
            resource: &arn(
                "pkg",
                (action.kind() != ResourceKind::Bucket).then_some("k"),
            ),
            facts: &Facts::default(),
        };
        judge(standing, access, &question)
    }

    #[test]
    fn a_denial_holds_for_everybody_but_the_policy_can_be_mended() {
        let access = policy("Deny");
        let denied = Verdict::Refused(Rule::PolicyDenies("s"));
        for standing in [OWNER, GRANTED, NOBODY] {
            for action in [Action::GetObject, Action::ListBucket, Action::PutBucketAcl] {
                assert_eq!(verdict(standing, &access, action), denied);
            }
        }
        for action in [
            Action::GetBucketPolicy,
            Action::PutBucketPolicy,
            Action::DeleteBucketPolicy,
        ] {
            assert_eq!(verdict(OWNER, &access, action), Verdict::Allowed);
            assert_eq!(verdict(GRANTED, &access, action), denied);
        }
        let broken = BucketAccess::default().with_policy("{", "pkg");
        assert_eq!(
            verdict(OWNER, &broken, Action::GetObject),
            Verdict::Refused(Rule::PolicyUnreadable)
        );
    }

    #[test]
    fn what_nothing_allows_is_refused() {
        let plain = BucketAccess::default();
        assert!(plain.is_plain());
        let none = Verdict::Refused(Rule::NothingAllows);
        assert_eq!(verdict(NOBODY, &plain, Action::GetObject), none);
        assert_eq!(
            verdict(GRANTED, &plain, Action::GetObject),
            Verdict::Allowed
        );
        assert_eq!(
            verdict(NOBODY, &policy("Allow"), Action::GetObject),
            Verdict::Allowed
        );
        let open = policy("Allow");
        let bypass = verdict(NOBODY, &open, Action::BypassGovernanceRetention);
        assert_eq!(bypass, none);
        let own_acts = Standing {
            has_own_rights_only: true,
            ..NOBODY
        };
        assert_eq!(verdict(own_acts, &open, Action::PutObject), none);
    }

    #[test]
    fn acls_count_where_the_ownership_lets_them() {
        let read = Canned::PublicRead;
        let enforced = with_acl(Ownership::BucketOwnerEnforced, read);
        let none = Verdict::Refused(Rule::NothingAllows);
        assert_eq!(verdict(NOBODY, &enforced, Action::ListBucket), none);
        for ownership in [Ownership::BucketOwnerPreferred, Ownership::ObjectWriter] {
            let mut access = with_acl(ownership, read);
            assert_eq!(
                verdict(NOBODY, &access, Action::ListBucket),
                Verdict::Allowed
            );
            assert_eq!(
                verdict(NOBODY, &access, Action::PutObject),
                Verdict::Refused(Rule::BucketAcl(Permission::Write))
            );
            let ask = Verdict::AskObject(Permission::Read);
            assert_eq!(verdict(NOBODY, &access, Action::GetObject), ask);
            assert_eq!(verdict(NOBODY, &access, Action::PutBucketTagging), none);
            let acl = read.acl("bob", "owner");
            let object = |access: &BucketAccess, acl: Option<&Acl>| {
                judge_object(acl, access, Who::Anonymous, Permission::Read)
            };
            assert_eq!(object(&access, Some(&acl)), Verdict::Allowed);
            let refused = Verdict::Refused(Rule::ObjectAcl(Permission::Read));
            assert_eq!(object(&access, None), refused);
            access.block.ignore_public_acls = true;
            assert_eq!(object(&access, Some(&acl)), refused);
            assert_eq!(
                verdict(NOBODY, &access, Action::ListBucket),
                Verdict::Refused(Rule::BucketAcl(Permission::Read))
            );
        }
    }

    #[test]
    fn a_restricted_public_policy_lets_in_the_owner_only() {
        let mut access = policy("Allow");
        access.block = PublicAccessBlock {
            restrict_public_buckets: true,
            ..PublicAccessBlock::default()
        };
        assert_eq!(
            verdict(NOBODY, &access, Action::GetObject),
            Verdict::Refused(Rule::RestrictPublicBuckets("s"))
        );
        assert_eq!(verdict(OWNER, &access, Action::GetObject), Verdict::Allowed);
        assert_eq!(
            verdict(GRANTED, &access, Action::GetObject),
            Verdict::Allowed
        );
    }
}
