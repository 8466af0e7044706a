//! A page of a listing costs the same however many keys the bucket has: measured as the server's own
//! CPU time, so that other tests beside this one do not count.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::server::Server;

const CLIENTS: usize = 16;
const PAGES: usize = 200;
const SMALL: usize = 1000;

/// What fractions of a second `/proc` counts.
const TICK: Duration = Duration::from_millis(10);

/// Half of the keys in one group, half in a group each, some before and after.
fn key(number: usize, count: usize) -> String {
    match number {
        0..10 => format!("a{number}"),
        10..20 => format!("z{number}"),
        _ if number < count / 2 => format!("all/{number:07}"),
        _ => format!("groups/{number:07}/key"),
    }
}

fn fill(server: &Server, bucket: &str, count: usize) {
    server.make_bucket(bucket);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = server.connect();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let target = format!("/{bucket}/{}", key(number, count));
                    server
                        .call("PUT", &target)
                        .send_on(&mut connection)
                        .expect(200);
                }
            });
        }
    });
}

/// What the server has computed so far.
fn cpu_time(server: &Server) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks
        .map(|field| field.parse::<u32>().expect("a number"))
        .sum();
    TICK * ticks
}

/// The CPU time of many times the same page, which has so many keys and groups.
fn cost(server: &Server, bucket: &str, query: &str, expected: usize) -> Duration {
    let mut connection = server.connect();
    let call = server.call("GET", &format!("/{bucket}?list-type=2&{query}"));
    let mut before = Duration::ZERO;
    for page in 0..PAGES + 10 {
        if page == 10 {
            before = cpu_time(server);
        }
        let answer = call.send_on(&mut connection).expect(200);
        let count = answer.element("KeyCount").expect("a count");
        assert_eq!(count, expected.to_string(), "{query}");
    }
    cpu_time(server).saturating_sub(before)
}

/// The queries to compare, for a bucket of so many keys, and how much each finds.
fn queries(count: usize) -> [(&'static str, String, usize); 7] {
    let (middle, late) = (count / 4, count / 4 * 3);
    [
        ("first page", "max-keys=200".into(), 200),
        (
            "middle page",
            format!("max-keys=200&start-after=all/{middle:07}"),
            200,
        ),
        ("over the groups", "delimiter=/".into(), 22),
        (
            "first page in a huge group",
            "delimiter=/&max-keys=200&prefix=all/".into(),
            200,
        ),
        (
            "middle page in a huge group",
            format!("delimiter=/&max-keys=200&prefix=all/&start-after=all/{middle:07}"),
            200,
        ),
        (
            "first page of groups",
            "delimiter=/&max-keys=200&prefix=groups/".into(),
            200,
        ),
        (
            "middle page of groups",
            format!("delimiter=/&max-keys=200&prefix=groups/&start-after=groups/{late:07}"),
            200,
        ),
    ]
}

fn compare(large: usize) {
    let server = Server::start_with("[log]\nlevel = \"warn\"\n", &[]);
    fill(&server, "small", SMALL);
    fill(&server, "large", large);
    let mut complaints = Vec::new();
    for (of_small, of_large) in queries(SMALL).into_iter().zip(queries(large)) {
        let few = cost(&server, "small", &of_small.1, of_small.2);
        let many = cost(&server, "large", &of_large.1, of_large.2);
        let line = format!(
            "{}: {:?} a page of {SMALL} keys, {:?} a page of {large}",
            of_small.0,
            few / PAGES as u32,
            many / PAGES as u32
        );
        eprintln!("{line}");
        // The clock is coarse.
        if many > few * 3 + TICK * 3 {
            complaints.push(line);
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn a_page_costs_the_same_in_a_hundred_times_as_large_a_bucket() {
    compare(100_000);
}

#[test]
#[ignore = "takes minutes: a million keys"]
fn a_page_costs_the_same_in_a_thousand_times_as_large_a_bucket() {
    compare(1_000_000);
}
