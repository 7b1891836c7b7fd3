//! The faults that must do no harm, by the numbers of the project's fault matrix, and the tests that show it.

use super::Row;

const BROKEN_CONFIGURATION: &str = "tests/failures/broken_configuration.rs";
const BROKEN_LINES: &str = "tests/failures/broken_lines.rs";
const CALENDAR: &str = "tests/retention/calendar.rs";
const DISKS: &str = "tests/failures/disks.rs";
const HOST_KEYS: &str = "tests/failures/host_keys.rs";
const INTERRUPTIONS: &str = "tests/failures/interruptions.rs";
const KILLS: &str = "tests/failures/kills.rs";
const LIKE_OPENSSH: &str = "tests/failures/like_openssh.rs";
const LOGINS: &str = "tests/failures/logins.rs";
const MIDNIGHT: &str = "tests/failures/midnight.rs";
const ODD_SERVERS: &str = "tests/failures/odd_servers.rs";
const ODD_ZIPS: &str = "tests/failures/odd_zips.rs";
const PANICS: &str = "tests/failures/panics.rs";
const RANDOM_BYTES: &str = "tests/failures/random_bytes.rs";
const REMOVAL: &str = "tests/failures/removal.rs";
const STALE_DUMPS: &str = "tests/failures/stale_dumps.rs";
const TRANSFERS: &str = "tests/failures/transfers.rs";
const UNUSABLE_ZIPS: &str = "tests/failures/unusable_zips.rs";
const WEB_SERVER: &str = "tests/failures/web_server.rs";
const CONFIG_FILES: &str = "tests/configuration/files.rs";
const CONFIG_MISTAKES: &str = "tests/configuration/mistakes.rs";
const CONFIG_SECRETS: &str = "tests/configuration/secrets.rs";
const CRON: &str = "tests/reports/cron.rs";
const UNDELIVERED: &str = "tests/reports/undelivered.rs";
const ABANDONED: &str = "tests/reports/abandoned.rs";
const MATTERMOST: &str = "tests/reports/mattermost.rs";
const SECRETS: &str = "tests/reports/secrets/mod.rs";
const DELIVERY: &str = "tests/delivery.rs";
const RANGES: &str = "tests/ranges.rs";
const RETENTION: &str = "tests/retention.rs";
const LARGE: &str = "tests/transfers.rs";
const ARCHIVE_NAME: &str = "tests/rules/archive_name.rs";
const FRESHNESS: &str = "tests/rules/freshness.rs";
const REDACTION: &str = "tests/rules/redaction.rs";
const RETENTION_RULES: &str = "tests/rules/retention.rs";
const ZIPPED_DUMP: &str = "tests/hostile.rs";
const LOG_FILE: &str = "src/report/log/log_file.rs";

/// Every row: its number, the fault, and its tests by the file that they stand in.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    (1, "the configuration is missing, unreadable or no file", &[
        (BROKEN_CONFIGURATION, "a_missing_configuration_is_reported_on_stderr_and_in_the_log_of_its_folder"),
        (CONFIG_FILES, "a_file_that_cannot_be_a_configuration_is_refused_with_the_reason"),
        (RANDOM_BYTES, "random_bytes_are_not_a_configuration"),
    ]),
    (2, "no JSON; a byte order mark", &[
        (BROKEN_CONFIGURATION, "a_syntax_error_is_reported_with_line_and_column"),
        (CONFIG_FILES, "a_trailing_comma_is_reported_with_line_and_column"),
        (CONFIG_FILES, "a_syntax_error_is_reported_with_line_and_column"),
        (CONFIG_FILES, "a_byte_order_mark_is_accepted"),
    ]),
    (3, "unknown key", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_reported_at_once"),
        (CONFIG_MISTAKES, "an_unknown_key_is_reported_with_the_nearest_known_one"),
    ]),
    (4, "values out of bounds", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_reported_at_once"),
        (CONFIG_MISTAKES, "all_mistakes_are_reported_at_once_in_the_order_of_the_documentation"),
        (CONFIG_MISTAKES, "every_invalid_value_is_refused_under_its_own_key"),
    ]),
    (5, "archive name without a date, or a path", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_reported_at_once"),
        (ARCHIVE_NAME, "a_pattern_must_make_file_names_from_which_the_date_can_be_parsed"),
    ]),
    (6, "others can write the configuration, or read its secret", &[
        (BROKEN_CONFIGURATION, "a_configuration_that_others_can_read_or_write_is_refused_with_the_chmod_that_fixes_it"),
        (CONFIG_FILES, "a_file_that_others_can_write_is_refused_with_the_command_that_fixes_it"),
        (CONFIG_FILES, "a_plain_text_secret_that_anyone_can_read_is_refused_with_its_key"),
    ]),
    (7, "a secret that is not there", &[
        (CONFIG_SECRETS, "a_missing_or_bad_secret_is_reported_by_its_source"),
        (CONFIG_SECRETS, "no_message_repeats_a_secret"),
        (SECRETS, "an_invalid_configuration_leaks_no_secret"),
    ]),
    (8, "web server: name unknown, refused, reset", &[
        (WEB_SERVER, "an_unknown_host_name_is_reported"),
        (WEB_SERVER, "a_refused_connection_is_retried_and_then_reported"),
        (BROKEN_LINES, "a_reset_by_the_web_server_is_retried_and_then_reported"),
    ]),
    (9, "certificate expired, of another name, of an unknown authority", &[
        (WEB_SERVER, "an_untrusted_certificate_is_reported_with_the_reason_and_not_retried"),
    ]),
    (10, "401, 403, 404", &[
        (WEB_SERVER, "a_refusal_is_final_and_reported_with_advice"),
        (WEB_SERVER, "wrong_credentials_are_sent_once"),
    ]),
    (11, "429, 503, Retry-After", &[
        (WEB_SERVER, "an_overload_is_retried_and_then_reported"),
        (WEB_SERVER, "a_temporary_overload_is_retried"),
        (BROKEN_LINES, "a_retry_after_is_respected_up_to_the_maximum_pause"),
        ("src/https/retry_after.rs", "the_wait_is_given_in_seconds_or_as_a_date_by_the_servers_clock"),
    ]),
    (12, "redirects in circles or out of TLS", &[
        (WEB_SERVER, "a_redirect_out_of_tls_or_in_a_loop_is_not_followed"),
    ]),
    (13, "body cut short", &[
        (WEB_SERVER, "a_download_that_is_cut_is_retried"),
        (RANGES, "an_interrupted_download_is_resumed"),
        (BROKEN_LINES, "a_chunked_body_that_is_cut_is_fetched_again"),
        (BROKEN_LINES, "a_body_that_ends_with_the_connection_is_fetched_again_if_it_is_cut"),
    ]),
    (14, "body stalls or drips", &[
        (WEB_SERVER, "a_stalling_or_slow_server_fails_the_run_in_time"),
    ]),
    (15, "an HTML page with 200", &[
        (UNUSABLE_ZIPS, "a_login_page_is_reported_with_its_content_type"),
    ]),
    (16, "download beyond the cap", &[
        (UNUSABLE_ZIPS, "a_download_beyond_the_cap_is_stopped_early"),
    ]),
    (17, "Range ignored; the file changes", &[
        (RANGES, "without_ranges_the_whole_zip_is_downloaded"),
        (RANGES, "the_whole_zip_is_downloaded_if_the_server_stops_sending_parts"),
        (RANGES, "a_zip_that_changes_between_two_requests_is_read_from_the_beginning"),
    ]),
    (18, "ZIP empty, truncated, only an end record, garbage", &[
        (UNUSABLE_ZIPS, "a_download_that_is_not_a_zip_is_reported_by_its_type_or_beginning"),
        (UNUSABLE_ZIPS, "a_truncated_zip_is_reported_as_such"),
        (UNUSABLE_ZIPS, "a_zip_without_a_file_is_reported_as_such"),
        (RANDOM_BYTES, "random_bytes_are_not_a_zip"),
    ]),
    (19, "dump missing", &[
        (UNUSABLE_ZIPS, "a_missing_dump_is_reported_with_similar_names"),
    ]),
    (20, "dump twice; entries overlap", &[
        (UNUSABLE_ZIPS, "unreadable_output_of_other_tools_is_refused_with_the_reason"),
        (ODD_ZIPS, "entries_that_overlap_are_not_trusted"),
        (ZIPPED_DUMP, "an_entry_overlapping_the_dump_is_detected_on_either_side"),
    ]),
    (21, "one flipped bit", &[
        (UNUSABLE_ZIPS, "one_flipped_bit_is_detected_and_nothing_is_published"),
        (LARGE, "the_upload_of_a_damaged_dump_is_removed"),
    ]),
    (22, "encrypted", &[
        (UNUSABLE_ZIPS, "unreadable_output_of_other_tools_is_refused_with_the_reason"),
    ]),
    (23, "compression methods", &[
        (UNUSABLE_ZIPS, "unreadable_output_of_other_tools_is_refused_with_the_reason"),
        (ODD_ZIPS, "deflate64_is_read"),
        (DELIVERY, "every_supported_compression_method_yields_the_same_dump"),
    ]),
    (24, "bomb; declared size a lie", &[
        (UNUSABLE_ZIPS, "a_dump_beyond_the_cap_is_refused"),
        (UNUSABLE_ZIPS, "a_wrong_size_or_checksum_in_the_directory_is_detected"),
        (ODD_ZIPS, "a_zip_bomb_is_stopped_at_the_cap_or_at_its_false_size"),
    ]),
    (25, "folder, symbolic link, empty", &[
        (UNUSABLE_ZIPS, "a_folder_a_link_or_an_empty_file_is_not_a_dump"),
    ]),
    (26, "names that lead elsewhere or are no text", &[
        (ODD_ZIPS, "a_path_in_a_name_does_not_write_a_file_there"),
        (ODD_ZIPS, "names_that_are_not_text_are_escaped"),
        (UNUSABLE_ZIPS, "names_in_the_zip_cannot_forge_a_line"),
    ]),
    (27, "zip64, prepended data, data descriptor, comment", &[
        (ODD_ZIPS, "every_variant_of_a_zip_is_read"),
        (DELIVERY, "zips_of_other_tools_are_read"),
        (LARGE, "a_dump_larger_than_4_gib_is_packed_correctly"),
    ]),
    (28, "extended timestamp against DOS time", &[
        (STALE_DUMPS, "the_extended_time_takes_precedence_over_the_dos_time"),
    ]),
    (29, "DOS rounding at midnight; clock changes", &[
        (FRESHNESS, "tomorrows_midnight_counts_as_today_only_for_a_wall_clock"),
        (FRESHNESS, "midnight_counts_as_today_even_if_the_next_day_begins_at_one_oclock"),
        (FRESHNESS, "a_time_that_the_clocks_skip_or_repeat_is_valid"),
        (STALE_DUMPS, "a_dos_time_is_used_if_the_zip_has_no_other"),
    ]),
    (30, "time in the future, of 1980, missing", &[
        (STALE_DUMPS, "a_dump_from_the_future_is_reported_as_stale"),
        (STALE_DUMPS, "a_dump_of_1980_is_stale"),
        (STALE_DUMPS, "a_dump_without_a_time_is_reported_as_stale"),
    ]),
    (31, "the run crosses midnight", &[
        (MIDNIGHT, "a_run_that_crosses_midnight_is_for_the_day_on_which_it_began"),
    ]),
    (32, "the producer is in another zone; TZ unset", &[
        (STALE_DUMPS, "a_dos_time_is_read_in_source_timezone"),
        (STALE_DUMPS, "source_timezone_applies_without_tz"),
    ]),
    (33, "local disk full, without inodes, read-only", &[
        (DISKS, "a_work_directory_that_fills_up_during_the_run_is_reported_and_left_clean"),
        (DISKS, "a_full_or_read_only_work_directory_is_reported_and_left_clean"),
        (TRANSFERS, "a_work_directory_that_cannot_be_written_is_reported"),
    ]),
    (34, "a link where a temporary file goes", &[
        (DISKS, "local_temporary_files_have_no_names"),
        (DISKS, "a_link_under_a_temporary_name_on_the_server_is_never_followed"),
    ]),
    (35, "host key changed", &[
        (HOST_KEYS, "a_changed_host_key_is_refused_with_both_fingerprints_and_the_command_that_accepts_it"),
        (HOST_KEYS, "openssh_with_a_changed_host_key_gets_no_login"),
        (HOST_KEYS, "a_changed_host_key_of_another_type_is_reported_in_the_same_way"),
    ]),
    (36, "host unknown and strict; another key than the pinned one", &[
        (HOST_KEYS, "an_unknown_host_is_refused_if_the_policy_is_strict"),
        (HOST_KEYS, "a_key_other_than_the_pinned_one_is_refused"),
    ]),
    (37, "several host keys; host certificate", &[
        (DELIVERY, "the_known_one_of_several_host_keys_is_requested"),
        (ODD_SERVERS, "a_server_with_a_host_certificate_is_recognised_by_its_plain_key"),
    ]),
    (38, "hashed entries, other port, IPv6", &[
        (DELIVERY, "hashed_known_hosts_entries_match"),
        (ODD_SERVERS, "a_server_is_reached_and_recognised_by_its_ipv6_address"),
        (LIKE_OPENSSH, "the_same_lines_match_a_host_as_in_ssh_keygen"),
    ]),
    (39, "revoked key; lines that cannot be read", &[
        (HOST_KEYS, "a_revoked_key_is_refused_even_if_it_is_also_known"),
        (HOST_KEYS, "a_malformed_line_about_the_host_is_fatal_and_others_are_skipped"),
        (LIKE_OPENSSH, "any_line_is_parsed_without_a_panic"),
        (RANDOM_BYTES, "random_bytes_are_not_a_known_hosts_file"),
    ]),
    (40, "wrong password, wrong passphrase, key refused", &[
        (LOGINS, "a_wrong_password_is_tried_once"),
        (LOGINS, "a_wrong_passphrase_is_distinguished_from_a_refused_key"),
        (LOGINS, "a_key_refused_by_openssh_is_offered_once"),
    ]),
    (41, "keyboard-interactive only", &[
        (DELIVERY, "a_password_logs_in_directly_and_keyboard_interactively"),
    ]),
    (42, "server too old, not SSH, silent", &[
        (ODD_SERVERS, "a_server_with_only_unsafe_algorithms_is_refused_with_advice"),
        (LOGINS, "a_server_that_does_not_speak_ssh_is_reported_as_such"),
        (LOGINS, "a_silent_server_fails_the_run_in_time"),
        (RANDOM_BYTES, "random_bytes_are_not_an_ssh_server"),
    ]),
    (43, "no sftp subsystem", &[
        (LOGINS, "a_server_without_sftp_is_reported_as_such"),
    ]),
    (44, "upload cut or stalled at 0, 50, 99 %", &[
        (BROKEN_LINES, "an_upload_cut_anywhere_continues_over_a_new_connection"),
        (BROKEN_LINES, "an_upload_that_stalls_anywhere_continues_over_a_new_connection"),
        (BROKEN_LINES, "an_upload_to_openssh_survives_a_broken_or_stalled_connection"),
        (LARGE, "a_broken_upload_resumes_without_downloading_again"),
    ]),
    (45, "disk full or quota on the server", &[
        (DISKS, "an_archive_too_large_for_the_server_is_reported_with_figures_and_not_sent"),
        (DISKS, "a_server_disk_that_fills_up_during_the_upload_is_reported_with_the_known_figures"),
        (TRANSFERS, "a_full_disk_is_reported_and_the_upload_is_removed"),
    ]),
    (46, "directory missing, not writable", &[
        (LOGINS, "a_missing_directory_is_not_created"),
        (TRANSFERS, "a_directory_that_cannot_be_written_is_reported"),
    ]),
    (47, "final name exists", &[
        (DELIVERY, "a_second_run_keeps_an_identical_archive"),
        (DELIVERY, "an_archive_with_different_bytes_is_replaced"),
    ]),
    (48, "reply to rename lost", &[
        (TRANSFERS, "a_rename_with_a_lost_reply_is_detected"),
    ]),
    (49, "fsync or statvfs unsupported", &[
        (ODD_SERVERS, "a_server_without_extensions_gets_the_archive"),
    ]),
    (50, "close fails", &[
        (TRANSFERS, "a_failing_close_is_a_failed_upload"),
    ]),
    (51, "leftovers of earlier runs", &[
        (RETENTION, "only_expired_archives_and_leftovers_are_removed_and_every_reason_is_logged"),
        (DISKS, "an_unfinished_upload_of_the_same_date_is_replaced_completely"),
        (DELIVERY, "an_interrupted_replacement_is_put_back_and_then_completed"),
        (RETENTION_RULES, "own_uploads_are_removed_immediately_and_others_after_a_day_by_the_servers_clock"),
    ]),
    (52, "what is none of ours in the directory", &[
        (RETENTION, "only_expired_archives_and_leftovers_are_removed_and_every_reason_is_logged"),
        (RETENTION_RULES, "foreign_entries_are_never_removed"),
        (RETENTION_RULES, "only_expired_archives_and_leftovers_are_removed"),
    ]),
    (53, "everything expired", &[
        (CALENDAR, "the_newest_archives_are_kept_at_any_age"),
    ]),
    (54, "removal denied; already gone", &[
        (RETENTION, "a_refused_removal_after_a_delivery_is_a_warning"),
        (REMOVAL, "a_refused_removal_is_a_warning_for_each_file"),
        (ODD_SERVERS, "an_archive_that_others_remove_first_counts_as_removed"),
    ]),
    (55, "10,000 entries; names with newlines", &[
        (RETENTION, "ten_thousand_foreign_files_neither_fill_the_log_nor_slow_down_the_run"),
        (RETENTION, "only_expired_archives_and_leftovers_are_removed_and_every_reason_is_logged"),
        (ARCHIVE_NAME, "only_the_whole_name_is_parsed"),
    ]),
    (56, "what arrived is shorter, or has other bytes", &[
        (TRANSFERS, "a_truncated_upload_never_gets_the_final_name"),
        (TRANSFERS, "an_upload_with_different_bytes_never_gets_the_final_name"),
    ]),
    (57, "no second connection", &[
        (TRANSFERS, "a_verification_without_a_connection_is_reported_as_sent_but_not_verified"),
    ]),
    (58, "mail undeliverable", &[
        (UNDELIVERED, "an_unreachable_mail_server_is_retried_as_configured"),
        (UNDELIVERED, "a_refused_recipient_does_not_stop_the_others"),
        (UNDELIVERED, "a_message_refused_after_data_is_retried_only_after_a_transient_error"),
        (ABANDONED, "silent_servers_time_out_and_nothing_is_sent_twice"),
        (RANDOM_BYTES, "random_bytes_are_not_a_mail_server"),
    ]),
    (59, "Mattermost refuses or says nothing", &[
        (MATTERMOST, "the_status_decides_whether_a_post_is_retried"),
        (MATTERMOST, "a_failed_connection_is_retried_and_an_untrusted_one_is_not"),
        (ABANDONED, "silent_servers_time_out_and_nothing_is_sent_twice"),
        (RANDOM_BYTES, "random_bytes_are_not_a_mattermost_response"),
    ]),
    (60, "very long or binary error text", &[
        (MATTERMOST, "a_very_long_error_is_truncated_to_fit_one_post"),
        (MATTERMOST, "hostile_names_can_forge_neither_rows_nor_mentions"),
        (ODD_ZIPS, "names_that_are_not_text_are_escaped"),
        (SECRETS, "a_webhook_that_echoes_its_path_leaks_no_secret"),
        (REDACTION, "a_long_text_is_truncated_with_a_note"),
    ]),
    (61, "log not writable, disk full", &[
        (INTERRUPTIONS, "a_log_that_cannot_be_written_does_not_stop_the_job"),
        (INTERRUPTIONS, "a_log_on_a_full_disk_does_not_stop_the_job"),
        (LOG_FILE, "a_full_disk_is_reported"),
    ]),
    (62, "kill -9", &[
        (KILLS, "after_a_kill_at_any_moment_the_next_run_succeeds_and_cleans_up"),
        (KILLS, "after_a_kill_during_the_upload_the_next_run_removes_it"),
    ]),
    (63, "SIGTERM, SIGINT", &[
        (INTERRUPTIONS, "a_signal_ends_a_run_that_waits_for_the_web_server"),
        (INTERRUPTIONS, "a_signal_ends_a_run_that_waits_for_the_sftp_server"),
        (INTERRUPTIONS, "a_signal_ends_a_run_with_a_silent_sftp_server"),
        (INTERRUPTIONS, "a_signal_ends_a_pause_before_a_retry"),
        (KILLS, "the_next_run_removes_an_upload_that_a_signal_interrupted"),
    ]),
    (64, "two runs at once", &[
        (INTERRUPTIONS, "a_second_run_ends_at_once_and_a_crash_releases_the_lock"),
    ]),
    (65, "cron's bare environment", &[
        (CRON, "success_prints_nothing"),
        (CRON, "without_home_the_home_folder_of_the_passwd_entry_is_used"),
    ]),
    (66, "panic", &[
        (PANICS, "a_panic_before_the_delivery_fails_the_run_and_is_reported"),
        (PANICS, "a_panic_after_the_delivery_is_a_warning_and_is_reported"),
        (PANICS, "a_panic_while_reporting_is_reported_on_the_remaining_channels"),
    ]),
    (67, "SFTP host unknown, refused, unreachable", &[
        (LOGINS, "an_unknown_host_name_is_reported"),
        (LOGINS, "a_refused_connection_is_retried_and_then_reported"),
        (BROKEN_LINES, "an_unreachable_host_is_retried_and_fails_the_run_in_time"),
    ]),
    (68, "--date in the future", &[
        (DELIVERY, "a_future_date_is_a_command_line_error"),
    ]),
    (69, "our clock is off by days", &[
        (REMOVAL, "nothing_is_removed_while_the_clocks_differ_by_days"),
    ]),
    (70, "pattern changed over old names", &[
        (REMOVAL, "nothing_is_removed_if_older_names_do_not_match_the_pattern"),
    ]),
    (71, "weeks of stale dumps", &[
        (RETENTION, "weeks_of_stale_dumps_do_not_shrink_the_history"),
        (STALE_DUMPS, "with_a_stale_dump_ages_are_counted_from_the_newest_archive"),
    ]),
    (72, "killed between the two renames", &[
        (KILLS, "after_a_kill_between_the_two_renames_the_old_archive_is_put_back_and_then_replaced"),
        (DELIVERY, "an_interrupted_replacement_is_put_back_and_then_completed"),
    ]),
];
