//! Rows 113 and 114: faults of drills.

use super::Row;

const FAILURES: &str = "tests/drill/failures.rs";
const HOSTILE: &str = "tests/drill/hostile.rs";
const INTERRUPTIONS: &str = "tests/proof/interruptions.rs";
const KINDS: &str = "tests/drill/kinds.rs";
const OUTCOMES: &str = "tests/proof/outcomes.rs";
const REPORTS: &str = "tests/proof/reports.rs";

pub(super) const ROWS: &[Row] = &[
    (
        113,
        "drill: no program, dump cut, syntax error, missing role or definer, check false, disk full, time limit, signal, kill -9",
        &[
            (FAILURES, "a_missing_program_is_a_configuration_error_that_names_the_package"),
            (FAILURES, "an_unusable_user_is_a_configuration_error"),
            (FAILURES, "a_dump_that_is_cut_or_damaged_or_empty_fails"),
            (FAILURES, "an_error_of_the_archive_is_never_reported_as_one_of_the_database"),
            (FAILURES, "an_error_that_hurts_the_data_fails_with_its_statement"),
            (FAILURES, "a_full_disk_is_named"),
            (FAILURES, "the_time_limit_and_an_interruption_end_everything"),
            (FAILURES, "the_next_drill_removes_what_a_killed_one_left"),
            (KINDS, "each_dump_of_postgresql_loads_with_notices_about_missing_roles"),
            (KINDS, "each_dump_of_mariadb_and_mysql_loads_with_a_notice_about_the_missing_definer"),
            (OUTCOMES, "a_missing_program_is_a_configuration_error_that_is_reported"),
            (OUTCOMES, "a_bad_archive_fails_the_drill_and_is_named"),
            (OUTCOMES, "a_statement_that_fails_is_reported"),
            (OUTCOMES, "a_second_drill_ends_at_once_and_a_run_does_not"),
            (REPORTS, "a_failed_check_and_the_reason_are_reported_first_and_the_last_success_is_kept"),
            (INTERRUPTIONS, "a_drill_ends_at_its_time_limit"),
            (INTERRUPTIONS, "a_signal_ends_a_drill_within_seconds_and_leaves_nothing"),
            (INTERRUPTIONS, "the_drill_after_a_killed_one_clears_what_was_left"),
        ],
    ),
    (
        114,
        "dump that tries to leave the database",
        &[
            (HOSTILE, "a_dump_of_postgresql_cannot_leave_the_database"),
            (HOSTILE, "a_dump_of_mariadb_cannot_leave_the_database"),
            (HOSTILE, "a_dump_of_sqlite_cannot_leave_the_database"),
            (HOSTILE, "without_the_checks_of_the_client_the_sandbox_still_confines_it"),
        ],
    ),
];
