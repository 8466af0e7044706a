//! Whether a policy is public, in AWS's meaning.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>
//!
//! A policy is public unless each statement that allows something is about named principals, or
//! holds a condition that ties it to fixed values of one of a few keys.

use crate::domain::access::condition::Condition;
use crate::domain::access::operator::{Operand, Test};
use crate::domain::access::policy::{Policy, Statement};

/// The keys whose fixed values make a statement private.
const FIXING_KEYS: [&str; 17] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Whether a policy lets in whoever comes.
pub fn is_public(policy: &Policy) -> bool {
    policy.statements().iter().any(is_public_statement)
}

fn is_public_statement(statement: &Statement) -> bool {
    !statement.is_deny
        && statement.is_about_anybody()
        && !statement.conditions.iter().any(is_fixing)
}

fn is_fixing(condition: &Condition) -> bool {
    let operator = condition.operator;
    let compares = matches!(
        operator.test,
        Test::Text | Test::TextInAnyCase | Test::Like | Test::Address
    );
    let is_fixed = |operand: &Operand| match operand {
        Operand::Text(pattern) => pattern.is_fixed(),
        Operand::Network(network) => !network.is_broad(),
        _ => false,
    };
    compares
        && !operator.is_negated
        && !operator.if_exists
        && operator.quantifier.is_none()
        && FIXING_KEYS.contains(&condition.key.as_str())
        && condition.operands.iter().all(is_fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fixed_values_make_a_statement_private() {
        let ann = json!({"AWS": "arn:aws:iam:::user/ann"});
        let cases = [
            ("Allow", json!("*"), json!({}), true),
            (
                "Allow",
                json!({"AWS": "*"}),
                json!({"StringLike": {"aws:SourceVpc": "vpc-*"}}),
                true,
            ),
            (
                "Allow",
                json!("*"),
                json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
                true,
            ),
            (
                "Allow",
                json!("*"),
                json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0"]}}),
                true,
            ),
            (
                "Allow",
                json!("*"),
                json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
                true,
            ),
            (
                "Allow",
                json!("*"),
                json!({"StringEquals": {"aws:Referer": "https://example.org"}}),
                true,
            ),
            (
                "Allow",
                json!("*"),
                json!({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
                true,
            ),
            ("Deny", json!("*"), json!({}), false),
            ("Allow", ann, json!({}), false),
            (
                "Allow",
                json!("*"),
                json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
                false,
            ),
            (
                "Allow",
                json!("*"),
                json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
                false,
            ),
        ];
        for (effect, principal, condition, expected) in cases {
            let text = json!({"Statement": {
                "Effect": effect, "Principal": principal, "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::pkg/*", "Condition": condition,
            }});
            let policy = Policy::parse(&text.to_string(), "pkg").unwrap();
            assert_eq!(is_public(&policy), expected, "{text}");
        }
    }
}
