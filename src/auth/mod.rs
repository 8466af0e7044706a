//! Who is calling, and what they may do. Touches no database.

pub mod authenticate;
pub mod grants;
pub mod keyring;
pub mod secret;
pub mod settings;
