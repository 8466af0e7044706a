//! The event log, read through its endpoint.

use serde_json::Value;

use crate::support::server::Server;

/// The events after a position that a further part of the query lets through, to the end of the log.
pub fn events(server: &Server, since: u64, query: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut since = since;
    loop {
        let target = format!("/_holdfast/v1/events?since={since}&limit=1000{query}");
        let answer = server.call("GET", &target).send().expect(200);
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let found = page["events"].as_array().expect("a list of events");
        events.extend(found.iter().cloned());
        since = page["next_since"].as_u64().expect("a position");
        if since >= page["head"].as_u64().expect("a position") {
            return events;
        }
    }
}

/// All events after a position, which are without gap.
pub fn dense_events(server: &Server, since: u64) -> Vec<Value> {
    let events = events(server, since, "");
    for (expected, event) in (since + 1..).zip(&events) {
        assert_eq!(event["sequence"].as_u64(), Some(expected), "a gap: {event}");
    }
    events
}

/// The key and the ETag, in quotes, of each file that came to be in these events, in order.
pub fn ingested(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let is_ingest = |event: &&Value| event["event_type"] == "v1.file.ingested";
    let files = events.iter().filter(is_ingest).map(|event| {
        let payload = &event["payload"];
        let etag = format!("\"{}\"", text(&payload["etag"]));
        (text(&payload["relative_path"]), etag)
    });
    files.collect()
}
