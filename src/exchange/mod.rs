//! One request and its reply: target, route matching, admission, payload, faults. Knows no single operation.
