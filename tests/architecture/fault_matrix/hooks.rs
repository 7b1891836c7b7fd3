//! The faults of hooks.

use super::Row;

const HOOKS: &str = "tests/failures/hooks.rs";

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    (120, "a hook fails, hangs, prints without end, leaves a child", &[
        (HOOKS, "a_before_hook_that_fails_stops_the_run"),
        (HOOKS, "a_hook_that_cannot_be_started_is_reported"),
        (HOOKS, "an_after_hook_that_fails_is_a_warning_after_the_delivery"),
        (HOOKS, "a_hook_that_hangs_or_prints_without_end_is_ended_with_its_children_at_its_limit"),
        (HOOKS, "what_a_hook_leaves_behind_is_ended_and_not_waited_for"),
        (HOOKS, "a_signal_ends_a_before_hook_and_the_after_hook_within_five_seconds"),
        (HOOKS, "a_signal_ends_an_after_hook_within_five_seconds"),
    ]),
];
