//! What a user may do with the packages of others.

use crate::auth::settings::GrantSettings;
use crate::domain::verb::Verb;

/// The longest pattern of package names, in bytes.
pub const MAX_PATTERN_BYTES: usize = 255;

/// The grants of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    packages: Vec<String>,
    verbs: Vec<Verb>,
}

impl Grants {
    /// The grants of settings; the error names what is wrong.
    pub fn from_settings(settings: &[GrantSettings]) -> Result<Self, String> {
        settings
            .iter()
            .map(grant)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether some grant allows the verb on a package of this name.
    pub fn allow(&self, verb: Verb, package_name: &str) -> bool {
        self.with(verb)
            .any(|pattern| is_match(pattern.as_bytes(), package_name.as_bytes()))
    }

    /// Whether some grant allows the verb on every package.
    pub fn allow_everywhere(&self, verb: Verb) -> bool {
        self.with(verb).any(|pattern| pattern == "*")
    }

    fn with(&self, verb: Verb) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |grant| grant.verbs.contains(&verb))
            .flat_map(|grant| grant.packages.iter().map(String::as_str))
    }
}

fn grant(settings: &GrantSettings) -> Result<Grant, String> {
    for pattern in &settings.packages {
        if pattern.is_empty() || pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!(
                "a pattern of package names has 1 to {MAX_PATTERN_BYTES} bytes: '{pattern}'"
            ));
        }
    }
    let mut verbs = Vec::new();
    for word in &settings.verbs {
        if word == "*" {
            verbs.extend(Verb::ALL);
        } else {
            verbs.push(word.parse()?);
        }
    }
    if settings.packages.is_empty() || verbs.is_empty() {
        return Err("a grant needs packages and verbs".to_owned());
    }
    Ok(Grant {
        packages: settings.packages.clone(),
        verbs,
    })
}

/// Whether a pattern of `*` (any run) and `?` (any byte) covers the whole of a name. Goes back to
/// the last `*` only, so it takes at most pattern times name steps and no recursion.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            Some(_) | None => {
                let Some((star, from)) = last_star else {
                    return false;
                };
                last_star = Some((star, from + 1));
                (p, n) = (star + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_covers_the_whole_name() {
        let cases = [
            ("a", "ab", false),
            ("a", "A", false),
            ("a*", "ba", false),
            ("a?", "a", false),
            ("*a", "ab", false),
            ("a*b*c", "acb", false),
            ("", "a", false),
            ("release-*", "release", false),
            ("release-*", "release-1.0", true),
            ("*", "", true),
            ("**", "a", true),
            ("a*b*c", "abbcbc", true),
            ("?b*", "ab", true),
            ("[a]", "[a]", true),
        ];
        for (pattern, name, expected) in cases {
            let found = is_match(pattern.as_bytes(), name.as_bytes());
            assert_eq!(found, expected, "{pattern} on {name}");
        }
        let pattern = "*?".repeat(127);
        assert!(!is_match(pattern.as_bytes(), "a".repeat(63).as_bytes()));
    }

    #[test]
    fn a_grant_gives_its_verbs_on_its_packages_only() {
        let settings = |packages: &[&str], verbs: &[&str]| GrantSettings {
            packages: packages.iter().map(|&p| p.to_owned()).collect(),
            verbs: verbs.iter().map(|&v| v.to_owned()).collect(),
        };
        let grants = Grants::from_settings(&[
            settings(&["a-*", "b"], &["list", "read"]),
            settings(&["*"], &["events"]),
            settings(&["c"], &["*"]),
        ])
        .unwrap();
        let cases = [
            (Verb::Write, "a-1", false),
            (Verb::Read, "a", false),
            (Verb::Read, "d", false),
            (Verb::Read, "a-1", true),
            (Verb::List, "b", true),
            (Verb::Events, "anything", true),
            (Verb::Admin, "c", true),
        ];
        for (verb, name, expected) in cases {
            assert_eq!(grants.allow(verb, name), expected, "{verb} on {name}");
        }
        assert!(grants.allow_everywhere(Verb::Events));
        assert!(!grants.allow_everywhere(Verb::Read));
        for wrong in [
            settings(&["a"], &["fly"]),
            settings(&[""], &["read"]),
            settings(&[&"a".repeat(256)], &["read"]),
            settings(&[], &["read"]),
            settings(&["a"], &[]),
        ] {
            assert!(Grants::from_settings(&[wrong]).is_err());
        }
    }

    /// Says the same as `is_match`, in the slow and plain way.
    fn matches_by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                (0..=name.len()).any(|skip| matches_by_definition(rest, &name[skip..]))
            }
            ([byte, rest @ ..], [first, others @ ..]) => {
                (*byte == b'?' || byte == first) && matches_by_definition(rest, others)
            }
            ([_, ..], []) | ([], [_, ..]) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,7}", name in "[ab]{0,9}") {
            let expected = matches_by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(is_match(pattern.as_bytes(), name.as_bytes()), expected);
        }
    }
}
