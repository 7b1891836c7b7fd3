//! The faults of several jobs and of hooks.

use super::Row;

const MORNING: &str = "tests/jobs/morning.rs";
const EXTENDS: &str = "tests/jobs/extends.rs";
const SELECTION: &str = "tests/jobs/selection.rs";
const SIGNALS: &str = "tests/jobs/signals.rs";
const HOOKS: &str = "tests/failures/hooks.rs";

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    (115, "one configuration of twelve has a mistake, one fails, one is stale, one is running", &[
        (MORNING, "of_twelve_jobs_one_misconfigured_one_failed_one_stale_and_one_locked_the_others_deliver_with_one_report"),
    ]),
    (116, "extends missing, circular, writable by others", &[
        (EXTENDS, "an_extended_file_that_cannot_be_used_stops_only_its_jobs"),
        (EXTENDS, "a_mistake_in_the_extended_file_is_reported_with_that_file"),
    ]),
    (117, "two jobs, same folder and pattern, also by different spellings", &[
        (SELECTION, "two_jobs_with_one_destination_are_refused_also_in_another_spelling"),
        (SELECTION, "equal_names_are_refused"),
    ]),
    (118, "SIGTERM with jobs running and waiting", &[
        (SIGNALS, "a_signal_ends_all_jobs_within_five_seconds_and_the_report_lists_those_that_did_not_run"),
    ]),
    (119, "a shard's machine dies", &[
        (SELECTION, "the_jobs_of_a_shard_that_died_are_caught_up_by_a_second_run_of_it"),
        (SELECTION, "the_shards_deliver_each_job_exactly_once"),
    ]),
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
