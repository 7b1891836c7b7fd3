//! What every command gets from the process: verbosity, clock and environment variables.

use crate::config::Environment;
use crate::runtime::clock::Clock;

pub struct Invocation<'a> {
    /// How many `-v` were given.
    pub verbose: u8,
    pub clock: &'a Clock,
    pub environment: &'a Environment,
}
