//! Patterns with `*`, `?` and policy variables, as resources and conditions have them.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
//!
//! What a variable stands for is literal: a user called `*` matches no more than that name.

use crate::domain::access::facts::Facts;

/// A pattern, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Many,
    One,
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// A character of a pattern whose variables are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Just(char),
    One,
    Many,
}

impl Pattern {
    /// Reads a pattern. Variables are known to policies of version 2012-10-17 only; elsewhere
    /// `${` is plain text. `None` when a variable does not end.
    pub fn parse(text: &str, has_wildcards: bool, has_variables: bool) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(sign) = rest.chars().next() {
            if has_variables && let Some(tail) = rest.strip_prefix("${") {
                let (name, after) = tail.split_once('}')?;
                rest = after;
                match name {
                    "*" | "?" | "$" => plain.push_str(name),
                    _ => {
                        push_text(&mut pieces, &mut plain);
                        pieces.push(variable(name)?);
                    }
                }
                continue;
            }
            rest = &rest[sign.len_utf8()..];
            match sign {
                '*' | '?' if has_wildcards => {
                    push_text(&mut pieces, &mut plain);
                    pieces.push(if sign == '*' { Piece::Many } else { Piece::One });
                }
                _ => plain.push(sign),
            }
        }
        push_text(&mut pieces, &mut plain);
        Some(Self(pieces))
    }

    /// Whether it covers the whole of a text. A variable without a value covers nothing.
    pub fn covers(&self, text: &str, facts: &Facts) -> bool {
        self.compare(text, facts, false)
    }

    /// As [`Self::covers`], upper and lower case being the same.
    pub fn covers_in_any_case(&self, text: &str, facts: &Facts) -> bool {
        self.compare(text, facts, true)
    }

    fn compare(&self, text: &str, facts: &Facts, any_case: bool) -> bool {
        // What most patterns are, without gathering characters.
        match self.0.as_slice() {
            [] => return text.is_empty(),
            [Piece::Many] => return true,
            [Piece::Text(plain)] if !any_case => return plain == text,
            [Piece::Text(plain), Piece::Many] if !any_case => return text.starts_with(plain),
            _ => {}
        }
        let Some(mut signs) = self.signs(facts) else {
            return false;
        };
        let mut text: Vec<char> = text.chars().collect();
        if any_case {
            text = text.into_iter().flat_map(char::to_lowercase).collect();
            signs = signs.into_iter().flat_map(lower).collect();
        }
        is_match(&signs, &text)
    }

    fn signs(&self, facts: &Facts) -> Option<Vec<Sign>> {
        let mut signs = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => signs.extend(text.chars().map(Sign::Just)),
                Piece::Many => signs.push(Sign::Many),
                Piece::One => signs.push(Sign::One),
                Piece::Variable { key, default } => {
                    let value = facts.single(key).or(default.as_deref())?;
                    signs.extend(value.chars().map(Sign::Just));
                }
            }
        }
        Some(signs)
    }

    /// Whether it stands for one text only: no wildcard and no variable.
    pub fn is_fixed(&self) -> bool {
        let is_text = |piece: &Piece| matches!(piece, Piece::Text(_));
        self.0.iter().all(is_text)
    }

    /// The text before the first wildcard or variable.
    pub fn fixed_start(&self) -> &str {
        match self.0.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// The keys of facts that its variables name.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            Piece::Text(_) | Piece::Many | Piece::One => None,
        })
    }
}

fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

/// `key` or `key, 'default'`.
fn variable(text: &str) -> Option<Piece> {
    let (key, default) = match text.split_once(',') {
        None => (text, None),
        Some((key, default)) => {
            let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(quoted.to_owned()))
        }
    };
    let key = key.trim();
    (!key.is_empty()).then(|| Piece::Variable {
        key: Facts::name(key),
        default,
    })
}

fn lower(sign: Sign) -> Vec<Sign> {
    match sign {
        Sign::Just(c) => c.to_lowercase().map(Sign::Just).collect(),
        Sign::One | Sign::Many => vec![sign],
    }
}

/// Goes back to the last `*` only: at most pattern times text steps, and no recursion.
fn is_match(pattern: &[Sign], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Sign::Many) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Sign::One) => (p, t) = (p + 1, t + 1),
            Some(Sign::Just(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            Some(Sign::Just(_)) | None => match star {
                Some((from_p, from_t)) => {
                    star = Some((from_p, from_t + 1));
                    (p, t) = (from_p + 1, from_t + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|sign| *sign == Sign::Many)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, text: &str) -> bool {
        let facts = Facts::default()
            .with("aws:username", "ann*")
            .with("aws:userid", "u1");
        let pattern = Pattern::parse(pattern, true, true).unwrap();
        pattern.covers(text, &facts)
    }

    #[test]
    fn a_pattern_covers_the_whole_text() {
        let cases = [
            ("a/*", "a", false),
            ("a*", "A1", false),
            ("a?c", "ac", false),
            ("home/${aws:username}/*", "home/annie/x", false),
            ("home/${aws:nothing}/*", "home//x", false),
            ("${*}", "x", false),
            ("a/*", "a/b/c", true),
            ("a?c", "aéc", true),
            ("*b*b*", "abab", true),
            ("home/${aws:username}/*", "home/ann*/x", true),
            ("home/${AWS:UserName}", "home/ann*", true),
            ("${aws:nothing, 'none'}/*", "none/x", true),
            ("${*}${?}${$}", "*?$", true),
            ("", "", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(covers(pattern, text), expected, "{pattern} {text}");
        }
        assert_eq!(Pattern::parse("${aws:username", true, true), None);
        assert_eq!(Pattern::parse("${}", true, true), None);
        let old = Pattern::parse("${aws:username}", true, false).unwrap();
        assert!(old.covers("${aws:username}", &Facts::default()));
    }

    #[test]
    fn many_stars_take_bounded_time() {
        let text = "a".repeat(1024);
        assert!(!covers(&format!("{}b", "*?".repeat(500)), &text));
    }

    #[test]
    fn case_counts_unless_it_is_said_not_to() {
        let pattern = Pattern::parse("AbC*", true, true).unwrap();
        assert!(pattern.covers_in_any_case("aBcd", &Facts::default()));
        assert!(!pattern.covers("aBcd", &Facts::default()));
    }
}
