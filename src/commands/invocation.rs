//! The input of every command besides its arguments, and what its jobs share.

use std::io;
use std::sync::OnceLock;

use crate::commands::panics::PanicRedaction;
use crate::config::Environment;
use crate::destination::Accounts;
use crate::runtime::clock::Clock;
use crate::runtime::supervisor::Signals;

pub struct Invocation<'a> {
    /// How often `-v` was given.
    pub(super) verbose: u8,
    pub(super) clock: &'a Clock,
    pub(super) environment: &'a Environment,
    pub(super) panics: PanicRedaction,
    pub(super) accounts: Accounts,
    signals: OnceLock<Signals>,
}

impl<'a> Invocation<'a> {
    pub fn new(verbose: u8, clock: &'a Clock, environment: &'a Environment) -> Invocation<'a> {
        Invocation {
            verbose,
            clock,
            environment,
            panics: PanicRedaction::default(),
            accounts: Accounts::default(),
            signals: OnceLock::new(),
        }
    }

    /// The signals that interrupt the command, which the first call registers.
    pub(super) fn signals(&self) -> io::Result<Signals> {
        if let Some(signals) = self.signals.get() {
            return Ok(signals.clone());
        }
        let signals = Signals::register()
            .map_err(|error| io::Error::new(error.kind(), format!("signals cannot be handled: {error}")))?;
        Ok(self.signals.get_or_init(|| signals).clone())
    }
}
