//! Nights that go wrong, on this machine alone: the real program against the embedded servers, disturbed or killed, and
//! a model of its own that says what must be in the folder afterwards.
//!
//! [`sweep`] kills one night at many points; [`soak`] lets many nights follow each other.

pub mod dump;
pub mod faults;
pub mod folder;
pub mod history;
pub mod model;
pub mod names;
pub mod points;
pub mod second_machine;
pub mod site;
pub mod soak;
pub mod sweep;
pub mod victim;
