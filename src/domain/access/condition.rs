//! One comparison of a statement's conditions: an operator, a key, the values it may have.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html>

use serde_json::Value;

use crate::domain::access::condition_key;
use crate::domain::access::facts::Facts;
use crate::domain::access::operator::{Operand, Operator, Quantifier, Test};

/// One key under one operator. All conditions of a statement must hold; one of the operands is
/// enough, and for a negated operator none of them may match.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The operator.
    pub operator: Operator,
    /// The key, as facts name it.
    pub key: String,
    /// What it is compared with.
    pub operands: Vec<Operand>,
}

impl Condition {
    /// The conditions of a statement; the error is AWS's message.
    pub fn parse_all(value: &Value, has_variables: bool) -> Result<Vec<Self>, String> {
        let invalid = || "Invalid Condition: it must be an object of operators".to_owned();
        let mut conditions = Vec::new();
        for (name, keys) in value.as_object().ok_or_else(invalid)? {
            let operator =
                Operator::parse(name).ok_or_else(|| format!("Invalid Condition type : {name}"))?;
            for (key, values) in keys.as_object().ok_or_else(invalid)? {
                conditions.push(Self::parse(operator, key, values, has_variables)?);
            }
        }
        Ok(conditions)
    }

    fn parse(
        operator: Operator,
        key: &str,
        values: &Value,
        has_variables: bool,
    ) -> Result<Self, String> {
        let name = condition_key::parse(key)
            .ok_or_else(|| "Policy has an invalid condition key".to_owned())?;
        let values = match values {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let operand = |value: &Value| {
            let text = text_of(value)?;
            Operand::parse(operator.test, &text, has_variables)
        };
        let operands: Option<Vec<_>> = values.iter().map(operand).collect();
        match operands {
            Some(operands) if !operands.is_empty() => Ok(Self {
                operator,
                key: name,
                operands,
            }),
            _ => Err(format!("Invalid Condition value for {key}")),
        }
    }

    /// Whether a request fulfils it.
    pub fn holds(&self, facts: &Facts) -> bool {
        let Operator {
            test,
            is_negated,
            if_exists,
            quantifier,
        } = self.operator;
        let values = facts.values(&self.key);
        if test == Test::Null {
            let is_absent = Operand::Bool(values.is_none());
            return self.operands.contains(&is_absent);
        }
        let Some(values) = values else {
            return match quantifier {
                _ if if_exists => true,
                Some(Quantifier::All) => true,
                Some(Quantifier::Any) => false,
                None => is_negated,
            };
        };
        let passes = |value: &String| {
            let mut operands = self.operands.iter();
            operands.any(|operand| operand.takes(test, value, facts)) != is_negated
        };
        match quantifier {
            Some(Quantifier::All) => values.iter().all(passes),
            None if is_negated => values.iter().all(passes),
            Some(Quantifier::Any) | None => values.iter().any(passes),
        }
    }

    /// The keys of facts that it asks for, those of variables too.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let variables = self.operands.iter().filter_map(|operand| match operand {
            Operand::Text(pattern) => Some(pattern.variables()),
            _ => None,
        });
        std::iter::once(self.key.as_str()).chain(variables.flatten())
    }
}

/// A value as text: policies write numbers and truth values with quotes or without.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(condition: &Value, facts: &Facts) -> bool {
        let all = Condition::parse_all(condition, true).unwrap();
        all.iter().all(|condition| condition.holds(facts))
    }

    #[test]
    fn keys_are_joined_by_and_values_by_or() {
        let facts = Facts::default()
            .with("s3:prefix", "a/")
            .with("aws:SourceIp", "10.0.0.1");
        let cases = [
            (json!({"StringEquals": {"s3:prefix": ["b", "c"]}}), false),
            (
                json!({"StringNotEquals": {"s3:prefix": ["b", "a/"]}}),
                false,
            ),
            (
                json!({"StringEquals": {"s3:prefix": "a/", "s3:delimiter": "/"}}),
                false,
            ),
            (
                json!({"StringEquals": {"s3:prefix": "a/"}, "IpAddress": {"aws:SourceIp": "1.1.1.1"}}),
                false,
            ),
            (json!({"StringEquals": {"s3:prefix": ["b", "a/"]}}), true),
            (json!({"StringNotEquals": {"s3:prefix": ["b", "c"]}}), true),
            (
                json!({"StringLike": {"S3:PREFIX": "a*"}, "NotIpAddress": {"aws:sourceip": "1.1.1.1"}}),
                true,
            ),
            (json!({}), true),
        ];
        for (condition, expected) in cases {
            assert_eq!(holds(&condition, &facts), expected, "{condition}");
        }
    }

    #[test]
    fn an_absent_key_counts_as_the_operator_says() {
        let none = Facts::default();
        let cases = [
            ("StringEquals", "x", false),
            ("StringLike", "*", false),
            ("Bool", "false", false),
            ("NumericLessThan", "1", false),
            ("ForAnyValue:StringEquals", "x", false),
            ("ForAnyValue:StringNotEquals", "x", false),
            ("Null", "false", false),
            ("Null", "true", true),
            ("StringNotEquals", "x", true),
            ("NotIpAddress", "10.0.0.0/8", true),
            ("StringEqualsIfExists", "x", true),
            ("ForAllValues:StringEquals", "x", true),
        ];
        for (operator, operand, expected) in cases {
            let condition = json!({operator: {"s3:prefix": operand}});
            assert_eq!(holds(&condition, &none), expected, "{operator}");
        }
        let some = Facts::default().with("s3:prefix", "");
        assert!(holds(&json!({"Null": {"s3:prefix": false}}), &some));
        assert!(!holds(&json!({"Null": {"s3:prefix": true}}), &some));
    }

    #[test]
    fn several_values_count_by_their_quantifier() {
        let facts = Facts::default()
            .with("s3:RequestObjectTagKeys", "a")
            .with("s3:RequestObjectTagKeys", "b");
        let cases = [
            ("ForAllValues:StringEquals", json!(["a"]), false),
            ("ForAllValues:StringEquals", json!(["a", "b", "c"]), true),
            ("ForAnyValue:StringEquals", json!(["c"]), false),
            ("ForAnyValue:StringEquals", json!(["b"]), true),
            ("ForAnyValue:StringNotEquals", json!(["a"]), true),
            ("ForAllValues:StringNotEquals", json!(["a"]), false),
            ("StringNotEquals", json!(["a"]), false),
        ];
        for (operator, operands, expected) in cases {
            let condition = json!({operator: {"s3:RequestObjectTagKeys": operands}});
            assert_eq!(holds(&condition, &facts), expected, "{operator} {operands}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for wrong in [
            json!([]),
            json!("x"),
            json!({"StringEquals": "x"}),
            json!({"Same": {"s3:prefix": "x"}}),
            json!({"StringEquals": {"prefix": "x"}}),
            json!({"StringEquals": {"s3:prefix": []}}),
            json!({"StringEquals": {"s3:prefix": {}}}),
            json!({"NumericEquals": {"s3:max-keys": "x"}}),
        ] {
            assert!(Condition::parse_all(&wrong, true).is_err(), "{wrong}");
        }
    }
}
