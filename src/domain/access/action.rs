//! The actions of S3, as policies name them, and which kind of resource each one is about.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
//!
//! Which operation needs which action is `s3/actions.rs`.

use crate::domain::glob;

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// The whole service.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

macro_rules! actions {
    ($($kind:ident: $($name:ident)*;)*) => {
        /// An action of S3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[doc = concat!("`s3:", stringify!($name), "`")] $name,)*)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The name in policies.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => concat!("s3:", stringify!($name)),)*)*
                }
            }

            /// What it is about.
            pub fn kind(self) -> ResourceKind {
                match self {
                    $($(Self::$name)|* => ResourceKind::$kind,)*
                }
            }
        }
    };
}

actions! {
    Service: ListAllMyBuckets;
    Bucket: CreateBucket DeleteBucket DeleteBucketPolicy DeleteBucketWebsite
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAcl GetBucketCORS
        GetBucketLocation GetBucketLogging GetBucketNotification GetBucketObjectLockConfiguration
        GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock
        GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite
        GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration
        GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration
        ListBucket ListBucketMultipartUploads ListBucketVersions
        PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAcl PutBucketCORS
        PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
        PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite
        PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration
        PutLifecycleConfiguration PutMetricsConfiguration PutReplicationConfiguration;
    Object: AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging
        DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes
        GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion
        GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication
        GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
        ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl
        PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
        PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject;
}

impl Action {
    /// The same action on a version that is named by its id, where AWS tells the two apart.
    #[must_use]
    pub fn of_version(self) -> Self {
        match self {
            Self::GetObject => Self::GetObjectVersion,
            Self::GetObjectAcl => Self::GetObjectVersionAcl,
            Self::GetObjectAttributes => Self::GetObjectVersionAttributes,
            Self::GetObjectTagging => Self::GetObjectVersionTagging,
            Self::PutObjectAcl => Self::PutObjectVersionAcl,
            Self::PutObjectTagging => Self::PutObjectVersionTagging,
            Self::DeleteObject => Self::DeleteObjectVersion,
            Self::DeleteObjectTagging => Self::DeleteObjectVersionTagging,
            other => other,
        }
    }

    /// Whether the owner of a bucket may always do this, whatever a policy denies: a policy that
    /// shuts everybody out can be mended.
    pub fn mends_policy(self) -> bool {
        matches!(
            self,
            Self::GetBucketPolicy | Self::PutBucketPolicy | Self::DeleteBucketPolicy
        )
    }
}

/// A pattern of action names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPattern {
    /// `*`
    All,
    /// A name without wildcards.
    One(Action),
    /// A pattern, in lowercase.
    Some(String),
}

impl ActionPattern {
    /// A pattern of a policy; `None` when it names no action of S3. Names are the same in any case.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("s3:") {
            return None;
        }
        let mut known = Action::ALL.iter().copied();
        if !lower.contains(['*', '?']) {
            let found = known.find(|action| action.name().eq_ignore_ascii_case(&lower));
            return found.map(Self::One);
        }
        if lower == "s3:*" {
            return Some(Self::All);
        }
        let pattern = Self::Some(lower);
        known
            .any(|action| pattern.covers(action))
            .then_some(pattern)
    }

    /// Whether it covers an action.
    pub fn covers(&self, action: Action) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == action,
            Self::Some(pattern) => glob::matches(pattern, &action.name().to_ascii_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_says() {
        let cases = [
            ("s3:GetObject", Action::GetObjectAcl, false),
            ("s3:GetObject", Action::GetObjectVersion, false),
            ("s3:Get*", Action::PutObject, false),
            ("s3:getobject", Action::GetObject, true),
            ("S3:GetObject", Action::GetObject, true),
            ("s3:Get*", Action::GetBucketPolicy, true),
            ("s3:*Object", Action::DeleteObject, true),
            ("s3:?etObject", Action::GetObject, true),
            ("s3:*", Action::DeleteBucket, true),
            ("*", Action::DeleteBucket, true),
        ];
        for (pattern, action, expected) in cases {
            let covers = ActionPattern::parse(pattern).unwrap().covers(action);
            assert_eq!(covers, expected, "{pattern} {action:?}");
        }
        for wrong in ["", "s3:", "s3:Fly", "s3:Fly*", "ec2:*", "GetObject", "s3"] {
            assert_eq!(ActionPattern::parse(wrong), None, "{wrong}");
        }
    }
}
