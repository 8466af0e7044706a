//! All that a bucket says of access: its policy, who owns objects, what is blocked, its ACL.

use crate::domain::access::acl::Acl;
use crate::domain::access::policy::Policy;
use crate::domain::access::public::is_public;

/// Who owns the objects of a bucket, and whether ACLs count.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// The bucket's owner owns every object, and ACLs do not count.
    #[default]
    BucketOwnerEnforced,
    /// ACLs count; the bucket's owner owns what is uploaded with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// ACLs count; who uploads an object owns it.
    ObjectWriter,
}

impl Ownership {
    /// Every ownership.
    pub const ALL: [Self; 3] = [
        Self::BucketOwnerEnforced,
        Self::BucketOwnerPreferred,
        Self::ObjectWriter,
    ];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The ownership of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == text)
    }

    /// Whether ACLs count.
    pub fn has_acls(self) -> bool {
        self != Self::BucketOwnerEnforced
    }
}

/// Which public access is refused, whatever else allows it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublicAccessBlock {
    /// New public ACLs are refused.
    pub block_public_acls: bool,
    /// Public grants of ACLs do not count.
    pub ignore_public_acls: bool,
    /// New public policies are refused.
    pub block_public_policy: bool,
    /// A public policy lets in nobody but the owner.
    pub restrict_public_buckets: bool,
}

/// What a bucket says of access.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketAccess {
    /// The policy.
    pub policy: Option<Policy>,
    /// Whether the policy is public.
    pub is_policy_public: bool,
    /// A policy is there and cannot be read: nobody is let in until it is mended.
    pub is_policy_unreadable: bool,
    /// Who owns objects.
    pub ownership: Ownership,
    /// What is blocked.
    pub block: PublicAccessBlock,
    /// The ACL, where it is another than the default.
    pub acl: Option<Acl>,
}

impl BucketAccess {
    /// With the policy of a document. One that cannot be read denies: what it says is not known.
    #[must_use]
    pub fn with_policy(mut self, document: &str, bucket: &str) -> Self {
        match Policy::parse(document, bucket) {
            Ok(policy) => {
                self.is_policy_public = is_public(&policy);
                self.policy = Some(policy);
            }
            Err(_) => self.is_policy_unreadable = true,
        }
        self
    }

    /// Whether access is as in a bucket that says nothing: the owner's, and by grants.
    pub fn is_plain(&self) -> bool {
        self.policy.is_none() && !self.is_policy_unreadable && !self.ownership.has_acls()
    }
}
