//! The sections `retention` and `alarm`: which archives are kept, and which sizes are unusual.

use crate::config::kind::{Preset, whole};
use crate::config::section::Section;
use crate::rules::alarm::Bounds;
use crate::rules::retention::Policy;

/// More archives than anybody has.
const MOST_KEPT: u32 = 100_000;

pub(in crate::config) fn read(keys: &mut Section<'_, '_>) -> Option<Policy> {
    Some(Policy {
        keep_days: keys.preset(
            "keep_days",
            whole(1..=36_500).or(10),
            "How many days an archive is kept, counted from the newest one; one exactly this old is kept, too.",
        ),
        keep_at_least: keys.preset(
            "keep_at_least",
            whole(1..=MOST_KEPT).or(3),
            "How many of the newest archives are kept however old they are.",
        ),
        keep_daily: keys.preset(
            "keep_daily",
            periods(),
            "For how many of the last days that have an archive the newest one is kept.",
        ),
        keep_weekly: keys.preset(
            "keep_weekly",
            periods(),
            "For how many of the last weeks that have an archive the newest one is kept.",
        ),
        keep_monthly: keys.preset(
            "keep_monthly",
            periods(),
            "For how many of the last months that have an archive the newest one is kept.",
        ),
        keep_yearly: keys.preset(
            "keep_yearly",
            periods(),
            "For how many of the last years that have an archive the newest one is kept.",
        ),
    })
}

fn periods() -> Preset<u32> {
    whole(0..=MOST_KEPT).or(0)
}

pub(in crate::config) fn read_alarm(keys: &mut Section<'_, '_>) -> Option<Bounds> {
    Some(Bounds {
        smaller_than_percent: keys.preset(
            "smaller_than_percent",
            whole(0..=100).or(50),
            "An archive smaller than this percentage of the median of the last seven causes a warning; 0 turns this off.",
        ),
        larger_than_percent: keys.preset(
            "larger_than_percent",
            whole(100..=1_000_000).or(300),
            "An archive larger than this percentage of the median of the last seven causes a warning; 1000000 turns this off.",
        ),
    })
}
