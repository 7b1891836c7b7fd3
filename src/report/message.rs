//! PURE: what the reports say of a run. A record goes in, text comes out: no I/O, no clock, no logging.

pub(crate) mod chart;
pub(crate) mod colour;
pub(crate) mod facts;
pub(crate) mod figures;
pub(crate) mod headline;
pub(crate) mod plain;
#[cfg(test)]
pub(crate) mod samples;

use crate::config::SendOn;
use crate::record::run_record::{Outcome, RunRecord};

/// Whether a report with the setting `send_on` is sent for the run of `record`.
///
/// `mail_failed` says that a mail was wanted and did not reach everyone, which sets off [`SendOn::Error`] for the
/// channel that can still tell; pass `false` when deciding about the mail itself. A night with warnings only does
/// not set it off, nor does what failed after a delivery without being told as an error.
pub fn is_wanted(send_on: SendOn, record: &RunRecord, mail_failed: bool) -> bool {
    match send_on {
        SendOn::Always => true,
        SendOn::Never => false,
        SendOn::Error => {
            let has_failed = matches!(record.outcome(), Outcome::Failed | Outcome::Interrupted(_));
            has_failed || record.errors() > 0 || mail_failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::interrupt::Interruption;

    #[test]
    fn always_and_never_do_not_look_at_the_run() {
        for record in [samples::clean_night(), samples::failed_night()] {
            assert!(is_wanted(SendOn::Always, &record, false));
            assert!(!is_wanted(SendOn::Never, &record, true));
        }
    }

    #[test]
    fn error_means_an_error_and_not_a_warning() {
        assert!(is_wanted(SendOn::Error, &samples::failed_night(), false));
        assert!(!is_wanted(SendOn::Error, &samples::stale_night(), false));
        assert!(!is_wanted(SendOn::Error, &samples::clean_night(), false));
    }

    #[test]
    fn an_undelivered_mail_counts_as_an_error() {
        assert!(is_wanted(SendOn::Error, &samples::clean_night(), true));
    }

    #[test]
    fn an_interrupted_run_is_told_even_without_an_error() {
        let mut record = samples::begun();
        record.interruption = Some(Interruption::Sigterm);
        assert_eq!(record.errors(), 0);
        assert!(is_wanted(SendOn::Error, &record, false));
    }
}
