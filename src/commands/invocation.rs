//! The input of every command besides its arguments: verbosity, clock and environment variables.

use crate::config::Environment;
use crate::runtime::clock::Clock;

pub struct Invocation<'a> {
    /// The number of `-v`.
    pub verbose: u8,
    pub clock: &'a Clock,
    pub environment: &'a Environment,
}
