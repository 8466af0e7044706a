//! Bucket policies: read, checked as AWS checks them, and asked.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::{Map, Value};

use crate::domain::access::action::{Action, ActionPattern, ResourceKind};
use crate::domain::access::condition::Condition;
use crate::domain::access::condition_key::{EXISTING_OBJECT_TAG, applies};
use crate::domain::access::facts::Facts;
use crate::domain::access::json;
use crate::domain::access::pattern::Pattern;
use crate::domain::access::principal::{Principals, Who, texts};

/// The most bytes of a policy.
pub const MAX_POLICY_BYTES: usize = 20 * 1024;

/// What the ARN of a bucket begins with.
const ARN: &str = "arn:aws:s3:::";

/// The ARN of a bucket or of an object in it.
pub fn arn(bucket: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{ARN}{bucket}/{key}"),
        None => format!("{ARN}{bucket}"),
    }
}

/// Why a policy is refused (MalformedPolicy), in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedPolicy(pub String);

/// A policy that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
    asks_for_object_tags: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// `Sid`, or the statement's place when it has none: what the log calls it.
    pub label: String,
    /// Whether it denies.
    pub is_deny: bool,
    principals: Principals,
    is_not_principal: bool,
    actions: Vec<ActionPattern>,
    is_not_action: bool,
    resources: Vec<Pattern>,
    is_not_resource: bool,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
}

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'p> {
    /// A statement denies it.
    Denied(&'p str),
    /// No statement denies it, and this one allows it.
    Allowed(&'p str),
    /// No statement is about it.
    Silent,
}

/// What a policy is asked: who wants to do what to which resource, and all else about the request.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who calls.
    pub who: Who<'a>,
    /// What for.
    pub action: Action,
    /// The ARN of the bucket or of the object.
    pub resource: &'a str,
    /// The values of condition keys.
    pub facts: &'a Facts,
}

impl Policy {
    /// Reads a policy of a bucket.
    pub fn parse(text: &str, bucket: &str) -> Result<Self, MalformedPolicy> {
        if text.len() > MAX_POLICY_BYTES {
            return refuse(format!(
                "Normalized Policy document exceeds the maximum allowed size of \
                 {MAX_POLICY_BYTES} bytes."
            ));
        }
        if !text.trim_start().starts_with('{') {
            return refuse("Policies must be valid JSON and the first byte must be '{'");
        }
        let Ok(Value::Object(document)) = json::parse(text) else {
            return refuse("This policy contains invalid Json");
        };
        check_fields(&document, &["Version", "Id", "Statement"])?;
        let has_variables = match document.get("Version").map(Value::as_str) {
            None | Some(Some("2008-10-17")) => false,
            Some(Some("2012-10-17")) => true,
            Some(_) => return refuse("The policy must contain a valid version string"),
        };
        if document.get("Id").is_some_and(|id| !id.is_string()) {
            return refuse("Invalid policy syntax.");
        }
        let statements = match document.get("Statement") {
            None => return refuse("Missing required field Statement"),
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        if statements.is_empty() {
            return refuse("Could not parse the policy: Statement is empty!");
        }
        let reader = Reader {
            bucket,
            has_variables,
        };
        let read = |(at, statement): (usize, &Value)| reader.statement(at, statement);
        let statements: Vec<Statement> = statements
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        let mut labels: Vec<&str> = statements.iter().map(|s| s.label.as_str()).collect();
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse("Statement IDs (SID) in a single policy must be unique.");
        }
        let asks_for_object_tags = statements.iter().any(Statement::asks_for_object_tags);
        Ok(Self {
            statements,
            asks_for_object_tags,
        })
    }

    /// What it says to a request. A statement that denies beats every one that allows.
    pub fn answer(&self, question: &Question<'_>) -> Answer<'_> {
        let mut answer = Answer::Silent;
        for statement in &self.statements {
            let is_open = statement.is_deny || answer == Answer::Silent;
            if is_open && statement.is_about(question) {
                if statement.is_deny {
                    return Answer::Denied(&statement.label);
                }
                answer = Answer::Allowed(&statement.label);
            }
        }
        answer
    }

    /// Whether it asks for the tags that an object has, so that they must be looked up.
    pub fn asks_for_object_tags(&self) -> bool {
        self.asks_for_object_tags
    }

    /// The statements, in their order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl Statement {
    fn is_about(&self, question: &Question<'_>) -> bool {
        let mut actions = self.actions.iter();
        let mut resources = self.resources.iter();
        self.principals.include(question.who) != self.is_not_principal
            && actions.any(|pattern| pattern.covers(question.action)) != self.is_not_action
            && resources.any(|pattern| pattern.covers(question.resource, question.facts))
                != self.is_not_resource
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(question.facts))
    }

    fn asks_for_object_tags(&self) -> bool {
        let of_conditions = self.conditions.iter().flat_map(Condition::keys);
        let of_resources = self.resources.iter().flat_map(Pattern::variables);
        of_conditions
            .chain(of_resources)
            .any(|key| key.starts_with(EXISTING_OBJECT_TAG))
    }

    /// Whether it is about everybody, signed or not.
    pub fn is_about_anybody(&self) -> bool {
        self.principals.is_anybody || self.is_not_principal
    }
}

/// What reading a statement needs to know.
struct Reader<'a> {
    bucket: &'a str,
    has_variables: bool,
}

const FIELDS: [&str; 10] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
    // Written by some tools, and empty.
    "Id",
];

impl Reader<'_> {
    fn statement(&self, at: usize, value: &Value) -> Result<Statement, MalformedPolicy> {
        let Value::Object(fields) = value else {
            return refuse("Invalid policy syntax.");
        };
        check_fields(fields, &FIELDS)?;
        let label = match fields.get("Sid") {
            None => format!("#{}", at + 1),
            Some(Value::String(sid)) if sid.is_empty() => format!("#{}", at + 1),
            Some(Value::String(sid)) => sid.clone(),
            Some(_) => return refuse("Invalid policy syntax."),
        };
        let is_deny = match fields.get("Effect").map(Value::as_str) {
            None => return refuse("Missing required field Effect"),
            Some(Some("Allow")) => false,
            Some(Some("Deny")) => true,
            Some(other) => {
                let other = other.unwrap_or_default();
                return refuse(format!("Invalid effect: {other}"));
            }
        };
        let (principals, is_not_principal) = either(fields, "Principal")?;
        let principals = Principals::parse(principals)
            .ok_or_else(|| MalformedPolicy("Invalid principal in policy".to_owned()))?;
        if is_not_principal && !is_deny {
            return refuse("Allow with NotPrincipal is not allowed.");
        }
        let (actions, is_not_action) = either(fields, "Action")?;
        let actions = actions_of(actions)?;
        let (resources, is_not_resource) = either(fields, "Resource")?;
        let resources = self.resources(resources)?;
        if !is_not_action && !is_not_resource {
            self.check_kinds(&actions, &resources)?;
        }
        let conditions = match fields.get("Condition") {
            None => Vec::new(),
            Some(value) => {
                Condition::parse_all(value, self.has_variables).map_err(MalformedPolicy)?
            }
        };
        if !is_not_action {
            check_conditions(&conditions, &actions)?;
        }
        Ok(Statement {
            label,
            is_deny,
            principals,
            is_not_principal,
            actions,
            is_not_action,
            resources,
            is_not_resource,
            conditions,
        })
    }

    /// The resources, all of the policy's own bucket.
    fn resources(&self, value: &Value) -> Result<Vec<Pattern>, MalformedPolicy> {
        let own = arn(self.bucket, None);
        let read = |text: &str| {
            let pattern = Pattern::parse(text, true, self.has_variables)?;
            let after = pattern.fixed_start().strip_prefix(own.as_str())?;
            let is_own = after.starts_with('/') || after.is_empty();
            is_own.then_some(pattern)
        };
        let patterns: Option<Vec<_>> =
            texts(value).and_then(|texts| texts.into_iter().map(read).collect());
        patterns.ok_or_else(|| MalformedPolicy("Policy has invalid resource".to_owned()))
    }

    /// An action on objects needs a resource that can be one, an action on the bucket the bucket.
    fn check_kinds(
        &self,
        actions: &[ActionPattern],
        resources: &[Pattern],
    ) -> Result<(), MalformedPolicy> {
        let own = arn(self.bucket, None);
        let is_exact = |pattern: &Pattern| pattern.is_fixed() && pattern.fixed_start() == own;
        let is_bucket = |pattern: &Pattern| pattern.fixed_start() == own;
        let has_object = resources.iter().any(|pattern| !is_exact(pattern));
        let has_bucket = resources.iter().any(is_bucket);
        for action in actions {
            let fits = match action {
                ActionPattern::One(action) => match action.kind() {
                    ResourceKind::Object => has_object,
                    ResourceKind::Bucket => has_bucket,
                    ResourceKind::Service => false,
                },
                ActionPattern::All | ActionPattern::Some(_) => true,
            };
            if !fits {
                return refuse("Action does not apply to any resource(s) in statement");
            }
        }
        Ok(())
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, MalformedPolicy> {
    Err(MalformedPolicy(message.into()))
}

fn check_fields(fields: &Map<String, Value>, known: &[&str]) -> Result<(), MalformedPolicy> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => refuse(format!("Unknown field {name}")),
        None => Ok(()),
    }
}

/// `name` or `Notname`, of which there must be exactly one.
fn either<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
) -> Result<(&'v Value, bool), MalformedPolicy> {
    match (fields.get(name), fields.get(&format!("Not{name}"))) {
        (Some(value), None) => Ok((value, false)),
        (None, Some(value)) => Ok((value, true)),
        (None, None) => refuse(format!("Missing required field {name}")),
        (Some(_), Some(_)) => refuse(format!("A statement has {name} or Not{name}, not both")),
    }
}

fn actions_of(value: &Value) -> Result<Vec<ActionPattern>, MalformedPolicy> {
    let patterns: Option<Vec<_>> =
        texts(value).and_then(|texts| texts.into_iter().map(ActionPattern::parse).collect());
    patterns.ok_or_else(|| MalformedPolicy("Policy has invalid action".to_owned()))
}

/// A condition on a key that no action of the statement has would never hold, or always.
fn check_conditions(
    conditions: &[Condition],
    actions: &[ActionPattern],
) -> Result<(), MalformedPolicy> {
    for condition in conditions {
        let mut covered = Action::ALL
            .iter()
            .filter(|action| actions.iter().any(|pattern| pattern.covers(**action)));
        if !covered.any(|action| applies(&condition.key, *action)) {
            return refuse(
                "Conditions do not apply to combination of actions and resources in statement",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::pkg/*",
        });
        change(statement.as_object_mut().unwrap());
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    fn refused(text: &str) -> String {
        Policy::parse(text, "pkg").unwrap_err().0
    }

    #[test]
    fn a_document_that_is_no_policy_is_refused_in_awss_words() {
        let cases = [
            ("", "first byte"),
            ("[]", "first byte"),
            ("{", "invalid Json"),
            (r#"{"Statement":[],"Statement":[]}"#, "invalid Json"),
            ("{}", "Missing required field Statement"),
            (r#"{"Statement":[]}"#, "Statement is empty"),
            (
                r#"{"Version":"2020-01-01","Statement":[]}"#,
                "valid version string",
            ),
            (
                r#"{"Verson":"2012-10-17","Statement":[]}"#,
                "Unknown field Verson",
            ),
            (r#"{"Statement":["x"]}"#, "Invalid policy syntax."),
        ];
        for (text, expected) in cases {
            let message = refused(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(refused(&"{".repeat(MAX_POLICY_BYTES + 1)).contains("maximum allowed size"));
    }

    #[test]
    fn a_statement_that_is_none_is_refused_in_awss_words() {
        let set = |name: &'static str, value: Value| {
            statement(|s| {
                s.insert(name.to_owned(), value);
            })
        };
        let without = |name: &'static str| {
            statement(|s| {
                s.remove(name);
            })
        };
        let cases = [
            (without("Effect"), "Missing required field Effect"),
            (without("Principal"), "Missing required field Principal"),
            (without("Action"), "Missing required field Action"),
            (without("Resource"), "Missing required field Resource"),
            (set("Effect", json!("allow")), "Invalid effect: allow"),
            (
                set("Principal", json!({"AWS": "arn:aws:iam::1:user/*"})),
                "Invalid principal",
            ),
            (set("NotPrincipal", json!("*")), "not both"),
            (set("Action", json!("s3:Fly")), "Policy has invalid action"),
            (set("Action", json!([])), "Policy has invalid action"),
            (set("Resource", json!("*")), "Policy has invalid resource"),
            (
                set("Resource", json!("arn:aws:s3:::other/*")),
                "Policy has invalid resource",
            ),
            (
                set("Resource", json!("arn:aws:s3:::pk*")),
                "Policy has invalid resource",
            ),
            (
                set("Resource", json!("arn:aws:s3:::pkg2/*")),
                "Policy has invalid resource",
            ),
            (
                set("Resource", json!("arn:aws:s3:::pkg")),
                "Action does not apply",
            ),
            (
                set("Action", json!("s3:ListBucket")),
                "Action does not apply",
            ),
            (
                set("Action", json!("s3:ListAllMyBuckets")),
                "Action does not apply",
            ),
            (
                set("Condition", json!({"Same": {"s3:prefix": "x"}})),
                "Invalid Condition type : Same",
            ),
            (
                set("Condition", json!({"StringEquals": {"s3:x": "x"}})),
                "invalid condition key",
            ),
            (
                set("Condition", json!({"StringEquals": {"s3:prefix": "x"}})),
                "Conditions do not apply",
            ),
            (set("Colour", json!("red")), "Unknown field Colour"),
        ];
        for (text, expected) in cases {
            let message = refused(&text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        let twice = json!({"Statement": [
            {"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "arn:aws:s3:::pkg"},
            {"Sid": "a", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "arn:aws:s3:::pkg"},
        ]});
        assert!(refused(&twice.to_string()).contains("unique"));
    }

    fn ask(policy: &str, who: Who<'_>, action: Action, key: Option<&str>) -> String {
        let policy = Policy::parse(policy, "pkg").unwrap();
        let facts = match who {
            Who::User(id) => Facts::default().with("aws:username", id),
            Who::Anonymous => Facts::default(),
        };
        let question = Question {
            who,
            action,
            resource: &arn("pkg", key),
            facts: &facts,
        };
        format!("{:?}", policy.answer(&question))
    }

    #[test]
    fn an_explicit_deny_comes_first() {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "s3:*",
             "Resource": ["arn:aws:s3:::pkg", "arn:aws:s3:::pkg/*"]},
            {"Sid": "secret", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject*",
             "Resource": "arn:aws:s3:::pkg/secret/*"},
            {"Sid": "others", "Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam:::user/ann"},
             "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::pkg/*"},
            {"Effect": "Deny", "Principal": "*", "NotAction": ["s3:Get*", "s3:List*", "s3:Delete*", "s3:PutObject"],
             "Resource": ["arn:aws:s3:::pkg", "arn:aws:s3:::pkg/*"]},
            {"Sid": "home", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
             "NotResource": "arn:aws:s3:::pkg/${aws:username}/*"},
        ]})
        .to_string();
        let (ann, bob) = (Who::User("ann"), Who::User("bob"));
        let cases = [
            (
                Who::Anonymous,
                Action::GetObject,
                Some("secret/a"),
                "Denied(\"secret\")",
            ),
            (
                ann,
                Action::GetObjectVersion,
                Some("secret/a"),
                "Denied(\"secret\")",
            ),
            (bob, Action::DeleteObject, Some("a"), "Denied(\"others\")"),
            (ann, Action::PutObjectAcl, Some("a"), "Denied(\"#4\")"),
            (ann, Action::PutBucketPolicy, None, "Denied(\"#4\")"),
            (bob, Action::PutObject, Some("ann/a"), "Denied(\"home\")"),
            (
                Who::Anonymous,
                Action::PutObject,
                Some("ann/a"),
                "Denied(\"home\")",
            ),
            (ann, Action::PutObject, Some("ann/a"), "Allowed(\"all\")"),
            (ann, Action::DeleteObject, Some("a"), "Allowed(\"all\")"),
            (bob, Action::GetObject, Some("secret"), "Allowed(\"all\")"),
            (Who::Anonymous, Action::ListBucket, None, "Allowed(\"all\")"),
        ];
        for (who, action, key, expected) in cases {
            let found = ask(&policy, who, action, key);
            assert_eq!(found, expected, "{who:?} {action:?} {key:?}");
        }
    }

    #[test]
    fn a_policy_is_silent_about_what_it_does_not_name() {
        let policy = statement(|s| {
            s.insert(
                "Principal".to_owned(),
                json!({"AWS": "arn:aws:iam:::user/ann"}),
            );
            s.insert("Resource".to_owned(), json!("arn:aws:s3:::pkg/public/*"));
        });
        let cases = [
            (Who::User("bob"), Action::GetObject, "public/a"),
            (Who::Anonymous, Action::GetObject, "public/a"),
            (Who::User("ann"), Action::PutObject, "public/a"),
            (Who::User("ann"), Action::GetObject, "public"),
            (Who::User("ann"), Action::GetObject, "Public/a"),
        ];
        for (who, action, key) in cases {
            assert_eq!(
                ask(&policy, who, action, Some(key)),
                "Silent",
                "{who:?} {key}"
            );
        }
        // A key is a name, and dots in it mean nothing: this key does begin with `public/`.
        let found = ask(
            &policy,
            Who::User("ann"),
            Action::GetObject,
            Some("public/../private"),
        );
        assert_eq!(found, "Allowed(\"#1\")");
    }

    #[test]
    fn tags_are_asked_for_where_a_policy_names_them() {
        let with = |condition: Value| {
            statement(|s| {
                s.insert("Condition".to_owned(), condition);
            })
        };
        let cases = [
            (json!({"StringEquals": {"aws:username": "x"}}), false),
            (
                json!({"StringEquals": {"s3:ExistingObjectTag/a": "x"}}),
                true,
            ),
            (
                json!({"StringEquals": {"aws:username": "${s3:ExistingObjectTag/owner}"}}),
                true,
            ),
        ];
        for (condition, expected) in cases {
            let policy = Policy::parse(&with(condition.clone()), "pkg").unwrap();
            assert_eq!(policy.asks_for_object_tags(), expected, "{condition}");
        }
    }
}
