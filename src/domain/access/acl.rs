//! Access control lists of buckets and objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>
//!
//! An ACL says who owns the thing and who else may do what. It has one canonical form as text,
//! which events and views keep.

use serde_json::{Value, json};

use crate::domain::access::action::Action;
use crate::domain::access::json;
use crate::domain::access::principal::Who;

/// The most grants of one ACL.
pub const MAX_GRANTS: usize = 100;

/// What a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// All of the others.
    FullControl,
    /// List the bucket, read the object.
    Read,
    /// Write into the bucket.
    Write,
    /// Read the ACL.
    ReadAcp,
    /// Write the ACL.
    WriteAcp,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] = [
        Self::FullControl,
        Self::Read,
        Self::Write,
        Self::ReadAcp,
        Self::WriteAcp,
    ];

    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
        }
    }

    /// The permission of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == text)
    }

    /// The header that grants it.
    pub fn header(self) -> &'static str {
        match self {
            Self::FullControl => "x-amz-grant-full-control",
            Self::Read => "x-amz-grant-read",
            Self::Write => "x-amz-grant-write",
            Self::ReadAcp => "x-amz-grant-read-acp",
            Self::WriteAcp => "x-amz-grant-write-acp",
        }
    }
}

/// A group that AWS defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Everybody, signed or not.
    AllUsers,
    /// Every user.
    AuthenticatedUsers,
    /// The delivery of access logs.
    LogDelivery,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 3] = [Self::AllUsers, Self::AuthenticatedUsers, Self::LogDelivery];

    /// The URI on the wire.
    pub fn uri(self) -> &'static str {
        match self {
            Self::AllUsers => "http://acs.amazonaws.com/groups/global/AllUsers",
            Self::AuthenticatedUsers => "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
            Self::LogDelivery => "http://acs.amazonaws.com/groups/s3/LogDelivery",
        }
    }

    /// The group of a URI.
    pub fn parse(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.uri() == uri)
    }

    /// Whether a grant to it makes a thing public.
    pub fn is_public(self) -> bool {
        self != Self::LogDelivery
    }
}

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// The user of this id.
    User(String),
    /// A group.
    Group(Group),
}

impl Grantee {
    fn includes(&self, who: Who<'_>, ignores_public: bool) -> bool {
        match self {
            Self::User(id) => who.id() == Some(id),
            Self::Group(group) if ignores_public && group.is_public() => false,
            Self::Group(Group::AllUsers) => true,
            Self::Group(Group::AuthenticatedUsers) => who.id().is_some(),
            Self::Group(Group::LogDelivery) => false,
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// An access control list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The id of the owner.
    pub owner: String,
    /// The grants, in their order.
    pub grants: Vec<Grant>,
}

/// An ACL by its name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canned {
    /// The owner everything.
    Private,
    /// And everybody reads.
    PublicRead,
    /// And everybody reads and writes.
    PublicReadWrite,
    /// And EC2 reads its images, which is nobody here.
    AwsExecRead,
    /// And every user reads.
    AuthenticatedRead,
    /// And the owner of the bucket reads.
    BucketOwnerRead,
    /// And the owner of the bucket may everything.
    BucketOwnerFullControl,
    /// And access logs are delivered.
    LogDeliveryWrite,
}

impl Canned {
    /// Every canned ACL.
    pub const ALL: [Self; 8] = [
        Self::Private,
        Self::PublicRead,
        Self::PublicReadWrite,
        Self::AwsExecRead,
        Self::AuthenticatedRead,
        Self::BucketOwnerRead,
        Self::BucketOwnerFullControl,
        Self::LogDeliveryWrite,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AwsExecRead => "aws-exec-read",
            Self::AuthenticatedRead => "authenticated-read",
            Self::BucketOwnerRead => "bucket-owner-read",
            Self::BucketOwnerFullControl => "bucket-owner-full-control",
            Self::LogDeliveryWrite => "log-delivery-write",
        }
    }

    /// The canned ACL of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|canned| canned.name() == name)
    }

    /// The ACL of a thing of this owner in a bucket of that owner.
    pub fn acl(self, owner: &str, bucket_owner: &str) -> Acl {
        let group = |group, permission| Grant {
            grantee: Grantee::Group(group),
            permission,
        };
        let of_bucket = |permission| Grant {
            grantee: Grantee::User(bucket_owner.to_owned()),
            permission,
        };
        let mut acl = Acl::private(owner);
        acl.grants.extend(match self {
            Self::Private | Self::AwsExecRead => vec![],
            Self::PublicRead => vec![group(Group::AllUsers, Permission::Read)],
            Self::PublicReadWrite => vec![
                group(Group::AllUsers, Permission::Read),
                group(Group::AllUsers, Permission::Write),
            ],
            Self::AuthenticatedRead => vec![group(Group::AuthenticatedUsers, Permission::Read)],
            Self::BucketOwnerRead | Self::BucketOwnerFullControl if owner == bucket_owner => {
                vec![]
            }
            Self::BucketOwnerRead => vec![of_bucket(Permission::Read)],
            Self::BucketOwnerFullControl => vec![of_bucket(Permission::FullControl)],
            Self::LogDeliveryWrite => vec![
                group(Group::LogDelivery, Permission::Write),
                group(Group::LogDelivery, Permission::ReadAcp),
            ],
        });
        acl
    }
}

impl Acl {
    /// The owner everything, nobody else anything.
    pub fn private(owner: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            grants: vec![Grant {
                grantee: Grantee::User(owner.to_owned()),
                permission: Permission::FullControl,
            }],
        }
    }

    /// Whether it says no more than that this owner may everything.
    pub fn is_private_to(&self, owner: &str) -> bool {
        *self == Self::private(owner)
    }

    /// Whether it grants anything to everybody or to every user.
    pub fn is_public(&self) -> bool {
        let is_public = |grant: &Grant| match &grant.grantee {
            Grantee::Group(group) => group.is_public(),
            Grantee::User(_) => false,
        };
        self.grants.iter().any(is_public)
    }

    /// Whether it permits something to somebody. Its owner may always read and write the ACL.
    pub fn permits(&self, who: Who<'_>, permission: Permission, ignores_public: bool) -> bool {
        let is_of_acl = matches!(permission, Permission::ReadAcp | Permission::WriteAcp);
        let owns = is_of_acl && who.id() == Some(self.owner.as_str());
        owns || self.grants.iter().any(|grant| {
            let gives = [Permission::FullControl, permission].contains(&grant.permission);
            gives && grant.grantee.includes(who, ignores_public)
        })
    }

    /// The canonical form.
    pub fn to_document(&self) -> String {
        let grant = |grant: &Grant| {
            let (kind, name) = match &grant.grantee {
                Grantee::User(id) => ("user", id.as_str()),
                Grantee::Group(group) => ("group", group.uri()),
            };
            json!({"permission": grant.permission.name(), kind: name})
        };
        let grants: Vec<Value> = self.grants.iter().map(grant).collect();
        json!({"grants": grants, "owner": self.owner}).to_string()
    }

    /// The ACL of a canonical form; `None` when it is none.
    pub fn from_document(document: &str) -> Option<Self> {
        let value = json::parse(document).ok()?;
        let grant = |value: &Value| {
            let grantee = match (value.get("user"), value.get("group")) {
                (Some(id), None) => Grantee::User(id.as_str()?.to_owned()),
                (None, Some(uri)) => Grantee::Group(Group::parse(uri.as_str()?)?),
                _ => return None,
            };
            Some(Grant {
                grantee,
                permission: Permission::parse(value.get("permission")?.as_str()?)?,
            })
        };
        Some(Self {
            owner: value.get("owner")?.as_str()?.to_owned(),
            grants: value
                .get("grants")?
                .as_array()?
                .iter()
                .map(grant)
                .collect::<Option<_>>()?,
        })
    }
}

/// Whose ACL decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclOf {
    /// The bucket's.
    Bucket,
    /// The object's.
    Object,
}

/// Which permission of which ACL allows an action; `None` for what ACLs cannot allow.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping>
pub fn permission_of(action: Action) -> Option<(AclOf, Permission)> {
    Some(match action {
        Action::ListBucket | Action::ListBucketVersions | Action::ListBucketMultipartUploads => {
            (AclOf::Bucket, Permission::Read)
        }
        Action::PutObject
        | Action::DeleteObject
        | Action::AbortMultipartUpload
        | Action::ListMultipartUploadParts => (AclOf::Bucket, Permission::Write),
        Action::GetBucketAcl => (AclOf::Bucket, Permission::ReadAcp),
        Action::PutBucketAcl => (AclOf::Bucket, Permission::WriteAcp),
        Action::GetObject | Action::GetObjectVersion => (AclOf::Object, Permission::Read),
        Action::GetObjectAcl | Action::GetObjectVersionAcl => (AclOf::Object, Permission::ReadAcp),
        Action::PutObjectAcl | Action::PutObjectVersionAcl => (AclOf::Object, Permission::WriteAcp),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Who<'_> = Who::User("ann");
    const BOB: Who<'_> = Who::User("bob");

    #[test]
    fn a_canned_acl_permits_what_it_is_named_after() {
        use Permission as P;
        let cases = [
            (Canned::Private, BOB, P::Read, false),
            (Canned::PublicRead, Who::Anonymous, P::Write, false),
            (Canned::PublicRead, BOB, P::ReadAcp, false),
            (Canned::AuthenticatedRead, Who::Anonymous, P::Read, false),
            (
                Canned::BucketOwnerRead,
                Who::User("owner"),
                P::WriteAcp,
                false,
            ),
            (Canned::LogDeliveryWrite, BOB, P::Write, false),
            (Canned::AwsExecRead, BOB, P::Read, false),
            (Canned::Private, ANN, P::WriteAcp, true),
            (Canned::PublicRead, Who::Anonymous, P::Read, true),
            (Canned::PublicReadWrite, Who::Anonymous, P::Write, true),
            (Canned::AuthenticatedRead, BOB, P::Read, true),
            (Canned::BucketOwnerRead, Who::User("owner"), P::Read, true),
            (
                Canned::BucketOwnerFullControl,
                Who::User("owner"),
                P::WriteAcp,
                true,
            ),
        ];
        for (canned, who, permission, expected) in cases {
            let acl = canned.acl("ann", "owner");
            let found = acl.permits(who, permission, false);
            assert_eq!(found, expected, "{canned:?} {who:?} {permission:?}");
            assert_eq!(Acl::from_document(&acl.to_document()), Some(acl));
            assert_eq!(Canned::parse(canned.name()), Some(canned));
        }
    }

    #[test]
    fn public_grants_can_be_ignored() {
        for canned in [Canned::PublicReadWrite, Canned::AuthenticatedRead] {
            let acl = canned.acl("ann", "ann");
            assert!(acl.is_public());
            assert!(!acl.permits(BOB, Permission::Read, true));
            assert!(acl.permits(ANN, Permission::Read, true));
        }
        assert!(!Canned::LogDeliveryWrite.acl("ann", "ann").is_public());
        assert!(
            Canned::BucketOwnerRead
                .acl("ann", "ann")
                .is_private_to("ann")
        );
    }

    #[test]
    fn an_owner_keeps_the_acl_whatever_it_says() {
        let acl = Acl {
            owner: "ann".to_owned(),
            grants: vec![],
        };
        assert!(acl.permits(ANN, Permission::WriteAcp, false));
        assert!(!acl.permits(ANN, Permission::Read, false));
        for wrong in [
            "",
            "{}",
            r#"{"grants":[{}],"owner":"a"}"#,
            r#"{"grants":[]}"#,
        ] {
            assert_eq!(Acl::from_document(wrong), None, "{wrong}");
        }
    }
}
