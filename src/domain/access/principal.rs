//! Who a statement is about.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
//!
//! A user here is named by `arn:aws:iam::…:user/ID` with any account, by `arn:aws:iam::ID:root`, by
//! the bare id, or as canonical user. Roles, services and federated users can be named and are
//! nobody here.

use serde_json::Value;

/// Who calls, as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// Nobody in particular: the request is not signed.
    Anonymous,
    /// The user of this id.
    User(&'a str),
}

impl<'a> Who<'a> {
    /// The id of a user.
    pub fn id(self) -> Option<&'a str> {
        match self {
            Self::Anonymous => None,
            Self::User(id) => Some(id),
        }
    }
}

/// The ARN of a user, for `aws:PrincipalArn`.
pub fn user_arn(id: &str) -> String {
    format!("arn:aws:iam:::user/{id}")
}

/// The principals of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principals {
    /// Everybody, signed or not.
    pub is_anybody: bool,
    /// The ids of users.
    users: Vec<String>,
}

impl Principals {
    /// The value of `Principal` or `NotPrincipal`; `None` when it names no principal.
    pub fn parse(value: &Value) -> Option<Self> {
        let mut found = Self::default();
        match value {
            Value::String(text) if text == "*" => found.is_anybody = true,
            Value::Object(kinds) if !kinds.is_empty() => {
                for (kind, names) in kinds {
                    for name in texts(names)? {
                        found.add(kind, name)?;
                    }
                }
            }
            _ => return None,
        }
        Some(found)
    }

    fn add(&mut self, kind: &str, name: &str) -> Option<()> {
        match kind {
            "AWS" if name == "*" => self.is_anybody = true,
            "AWS" => {
                if let Named::User(id) = named(name)? {
                    self.users.push(id);
                }
            }
            "CanonicalUser" if is_id(name) => self.users.push(name.to_owned()),
            "Service" if name.contains('.') && !name.contains('*') => {}
            "Federated" if !name.is_empty() && !name.contains('*') => {}
            _ => return None,
        }
        Some(())
    }

    /// Whether a caller is one of them.
    pub fn include(&self, who: Who<'_>) -> bool {
        self.is_anybody
            || who
                .id()
                .is_some_and(|id| self.users.iter().any(|u| u == id))
    }
}

/// A text, or a list of at least one.
pub fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains(['*', '?']) && !text.chars().any(char::is_control)
}

/// Whom an `AWS` principal names.
enum Named {
    User(String),
    NobodyHere,
}

/// Whom an `AWS` principal names; `None` when it is malformed.
fn named(name: &str) -> Option<Named> {
    if !is_id(name) {
        return None;
    }
    let Some(rest) = name.strip_prefix("arn:") else {
        return Some(Named::User(name.to_owned()));
    };
    let mut parts = rest.splitn(5, ':');
    let mut next = || parts.next();
    let (partition, service, _region, account, resource) =
        (next()?, next()?, next()?, next()?, next()?);
    if partition.is_empty() || resource.is_empty() {
        return None;
    }
    match (service, resource.split_once('/')) {
        ("iam", None) if resource == "root" && !account.is_empty() => {
            Some(Named::User(account.to_owned()))
        }
        ("iam", Some(("user", path))) => {
            let id = path.rsplit('/').next().filter(|id| !id.is_empty())?;
            Some(Named::User(id.to_owned()))
        }
        ("iam", Some(("role", role))) if !role.is_empty() => Some(Named::NobodyHere),
        ("sts", Some(("assumed-role" | "federated-user", rest))) if !rest.is_empty() => {
            Some(Named::NobodyHere)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_principal_is_who_it_says() {
        let cases = [
            (json!("*"), Who::Anonymous, true),
            (json!({"AWS": "*"}), Who::Anonymous, true),
            (json!({"AWS": ["*"]}), Who::User("ann"), true),
            (
                json!({"AWS": "arn:aws:iam:::user/ann"}),
                Who::User("ann"),
                true,
            ),
            (
                json!({"AWS": "arn:aws:iam::123456789012:user/team/ann"}),
                Who::User("ann"),
                true,
            ),
            (
                json!({"AWS": "arn:aws:iam::ann:root"}),
                Who::User("ann"),
                true,
            ),
            (json!({"AWS": ["bob", "ann"]}), Who::User("ann"), true),
            (json!({"CanonicalUser": "ann"}), Who::User("ann"), true),
            (
                json!({"AWS": "arn:aws:iam:::user/ann"}),
                Who::User("Ann"),
                false,
            ),
            (
                json!({"AWS": "arn:aws:iam:::user/ann"}),
                Who::Anonymous,
                false,
            ),
            (
                json!({"AWS": "arn:aws:iam::1:role/ann"}),
                Who::User("ann"),
                false,
            ),
            (
                json!({"Service": "logging.s3.amazonaws.com"}),
                Who::User("ann"),
                false,
            ),
        ];
        for (principal, who, expected) in cases {
            let principals = Principals::parse(&principal).unwrap();
            assert_eq!(principals.include(who), expected, "{principal} {who:?}");
        }
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for wrong in [
            json!(null),
            json!(""),
            json!("ann"),
            json!({}),
            json!({"AWS": []}),
            json!({"AWS": 1}),
            json!({"AWS": ""}),
            json!({"AWS": "arn:aws:iam:::user/*"}),
            json!({"AWS": "arn:aws:iam:::user/"}),
            json!({"AWS": "arn:aws:iam::123"}),
            json!({"AWS": "arn:aws:s3:::bucket"}),
            json!({"Everyone": "*"}),
            json!({"Service": "*"}),
            json!({"CanonicalUser": "*"}),
        ] {
            assert_eq!(Principals::parse(&wrong), None, "{wrong}");
        }
    }
}
