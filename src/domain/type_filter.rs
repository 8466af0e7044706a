//! Which types of events a reader of the log wants: names and patterns, such as `v1.file.*`.

use crate::domain::glob::matches;

/// The most patterns of one filter.
pub const MAX_PATTERNS: usize = 64;

/// The most characters of a pattern.
pub const MAX_PATTERN_CHARACTERS: usize = 100;

/// Patterns of types, with `*` (any text) and `?` (any character); any of them suffices. Without
/// patterns every type passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeFilter {
    patterns: Vec<String>,
}

/// Why patterns cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypeFilterError {
    /// Too many of them.
    #[error("there are more than {MAX_PATTERNS} patterns of types")]
    TooMany,
    /// One that no type can match.
    #[error(
        "'{0}' is no pattern of types: write letters, digits, '.', '_' and '-', with '*' for any \
         text and '?' for any character, at most {MAX_PATTERN_CHARACTERS} characters"
    )]
    Pattern(String),
}

impl TypeFilter {
    /// A filter of patterns.
    pub fn of<T: AsRef<str>>(
        patterns: impl IntoIterator<Item = T>,
    ) -> Result<Self, TypeFilterError> {
        let mut filter = Self::default();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if !is_pattern(pattern) {
                let shown = pattern.chars().take(MAX_PATTERN_CHARACTERS).collect();
                return Err(TypeFilterError::Pattern(shown));
            }
            if filter.patterns.iter().any(|known| known == pattern) {
                continue;
            }
            if filter.patterns.len() == MAX_PATTERNS {
                return Err(TypeFilterError::TooMany);
            }
            filter.patterns.push(pattern.to_owned());
        }
        Ok(filter)
    }

    /// A filter of patterns separated by commas, with or without blanks around them.
    pub fn parse(text: &str) -> Result<Self, TypeFilterError> {
        let patterns = text.split(',').map(str::trim);
        Self::of(patterns.filter(|pattern| !pattern.is_empty()))
    }

    /// Whether every type passes.
    pub fn is_open(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a type passes.
    pub fn takes(&self, event_type: &str) -> bool {
        let takes = |pattern: &String| pattern == event_type || matches(pattern, event_type);
        self.is_open() || self.patterns.iter().any(takes)
    }

    /// The patterns.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

/// A filter of types that the program itself names.
impl<const N: usize> From<[&'static str; N]> for TypeFilter {
    fn from(names: [&'static str; N]) -> Self {
        Self {
            patterns: names.map(str::to_owned).to_vec(),
        }
    }
}

fn is_pattern(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*?".contains(&byte);
    (1..=MAX_PATTERN_CHARACTERS).contains(&text.len()) && text.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_type_can_match_is_no_pattern() {
        let long = "a".repeat(MAX_PATTERN_CHARACTERS + 1);
        for wrong in ["", " ", "v1.file ingested", "v1/file", "é", "a,b", &long] {
            let refused = TypeFilter::of([wrong]);
            assert!(
                matches!(refused, Err(TypeFilterError::Pattern(_))),
                "{wrong}"
            );
        }
        assert!(TypeFilter::of([&long[1..]]).is_ok());
        let many = |count: usize| TypeFilter::of((0..count).map(|n| format!("t{n}")));
        assert_eq!(many(MAX_PATTERNS + 1), Err(TypeFilterError::TooMany));
        assert!(many(MAX_PATTERNS).is_ok());
        assert!(TypeFilter::of(vec!["same"; MAX_PATTERNS + 1]).is_ok());
    }

    #[test]
    fn a_type_passes_by_name_or_by_pattern() {
        let filter = TypeFilter::parse(" v1.file.* ,, v1.package.created,v?.retention.*").unwrap();
        assert_eq!(filter.patterns().len(), 3);
        for (event_type, expected) in [
            ("v1.file.ingested", true),
            ("v1.package.created", true),
            ("v1.package.deleted", false),
            ("v2.retention.extended", true),
            ("v2.file.ingested", false),
        ] {
            assert_eq!(filter.takes(event_type), expected, "{event_type}");
        }
        let open = TypeFilter::parse("").unwrap();
        assert!(open.is_open() && open.takes("v9.any"));
    }
}
