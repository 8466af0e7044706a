//! Sockets, timed work, the life of a request.
