//! The table of cases: what is asked, in what size, over how many connections.

/// A KiB and a MiB.
pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// What a worker does over and over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PUT of a new key with new content.
    Put,
    /// GET of a whole object, every byte compared.
    Get,
    /// HEAD of an object.
    Head,
    /// GET of a window of this size somewhere in an object, every byte compared.
    Range(usize),
    /// Create, parts of this size one after the other, Complete.
    Multipart(usize),
    /// One page of 1,000 keys somewhere in a large bucket.
    List,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name on the command line and in the report.
    pub name: &'static str,
    /// What is done.
    pub kind: Kind,
    /// The size of the object.
    pub size: usize,
    /// How many objects stand ready to be read.
    pub objects: u64,
    /// How many connections do it side by side.
    pub connections: usize,
}

const fn case(
    name: &'static str,
    kind: Kind,
    size: usize,
    objects: u64,
    connections: usize,
) -> Case {
    Case {
        name,
        kind,
        size,
        objects,
        connections,
    }
}

/// The case for the server's memory: 16 uploads of 1 GiB side by side.
const MEMORY: &str = "put-1g";

/// All cases. The last is for the server's memory and runs only when it is named.
pub const CASES: [Case; 11] = [
    case("put-4k", Kind::Put, 4 * KIB, 0, 16),
    case("put-1m", Kind::Put, MIB, 0, 8),
    case("put-64m", Kind::Put, 64 * MIB, 0, 2),
    case("multipart-64m", Kind::Multipart(8 * MIB), 64 * MIB, 0, 2),
    case("get-4k", Kind::Get, 4 * KIB, 1000, 16),
    case("head", Kind::Head, 4 * KIB, 1000, 16),
    case("get-1m", Kind::Get, MIB, 64, 8),
    case("get-64m", Kind::Get, 64 * MIB, 4, 2),
    case("range-64k", Kind::Range(64 * KIB), 64 * MIB, 4, 16),
    case("list-1000", Kind::List, 100, 0, 4),
    case(MEMORY, Kind::Put, 1024 * MIB, 0, 16),
];

/// The cases of these names; when none is named, all but the one for memory.
pub fn choose(names: &[String]) -> Result<Vec<Case>, String> {
    if names.is_empty() {
        return Ok(CASES
            .iter()
            .filter(|case| case.name != MEMORY)
            .copied()
            .collect());
    }
    let find = |name: &String| CASES.iter().find(|case| case.name == name).copied();
    names
        .iter()
        .map(|name| find(name).ok_or(format!("no case is called {name}")))
        .collect()
}
