//! The sections `retention` and `alarm`: which archives are kept, and which sizes are unusual.

use crate::config::kind::{whole, word};
use crate::config::section::{Section, keys};
use crate::rules::alarm::Bounds;
use crate::rules::retention::keeping::{Policy, Remover};

const REMOVERS: &[(&str, Remover)] = &[("run", Remover::Run), ("prune", Remover::Prune)];

/// More archives than anyone has.
const MAX_KEPT: u32 = 100_000;

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Policy> {
    keys! { keys:
        /// How many days an archive is kept, counted from the newest one; one of exactly this age is kept too.
        keep_days = with_default(whole(1..=36_500), 10);
        /// How many of the newest archives are kept however old they are.
        keep_at_least = with_default(whole(1..=MAX_KEPT), 3);
        /// For how many of the last days with an archive to keep the newest one.
        keep_daily = with_default(whole(0..=MAX_KEPT), 0);
        /// For how many of the last weeks with an archive to keep the newest one.
        keep_weekly = with_default(whole(0..=MAX_KEPT), 0);
        /// For how many of the last months with an archive to keep the newest one.
        keep_monthly = with_default(whole(0..=MAX_KEPT), 0);
        /// For how many of the last years with an archive to keep the newest one.
        keep_yearly = with_default(whole(0..=MAX_KEPT), 0);
        /// Which command removes expired files: each run, or only `prune`, for runs with credentials that may not remove files.
        remove = with_default(word(REMOVERS), "run");
    }
    Some(Policy {
        keep_days: keep_days?,
        keep_at_least: keep_at_least?,
        keep_daily: keep_daily?,
        keep_weekly: keep_weekly?,
        keep_monthly: keep_monthly?,
        keep_yearly: keep_yearly?,
        remover: remove?,
    })
}

pub(in crate::config) fn read_alarm(keys: &mut Section<'_, '_>) -> Option<Bounds> {
    keys! { keys:
        /// An archive smaller than this percentage of the median of the last seven causes a warning; 0 turns this off.
        smaller_than_percent = with_default(whole(0..=100), 50);
        /// An archive larger than this percentage of the median of the last seven causes a warning; 1000000 turns this off.
        larger_than_percent = with_default(whole(100..=1_000_000), 300);
    }
    Some(Bounds { smaller_than_percent: smaller_than_percent?, larger_than_percent: larger_than_percent? })
}
