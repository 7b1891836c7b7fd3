//! Turns the record of a run into the texts of the reports. No I/O, no clock, no logging.

pub(crate) mod chart;
pub(crate) mod colour;
pub(crate) mod drill;
pub(crate) mod facts;
pub(crate) mod figures;
pub(crate) mod headline;
pub(crate) mod overview;
pub(crate) mod plain;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod tasks;
pub(crate) mod trial;

use crate::config::SendOn;
use crate::record::run_record::{Outcome, RunRecord};

/// Whether a channel with the setting `send_on` reports the run of `record`. Warnings do not count as errors.
///
/// `mail_failed`: a mail did not reach every recipient, which counts as an error for the other channels.
pub fn should_send(send_on: SendOn, record: &RunRecord, mail_failed: bool) -> bool {
    match send_on {
        SendOn::Always => true,
        SendOn::Never => false,
        SendOn::Warning => record.outcome() != Outcome::Success || mail_failed,
        SendOn::Error => {
            let is_clean = matches!(record.outcome(), Outcome::Success | Outcome::Warnings) && record.errors() == 0;
            !is_clean || mail_failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::interrupt::Interruption;

    #[test]
    fn a_report_is_sent_always_never_or_after_an_error() {
        let mut interrupted = samples::started();
        interrupted.interruption = Some(Interruption::Sigterm);
        assert_eq!(interrupted.errors(), 0);
        for (send_on, record, mail_failed, expected) in [
            (SendOn::Always, samples::delivered(), false, true),
            (SendOn::Never, samples::hostile(), true, false),
            (SendOn::Warning, samples::stale(), false, true),
            (SendOn::Warning, samples::delivered(), false, false),
            (SendOn::Warning, samples::delivered(), true, true),
            (SendOn::Error, samples::hostile(), false, true),
            (SendOn::Error, samples::stale(), false, false),
            (SendOn::Error, samples::delivered(), false, false),
            (SendOn::Error, samples::delivered(), true, true),
            (SendOn::Error, interrupted, false, true),
        ] {
            assert_eq!(should_send(send_on, &record, mail_failed), expected, "{send_on:?} {:?}", record.outcome());
        }
    }
}
