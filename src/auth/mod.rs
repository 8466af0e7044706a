//! Who is calling, and what they may do. Touches no database.
