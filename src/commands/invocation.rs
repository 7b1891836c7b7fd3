//! The input of every command besides its arguments: verbosity, clock and environment variables.

use crate::config::Environment;
use crate::runtime::clock::Clock;

pub struct Invocation<'a> {
    /// How often `-v` was given.
    pub verbose: u8,
    pub clock: &'a Clock,
    pub environment: &'a Environment,
}
