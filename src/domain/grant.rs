//! Grants: verbs on the packages and keys whose names match patterns.
//!
//! A grant only ever adds. The name that is judged is the name that is stored: bytes for bytes, in
//! no other form.

use serde_json::{Map, Value, json};

use crate::domain::glob;
use crate::domain::verb::Verb;

/// The most grants of one user or session.
pub const MAX_GRANTS: usize = 100;

/// The most patterns in one list of a grant.
pub const MAX_PATTERNS: usize = 100;

/// The longest pattern of package names, in bytes.
pub const MAX_PACKAGE_PATTERN_BYTES: usize = 255;

/// The longest pattern of keys, in bytes: as long as a key.
pub const MAX_KEY_PATTERN_BYTES: usize = 1024;

/// The word for every verb.
const EVERY_VERB: &str = "*";

/// Verbs on packages, and on all or some of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    packages: Vec<String>,
    /// Empty: every key, and the package as a whole.
    keys: Vec<String>,
    verbs: Vec<Verb>,
}

/// Which keys of a package an act is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyScope<'a> {
    /// All of them, or the package itself.
    Whole,
    /// Some or other: each is judged by itself as it is found, or none is given away.
    Some,
    /// Every key that begins so.
    Prefix(&'a str),
    /// This one.
    Key(&'a str),
}

impl Grant {
    /// A grant of these words; the error names what is wrong. No key patterns are all keys.
    pub fn new(packages: &[String], keys: &[String], verbs: &[String]) -> Result<Self, String> {
        check_patterns("package names", packages, MAX_PACKAGE_PATTERN_BYTES)?;
        check_patterns("keys", keys, MAX_KEY_PATTERN_BYTES)?;
        let mut known = Vec::new();
        for word in verbs {
            if word == EVERY_VERB {
                known.extend(Verb::ALL);
            } else {
                known.push(word.parse()?);
            }
        }
        known.sort_unstable();
        known.dedup();
        if packages.is_empty() || known.is_empty() {
            return Err("a grant needs packages and verbs".to_owned());
        }
        Ok(Self {
            packages: packages.to_vec(),
            keys: keys.to_vec(),
            verbs: known,
        })
    }

    /// Whether it allows the verb on these keys of a package of this name.
    pub fn allows(&self, verb: Verb, package: &str, keys: KeyScope<'_>) -> bool {
        self.verbs.contains(&verb)
            && self
                .packages
                .iter()
                .any(|pattern| glob::matches(pattern, package))
            && self.covers(keys)
    }

    /// Whether it allows the verb on every package as a whole.
    pub fn allows_everywhere(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
            && self.packages.iter().any(|pattern| pattern == "*")
            && self.covers(KeyScope::Whole)
    }

    fn covers(&self, keys: KeyScope<'_>) -> bool {
        let some = |is_covering: &dyn Fn(&str) -> bool| {
            self.keys.is_empty() || self.keys.iter().any(|pattern| is_covering(pattern))
        };
        match keys {
            KeyScope::Whole => some(&|pattern| pattern == "*"),
            KeyScope::Some => true,
            // What a last `*` has begun to take, it goes on taking.
            KeyScope::Prefix(prefix) => {
                some(&|pattern| pattern.ends_with('*') && glob::matches(pattern, prefix))
            }
            KeyScope::Key(key) => some(&|pattern| glob::matches(pattern, key)),
        }
    }

    /// As the log and the API have it: `{"packages": […], "keys": […], "verbs": […]}`, without
    /// `keys` for every key, and with `*` for every verb.
    pub fn to_json(&self) -> Value {
        let verbs: Vec<_> = if self.verbs.len() == Verb::ALL.len() {
            vec![EVERY_VERB]
        } else {
            self.verbs.iter().map(|verb| verb.as_str()).collect()
        };
        let mut value = json!({"packages": self.packages, "verbs": verbs});
        if !self.keys.is_empty() {
            value["keys"] = json!(self.keys);
        }
        value
    }

    /// Reads what [`Self::to_json`] writes. What is not known is wrong.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or("a grant is an object")?;
        if let Some(name) = members
            .keys()
            .find(|name| !["packages", "keys", "verbs"].contains(&name.as_str()))
        {
            return Err(format!(
                "a grant has packages, keys and verbs, not '{name}'"
            ));
        }
        let packages = texts(members, "packages")?;
        let (keys, verbs) = (texts(members, "keys")?, texts(members, "verbs")?);
        if members.contains_key("keys") && keys.is_empty() {
            return Err("keys without a pattern grant nothing; leave them out".to_owned());
        }
        Self::new(&packages, &keys, &verbs)
    }
}

/// Grants as the log and the API have them.
pub fn grants_to_json(grants: &[Grant]) -> Value {
    Value::Array(grants.iter().map(Grant::to_json).collect())
}

/// Reads what [`grants_to_json`] writes, at most [`MAX_GRANTS`]; the error says which is wrong.
pub fn grants_from_json(value: &Value) -> Result<Vec<Grant>, String> {
    let list = value.as_array().ok_or("grants are a list")?;
    if list.len() > MAX_GRANTS {
        return Err(format!("there are at most {MAX_GRANTS} grants"));
    }
    (1..)
        .zip(list)
        .map(|(number, grant)| {
            Grant::from_json(grant).map_err(|why| format!("grant {number}: {why}"))
        })
        .collect()
}

fn check_patterns(of: &str, patterns: &[String], max_bytes: usize) -> Result<(), String> {
    if patterns.len() > MAX_PATTERNS {
        return Err(format!(
            "a grant has at most {MAX_PATTERNS} patterns of {of}"
        ));
    }
    let is_wrong = |pattern: &&String| pattern.is_empty() || pattern.len() > max_bytes;
    match patterns.iter().find(is_wrong) {
        Some(pattern) => Err(format!(
            "a pattern of {of} has 1 to {max_bytes} bytes: '{pattern}'"
        )),
        None => Ok(()),
    }
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{name} are a list of texts");
    let Some(value) = members.get(name) else {
        return Ok(Vec::new());
    };
    let list = value.as_array().ok_or_else(wrong)?.iter();
    let list = list.map(|text| text.as_str().map(str::to_owned));
    list.collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn grant(packages: &[&str], keys: &[&str], verbs: &[&str]) -> Result<Grant, String> {
        Grant::new(&list(packages), &list(keys), &list(verbs))
    }

    #[test]
    fn a_grant_gives_its_verbs_on_its_packages_only() {
        let some = grant(&["a-*", "b"], &[], &["list", "read"]).unwrap();
        let every = grant(&["*"], &[], &["*"]).unwrap();
        let cases = [
            (&some, Verb::Write, "a-1", false),
            (&some, Verb::Read, "a", false),
            (&some, Verb::Read, "d", false),
            (&some, Verb::Read, "A-1", false),
            (&some, Verb::Read, "a-1", true),
            (&some, Verb::List, "b", true),
            (&every, Verb::Admin, "c", true),
        ];
        for (grant, verb, package, expected) in cases {
            let found = grant.allows(verb, package, KeyScope::Whole);
            assert_eq!(found, expected, "{verb} on {package}");
        }
        assert!(every.allows_everywhere(Verb::Events) && !some.allows_everywhere(Verb::Read));
        let some_keys = grant(&["*"], &["logs/*"], &["*"]).unwrap();
        assert!(!some_keys.allows_everywhere(Verb::Read));
    }

    #[test]
    fn key_patterns_keep_within_their_keys() {
        use KeyScope::{Key, Prefix, Some, Whole};
        let cases: [(&[&str], KeyScope<'_>, bool); 24] = [
            (&["logs/*"], Whole, false),
            (&["logs/*"], Some, true),
            (&["logs/*"], Key("logs/a"), true),
            (&["logs/*"], Key("logs/a/b"), true),
            (&["logs/*"], Key("logs/"), true),
            (&["logs/*"], Key("logs"), false),
            (&["logs/*"], Key("Logs/a"), false),
            (&["logs/*"], Key("x/logs/a"), false),
            (&["logs/*"], Key("logs/../secret"), true),
            (&["logs/*"], Key("public/../logs/a"), false),
            (&["logs/*"], Key("logs%2Fa"), false),
            (&["logs/*"], Key(".holdfast/manifest.json"), false),
            (&["logs/*"], Prefix("logs/"), true),
            (&["logs/*"], Prefix("logs/a"), true),
            (&["logs/*"], Prefix("logs"), false),
            (&["logs/*"], Prefix(""), false),
            (&["logs/*.txt"], Prefix("logs/"), false),
            (&["logs/*.txt"], Key("logs/a.txt"), true),
            (&["a", "b*"], Prefix("a"), false),
            (&["a", "b*"], Prefix("bc"), true),
            (&["*"], Whole, true),
            (&["*"], Prefix(""), true),
            (&[], Whole, true),
            (&[], Prefix(""), true),
        ];
        for (keys, scope, expected) in cases {
            let grant = grant(&["p"], keys, &["list"]).unwrap();
            let found = grant.allows(Verb::List, "p", scope);
            assert_eq!(found, expected, "{keys:?} for {scope:?}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_that_is_covered_has_only_keys_that_are(
            pattern in "[ab*?]{1,6}",
            prefix in "[ab]{0,5}",
            rest in "[ab]{0,4}",
        ) {
            let grant = grant(&["p"], &[&pattern], &["list"]).unwrap();
            let key = format!("{prefix}{rest}");
            let covers = |scope| grant.allows(Verb::List, "p", scope);
            prop_assert!(!covers(KeyScope::Prefix(&prefix)) || covers(KeyScope::Key(&key)));
            prop_assert!(!covers(KeyScope::Whole) || covers(KeyScope::Prefix(&prefix)));
        }
    }

    #[test]
    fn what_is_no_grant_is_refused_by_name() {
        let (long, longer) = ("a".repeat(256), "a".repeat(1025));
        let many: Vec<&str> = vec!["a"; MAX_PATTERNS + 1];
        let cases = [
            (grant(&["a"], &[], &["fly"]), "'fly' is no verb"),
            (grant(&[""], &[], &["read"]), "1 to 255 bytes"),
            (grant(&[&long], &[], &["read"]), "1 to 255 bytes"),
            (grant(&["a"], &[&longer], &["read"]), "keys has 1 to 1024"),
            (grant(&["a"], &[""], &["read"]), "keys has 1 to 1024"),
            (grant(&many, &[], &["read"]), "at most 100 patterns"),
            (grant(&[], &[], &["read"]), "needs packages and verbs"),
            (grant(&["a"], &[], &[]), "needs packages and verbs"),
        ];
        for (found, expected) in cases {
            let error = found.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(grant(&many[1..], &[], &["read"]).is_ok());
        assert!(grant(&[&long[1..]], &[&longer[1..]], &["read"]).is_ok());
    }

    #[test]
    fn grants_are_read_as_they_are_written() {
        let grants = [
            grant(&["a-*"], &["logs/*"], &["read", "list", "read"]).unwrap(),
            grant(&["*"], &[], &["*"]).unwrap(),
        ];
        let value = grants_to_json(&grants);
        let expected = json!([
            {"packages": ["a-*"], "keys": ["logs/*"], "verbs": ["list", "read"]},
            {"packages": ["*"], "verbs": ["*"]},
        ]);
        assert_eq!(value, expected);
        assert_eq!(grants_from_json(&value).unwrap(), grants);
        for (wrong, expected) in [
            (json!({}), "a list"),
            (json!([7]), "grant 1: a grant is an object"),
            (json!([{"packages": ["a"]}]), "grant 1: a grant needs"),
            (
                json!([{"packages": ["a"], "keys": [], "verbs": ["read"]}]),
                "leave them out",
            ),
            (
                json!([{"packages": ["a"], "verbs": ["read"], "deny": []}]),
                "not 'deny'",
            ),
            (
                json!([{"packages": [1], "verbs": ["read"]}]),
                "packages are a list",
            ),
            (
                Value::Array(vec![expected[1].clone(); MAX_GRANTS + 1]),
                "at most 100 grants",
            ),
        ] {
            let error = grants_from_json(&wrong).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(grants_from_json(&Value::Array(vec![expected[1].clone(); MAX_GRANTS])).is_ok());
    }
}
