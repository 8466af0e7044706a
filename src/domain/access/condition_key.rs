//! The keys that conditions may ask for.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys>
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
//!
//! A key of AWS that has no meaning here is known too: a request has no value of it.

use crate::domain::access::action::Action;
use crate::domain::access::facts::Facts;

/// The tags that the object has: `s3:ExistingObjectTag/<key>`.
pub const EXISTING_OBJECT_TAG: &str = "s3:existingobjecttag/";

const S3: [&str; 37] = [
    "accesspointnetworkorigin",
    "authtype",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "delimiter",
    "if-match",
    "if-none-match",
    "inventoryaccessibleoptionalfields",
    "locationconstraint",
    "max-keys",
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-remaining-retention-days",
    "object-lock-retain-until-date",
    "objectcreationoperation",
    "prefix",
    "requestobjecttagkeys",
    "resourceaccount",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "versionid",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

const GLOBAL: [&str; 46] = [
    "calledvia",
    "calledviafirst",
    "calledvialast",
    "currenttime",
    "ec2instancesourceprivateipv4",
    "ec2instancesourcevpc",
    "epochtime",
    "federatedprovider",
    "multifactorauthage",
    "multifactorauthpresent",
    "principalaccount",
    "principalarn",
    "principalisawsservice",
    "principalorgid",
    "principalorgpaths",
    "principalservicename",
    "principalservicenameslist",
    "principaltype",
    "referer",
    "requestedregion",
    "resourceaccount",
    "resourceorgid",
    "resourceorgpaths",
    "securetransport",
    "sourceaccount",
    "sourcearn",
    "sourceidentity",
    "sourceip",
    "sourceorgid",
    "sourceorgpaths",
    "sourceowner",
    "sourcevpc",
    "sourcevpcarn",
    "sourcevpce",
    "tagkeys",
    "tokenissuetime",
    "useragent",
    "userid",
    "username",
    "viaawsservice",
    "vpceaccount",
    "vpceorgid",
    "vpceorgpaths",
    "vpcsourceip",
    "chatbotsourcearn",
    "isaiagent",
];

const WITH_TAG: [&str; 6] = [
    EXISTING_OBJECT_TAG,
    "s3:requestobjecttag/",
    "s3:buckettag/",
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
];

/// The name of a key as [`Facts`] keep it; `None` when AWS knows no such key.
pub fn parse(text: &str) -> Option<String> {
    let name = Facts::name(text);
    let is_known = match name.split_once(':') {
        _ if name.contains('/') => WITH_TAG
            .iter()
            .any(|start| name.len() > start.len() && name.starts_with(start)),
        Some(("s3", rest)) => S3.contains(&rest),
        Some(("aws", rest)) => GLOBAL.contains(&rest),
        _ => false,
    };
    is_known.then_some(name)
}

/// Whether a request for an action can have a key at all.
pub fn applies(name: &str, action: Action) -> bool {
    let named = action.name();
    match name {
        "s3:prefix" | "s3:delimiter" | "s3:max-keys" => matches!(
            action,
            Action::ListBucket | Action::ListBucketVersions | Action::ListBucketMultipartUploads
        ),
        "s3:versionid" => named.contains("Object") && action.of_version() == action,
        "s3:x-amz-acl" => {
            named.contains("Acl") || named.ends_with("PutObject") || action == Action::CreateBucket
        }
        "s3:x-amz-copy-source" | "s3:x-amz-metadata-directive" => action == Action::PutObject,
        "s3:locationconstraint" => action == Action::CreateBucket,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_in_any_case_and_a_tag_keeps_its_own() {
        let cases = [
            ("s3:Prefix", Some("s3:prefix")),
            ("aws:SourceIp", Some("aws:sourceip")),
            ("AWS:sourceip", Some("aws:sourceip")),
            (
                "s3:ExistingObjectTag/Team",
                Some("s3:existingobjecttag/Team"),
            ),
            ("s3:ExistingObjectTag/", None),
            ("s3:unknown", None),
            ("prefix", None),
            ("ldap:user", None),
            ("s3:prefix/x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
    }
}
