//! Patterns with `*` (any text) and `?` (any character).

/// Whether a text matches a pattern. Takes time in proportion to the product of their lengths at
/// the worst, and neither memory nor stack: the last `*` is the only place to go back to.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(b'?') => (p, t) = (p + 1, t + width(text[t])),
            Some(&byte) if byte == text[t] => (p, t) = (p + 1, t + 1),
            Some(_) | None => {
                let Some((star_p, star_t)) = star else {
                    return false;
                };
                // By whole characters, so that `?` never begins inside one.
                let next = star_t + width(text[star_t]);
                star = Some((star_p, next));
                (p, t) = (star_p + 1, next);
            }
        }
    }
    pattern[p.min(pattern.len())..]
        .iter()
        .all(|&byte| byte == b'*')
}

/// The length of a character in UTF-8 by its first byte.
fn width(first: u8) -> usize {
    match first {
        0..=0xBF => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// Says the same as `matches`, in the slow and plain way.
    fn matches_by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                (0..=text.len()).any(|skip| matches_by_definition(rest, &text[skip..]))
            }
            ([byte, rest @ ..], [first, others @ ..]) => {
                (*byte == '?' || byte == first) && matches_by_definition(rest, others)
            }
            ([_, ..], []) | ([], [_, ..]) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[a€*?]{0,7}", text in "[aé€𝄞]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches_by_definition(&chars(&pattern), &chars(&text));
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_bounded_time() {
        let pattern = "*?".repeat(127);
        assert!(!matches(&pattern, &"a".repeat(63)));
        assert!(!matches(&("*a".repeat(500) + "b"), &"a".repeat(1024)));
    }

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("a", "A", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b*", "abab", true),
            ("*b*b*", "ab", false),
            ("?", "é", true),
            ("*??", "€", false),
            ("a*", "A1", false),
            ("a/*", "a", false),
            ("[a]", "[a]", true),
            ("*", "*", true),
            ("release-*", "release-1", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
