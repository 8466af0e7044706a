//! The operators of conditions, and what they compare with.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use core::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::access::facts::Facts;
use crate::domain::access::pattern::Pattern;
use crate::domain::ids::Timestamp;

/// A comparison, before negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The same text.
    Text,
    /// The same text in any case.
    TextInAnyCase,
    /// A pattern of texts, and of ARNs.
    Like,
    /// Numbers in this order.
    Number(Order),
    /// Instants in this order.
    Date(Order),
    /// A truth value.
    Bool,
    /// The same bytes.
    Binary,
    /// An address within a network.
    Address,
    /// Whether the key is absent.
    Null,
}

/// How a value of the request stands to the operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Equal,
    /// Less.
    Less,
    /// Less or the same.
    AtMost,
    /// Greater.
    Greater,
    /// Greater or the same.
    AtLeast,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, operand: &T) -> bool {
        match self {
            Self::Equal => value == operand,
            Self::Less => value < operand,
            Self::AtMost => value <= operand,
            Self::Greater => value > operand,
            Self::AtLeast => value >= operand,
        }
    }
}

/// How the several values of a key count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`
    All,
}

/// An operator as a policy writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// What is compared.
    pub test: Test,
    /// Whether the comparison must fail.
    pub is_negated: bool,
    /// Whether an absent key is a success.
    pub if_exists: bool,
    /// How several values count.
    pub quantifier: Option<Quantifier>,
}

const NAMES: [(&str, Test, bool); 28] = [
    ("StringEquals", Test::Text, false),
    ("StringNotEquals", Test::Text, true),
    ("StringEqualsIgnoreCase", Test::TextInAnyCase, false),
    ("StringNotEqualsIgnoreCase", Test::TextInAnyCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("NumericEquals", Test::Number(Order::Equal), false),
    ("NumericNotEquals", Test::Number(Order::Equal), true),
    ("NumericLessThan", Test::Number(Order::Less), false),
    ("NumericLessThanEquals", Test::Number(Order::AtMost), false),
    ("NumericGreaterThan", Test::Number(Order::Greater), false),
    (
        "NumericGreaterThanEquals",
        Test::Number(Order::AtLeast),
        false,
    ),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::AtMost), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::AtLeast), false),
    ("Bool", Test::Bool, false),
    ("BoolNotEquals", Test::Bool, true),
    ("BinaryEquals", Test::Binary, false),
    ("IpAddress", Test::Address, false),
    ("NotIpAddress", Test::Address, true),
    ("ArnEquals", Test::Like, false),
    ("ArnLike", Test::Like, false),
    ("ArnNotEquals", Test::Like, true),
    ("ArnNotLike", Test::Like, true),
    ("Null", Test::Null, false),
];

impl Operator {
    /// The operator of a name; `None` when there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (quantifier, name) = match text.split_once(':') {
            Some(("ForAnyValue", name)) => (Some(Quantifier::Any), name),
            Some(("ForAllValues", name)) => (Some(Quantifier::All), name),
            Some(_) => return None,
            None => (None, text),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (_, test, is_negated) = NAMES.into_iter().find(|(known, _, _)| *known == name)?;
        let is_plain = quantifier.is_none() && !if_exists;
        (test != Test::Null || is_plain).then_some(Self {
            test,
            is_negated,
            if_exists,
            quantifier,
        })
    }
}

/// What a value of the request is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A text, perhaps with wildcards and variables.
    Text(Pattern),
    /// A number.
    Number(f64),
    /// An instant.
    Date(Timestamp),
    /// A truth value.
    Bool(bool),
    /// Bytes.
    Binary(Vec<u8>),
    /// A network.
    Network(Network),
}

impl Operand {
    /// The operand of a test; `None` when the text is none.
    pub fn parse(test: Test, text: &str, has_variables: bool) -> Option<Self> {
        Some(match test {
            Test::Text | Test::TextInAnyCase => {
                Self::Text(Pattern::parse(text, false, has_variables)?)
            }
            Test::Like => Self::Text(Pattern::parse(text, true, has_variables)?),
            Test::Number(_) => Self::Number(number(text)?),
            Test::Date(_) => Self::Date(date(text)?),
            Test::Bool | Test::Null => Self::Bool(truth(text)?),
            Test::Binary => Self::Binary(STANDARD.decode(text).ok()?),
            Test::Address => Self::Network(Network::parse(text)?),
        })
    }

    /// Whether a value of the request passes a test with this operand. A value that cannot be read
    /// passes none.
    pub fn takes(&self, test: Test, value: &str, facts: &Facts) -> bool {
        match (self, test) {
            (Self::Text(pattern), Test::TextInAnyCase) => pattern.covers_in_any_case(value, facts),
            (Self::Text(pattern), _) => pattern.covers(value, facts),
            (Self::Number(operand), Test::Number(order)) => {
                number(value).is_some_and(|value| order.holds(&value, operand))
            }
            (Self::Date(operand), Test::Date(order)) => {
                date(value).is_some_and(|value| order.holds(&value, operand))
            }
            (Self::Bool(operand), _) => truth(value) == Some(*operand),
            (Self::Binary(operand), _) => STANDARD.decode(value).is_ok_and(|v| v == *operand),
            (Self::Network(network), _) => value.parse().is_ok_and(|ip| network.contains(ip)),
            (Self::Number(_) | Self::Date(_), _) => false,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(number)
}

/// ISO 8601 as W3C restricts it, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>()
        && !(1..=9999).contains(&seconds)
    {
        return Some(Timestamp::from_seconds(seconds));
    }
    let full = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        // `2026-11-24T05:00Z`
        17 if text.ends_with('Z') => format!("{}:00Z", &text.get(..16)?),
        _ => return Timestamp::parse(text),
    };
    Timestamp::parse(&full)
}

fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A network in CIDR notation. IPv4 and its image in IPv6 are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    prefix: u32,
    is_v4: bool,
}

impl Network {
    /// `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let is_v4 = address.is_ipv4();
        let width = if is_v4 { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then(|| Self {
            address: image(address),
            prefix: bits + 128 - width,
            is_v4,
        })
    }

    /// Whether an address is within.
    pub fn contains(self, address: IpAddr) -> bool {
        let differing = self.address ^ image(address);
        self.prefix == 0 || differing >> (128 - self.prefix) == 0
    }

    /// Whether so much of the internet is within that AWS calls it public: more than a /8 of IPv4
    /// or a /32 of IPv6.
    pub fn is_broad(self) -> bool {
        self.prefix < if self.is_v4 { 96 + 8 } else { 32 }
    }
}

fn image(address: IpAddr) -> u128 {
    let v6: Ipv6Addr = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_operator_or_it_is_not() {
        for wrong in [
            "",
            "Equals",
            "stringequals",
            "NullIfExists",
            "ForAnyValue:Null",
            "ForSomeValue:StringLike",
            "IfExists",
        ] {
            assert_eq!(Operator::parse(wrong), None, "{wrong}");
        }
        let operator = Operator::parse("ForAllValues:StringNotLikeIfExists").unwrap();
        assert_eq!(
            operator,
            Operator {
                test: Test::Like,
                is_negated: true,
                if_exists: true,
                quantifier: Some(Quantifier::All),
            }
        );
    }

    #[test]
    fn a_value_passes_a_test_or_not() {
        let cases = [
            ("StringEquals", "a*", "ab", false),
            ("StringEquals", "a", "A", false),
            ("StringEqualsIgnoreCase", "a", "A", true),
            ("StringLike", "a*", "ab", true),
            ("NumericLessThan", "10", "9", true),
            ("NumericLessThan", "10", "10", false),
            ("NumericLessThanEquals", "10", "10", true),
            ("NumericGreaterThanEquals", "10", "ten", false),
            ("NumericEquals", "1.0", "1", true),
            (
                "DateLessThan",
                "2026-11-24T00:00:00Z",
                "2026-11-23T23:59:59Z",
                true,
            ),
            ("DateGreaterThan", "2026", "2026-11-23T23:59:59Z", true),
            ("DateGreaterThan", "2026-11-24T05:00Z", "1795496400", false),
            ("Bool", "true", "TRUE", true),
            ("Bool", "false", "maybe", false),
            ("BinaryEquals", "aGk=", "aGk=", true),
            ("IpAddress", "10.0.0.0/8", "10.255.0.1", true),
            ("IpAddress", "10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("IpAddress", "10.0.0.1", "10.0.0.2", false),
            ("IpAddress", "2001:db8::/32", "2001:db8:1::1", true),
            ("IpAddress", "0.0.0.0/0", "1.2.3.4", true),
            ("IpAddress", "0.0.0.0/0", "2001:db8::1", false),
            ("IpAddress", "::/0", "1.2.3.4", true),
            ("IpAddress", "10.0.0.0/8", "unknown", false),
            (
                "ArnLike",
                "arn:aws:iam:::user/a*",
                "arn:aws:iam:::user/ann",
                true,
            ),
        ];
        for (name, operand, value, expected) in cases {
            let test = Operator::parse(name).unwrap().test;
            let takes = Operand::parse(test, operand, true).unwrap();
            let found = takes.takes(test, value, &Facts::default());
            assert_eq!(found, expected, "{name} {operand} {value}");
        }
        for (name, wrong) in [
            ("NumericEquals", "many"),
            ("NumericEquals", "NaN"),
            ("DateEquals", "soon"),
            ("Bool", "yes"),
            ("Null", ""),
            ("BinaryEquals", "*"),
            ("IpAddress", "10.0.0.0/33"),
            ("IpAddress", "10.0.0"),
            ("StringLike", "${aws:username"),
        ] {
            let test = Operator::parse(name).unwrap().test;
            assert_eq!(Operand::parse(test, wrong, true), None, "{name} {wrong}");
        }
    }
}
