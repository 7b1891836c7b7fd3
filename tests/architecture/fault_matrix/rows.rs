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
const CLIENT: &str = "src/source/client.rs";
const ARCHIVE_NAME: &str = "src/rules/archive_name.rs";
const FRESHNESS: &str = "tests/rules/freshness.rs";
const REDACTION: &str = "tests/rules/redaction.rs";
const RETENTION_RULES: &str = "tests/rules/retention.rs";
const ZIPPED_DUMP: &str = "tests/hostile.rs";
const LOG_FILE: &str = "src/report/log_file.rs";

/// Every row: its number, the fault, and its tests by the file that they stand in.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    (1, "the configuration is missing, unreadable or no file", &[
        (BROKEN_CONFIGURATION, "a_missing_configuration_is_told_on_stderr_and_in_the_log_beside_it"),
        (CONFIG_FILES, "a_file_that_cannot_be_a_configuration_is_refused_with_the_reason"),
        (RANDOM_BYTES, "random_bytes_are_no_configuration"),
    ]),
    (2, "no JSON; a byte order mark", &[
        (BROKEN_CONFIGURATION, "a_syntax_error_is_told_with_line_and_column"),
        (CONFIG_FILES, "a_trailing_comma_is_reported_with_line_and_column"),
        (CONFIG_FILES, "a_syntax_error_is_reported_with_line_and_column"),
        (CONFIG_FILES, "a_byte_order_mark_is_accepted"),
    ]),
    (3, "unknown key", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_told_in_one_go"),
        (CONFIG_MISTAKES, "an_unknown_key_is_reported_with_the_nearest_known_one"),
    ]),
    (4, "values out of bounds", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_told_in_one_go"),
        (CONFIG_MISTAKES, "all_mistakes_are_reported_at_once_in_the_order_of_the_documentation"),
        (CONFIG_MISTAKES, "every_bad_value_is_refused_under_its_own_key"),
    ]),
    (5, "archive name without a date, or a path", &[
        (BROKEN_CONFIGURATION, "every_mistake_is_told_in_one_go"),
        (ARCHIVE_NAME, "patterns_that_lose_the_date_are_refused"),
        (ARCHIVE_NAME, "patterns_that_are_no_date_or_no_name_are_refused"),
    ]),
    (6, "others can write the configuration, or read its secret", &[
        (BROKEN_CONFIGURATION, "a_configuration_that_others_can_read_or_write_is_refused_with_the_command_that_mends_it"),
        (CONFIG_FILES, "a_file_that_others_can_write_is_refused_with_the_command_that_corrects_it"),
        (CONFIG_FILES, "a_secret_in_clear_that_all_can_read_is_refused_with_its_key"),
    ]),
    (7, "a secret that is not there", &[
        (CONFIG_SECRETS, "a_missing_or_bad_secret_is_reported_by_its_source"),
        (CONFIG_SECRETS, "no_message_repeats_a_secret"),
        (SECRETS, "a_broken_configuration_tells_no_secret"),
    ]),
    (8, "web server: name unknown, refused, reset", &[
        (WEB_SERVER, "an_unknown_name_is_told"),
        (WEB_SERVER, "no_connection_is_tried_again_and_then_told"),
        (BROKEN_LINES, "a_web_server_that_resets_the_connection_is_tried_again_and_then_told"),
    ]),
    (9, "certificate expired, of another name, of an unknown authority", &[
        (WEB_SERVER, "a_certificate_that_is_not_to_be_trusted_says_why_and_is_not_tried_again"),
    ]),
    (10, "401, 403, 404", &[
        (WEB_SERVER, "a_refusal_is_final_and_says_what_to_check"),
        (WEB_SERVER, "wrong_credentials_are_sent_once"),
    ]),
    (11, "429, 503, Retry-After", &[
        (WEB_SERVER, "an_overload_is_tried_again_and_then_told"),
        (WEB_SERVER, "an_overload_that_passes_does_no_harm"),
        (BROKEN_LINES, "a_retry_after_is_waited_for_as_long_as_the_longest_pause_allows"),
        (CLIENT, "a_wait_is_asked_for_in_seconds_or_until_a_date_of_the_servers_clock"),
    ]),
    (12, "redirects in circles or out of TLS", &[
        (WEB_SERVER, "a_redirect_is_not_followed_out_of_tls_or_in_circles"),
    ]),
    (13, "body cut short", &[
        (WEB_SERVER, "a_download_that_breaks_off_is_done_again"),
        (RANGES, "a_body_that_breaks_off_goes_on_from_there"),
        (BROKEN_LINES, "a_body_in_chunks_that_breaks_off_is_fetched_again"),
        (BROKEN_LINES, "a_body_that_only_the_end_of_the_connection_ends_is_fetched_again_where_it_is_cut"),
    ]),
    (14, "body stalls or drips", &[
        (WEB_SERVER, "a_server_that_stalls_or_drips_is_given_up_in_time"),
    ]),
    (15, "an HTML page with 200", &[
        (UNUSABLE_ZIPS, "a_login_page_is_told_by_its_content_type"),
    ]),
    (16, "download beyond the cap", &[
        (UNUSABLE_ZIPS, "a_download_beyond_the_cap_is_broken_off_early"),
    ]),
    (17, "Range ignored; the file changes", &[
        (RANGES, "servers_without_parts_or_validators_send_all_of_it"),
        (RANGES, "a_server_that_stops_sending_parts_is_asked_for_all_of_it"),
        (RANGES, "a_file_that_changes_between_two_requests_is_read_from_its_beginning"),
    ]),
    (18, "ZIP empty, truncated, only an end record, garbage", &[
        (UNUSABLE_ZIPS, "what_is_no_zip_is_reported_as_what_it_is_or_how_it_begins"),
        (UNUSABLE_ZIPS, "a_zip_whose_end_is_missing_is_reported_as_cut_off"),
        (UNUSABLE_ZIPS, "a_zip_without_a_file_says_so"),
        (RANDOM_BYTES, "random_bytes_are_no_zip"),
    ]),
    (19, "dump missing", &[
        (UNUSABLE_ZIPS, "a_missing_dump_is_told_with_the_nearest_names"),
    ]),
    (20, "dump twice; entries overlap", &[
        (UNUSABLE_ZIPS, "a_dump_that_is_there_twice_is_not_guessed"),
        (ODD_ZIPS, "entries_that_overlap_are_not_trusted"),
        (ZIPPED_DUMP, "an_entry_that_reaches_into_the_dump_is_found_on_either_side"),
    ]),
    (21, "one flipped bit", &[
        (UNUSABLE_ZIPS, "one_flipped_bit_is_found_and_nothing_gets_a_final_name"),
        (LARGE, "a_dump_that_proves_damaged_at_its_end_leaves_no_part"),
    ]),
    (22, "encrypted", &[
        (UNUSABLE_ZIPS, "an_encrypted_dump_says_so"),
    ]),
    (23, "compression methods", &[
        (UNUSABLE_ZIPS, "a_method_that_cannot_be_read_is_named"),
        (ODD_ZIPS, "ppmd_is_named_as_a_method_that_cannot_be_read"),
        (ODD_ZIPS, "deflate64_is_read"),
        (DELIVERY, "every_method_that_can_be_read_gives_the_same_dump"),
    ]),
    (24, "bomb; declared size a lie", &[
        (UNUSABLE_ZIPS, "a_dump_beyond_the_cap_is_refused"),
        (UNUSABLE_ZIPS, "a_wrong_size_or_checksum_in_the_directory_is_found"),
        (ODD_ZIPS, "a_bomb_ends_at_the_cap_or_where_its_declared_size_proves_a_lie"),
    ]),
    (25, "folder, symbolic link, empty", &[
        (UNUSABLE_ZIPS, "what_is_no_file_or_empty_is_no_dump"),
    ]),
    (26, "names that lead elsewhere or are no text", &[
        (ODD_ZIPS, "a_name_that_leads_elsewhere_puts_nothing_there"),
        (ODD_ZIPS, "names_that_are_no_text_do_no_harm_and_are_escaped"),
        (UNUSABLE_ZIPS, "names_in_the_zip_cannot_forge_a_line"),
    ]),
    (27, "zip64, prepended data, data descriptor, comment", &[
        (ODD_ZIPS, "every_form_of_a_zip_is_read"),
        (DELIVERY, "zips_of_other_makers_are_read"),
        (LARGE, "a_dump_beyond_4_gib_keeps_its_size_and_its_bytes"),
    ]),
    (28, "extended timestamp against DOS time", &[
        (STALE_DUMPS, "the_extended_time_counts_more_than_the_zips_own_clock"),
    ]),
    (29, "DOS rounding at midnight; clock changes", &[
        (FRESHNESS, "only_a_wall_clock_at_tomorrows_midnight_counts_as_today"),
        (FRESHNESS, "a_day_that_begins_an_hour_late_has_its_midnight_too"),
        (FRESHNESS, "a_time_that_the_clocks_skip_or_repeat_is_still_a_time"),
        (STALE_DUMPS, "the_zips_own_clock_counts_where_it_gives_no_zone"),
    ]),
    (30, "time in the future, of 1980, missing", &[
        (STALE_DUMPS, "a_dump_from_the_future_is_stale_and_says_so"),
        (STALE_DUMPS, "a_dump_of_1980_is_just_old"),
        (STALE_DUMPS, "a_dump_without_a_time_is_stale_and_says_so"),
    ]),
    (31, "the run crosses midnight", &[
        (MIDNIGHT, "a_run_that_crosses_midnight_is_for_the_day_on_which_it_began"),
    ]),
    (32, "the producer is in another zone; TZ unset", &[
        (STALE_DUMPS, "the_zips_own_clock_is_read_in_the_zone_of_its_maker"),
        (STALE_DUMPS, "the_zone_of_the_zips_maker_counts_where_this_machine_is_told_none"),
    ]),
    (33, "local disk full, without inodes, read-only", &[
        (DISKS, "a_work_directory_that_runs_full_meanwhile_is_told_and_left_clean"),
        (DISKS, "a_work_directory_that_is_full_or_read_only_is_told_and_left_clean"),
        (TRANSFERS, "a_work_directory_that_cannot_be_written_is_told"),
    ]),
    (34, "a link where a temporary file goes", &[
        (DISKS, "a_temporary_file_on_this_machine_has_no_name_that_a_link_could_take"),
        (DISKS, "a_link_under_a_temporary_name_on_the_server_is_never_followed"),
    ]),
    (35, "host key changed", &[
        (HOST_KEYS, "a_changed_host_key_is_refused_with_both_fingerprints_and_the_command_that_accepts_it"),
        (HOST_KEYS, "openssh_with_a_changed_host_key_gets_no_login"),
        (HOST_KEYS, "a_changed_host_key_of_another_type_is_told_in_the_same_words"),
    ]),
    (36, "host unknown and strict; another key than the pinned one", &[
        (HOST_KEYS, "an_unknown_host_is_refused_where_the_policy_is_strict"),
        (HOST_KEYS, "another_key_than_the_pinned_one_is_refused"),
    ]),
    (37, "several host keys; host certificate", &[
        (DELIVERY, "of_several_host_keys_the_known_one_is_asked_for"),
        (ODD_SERVERS, "a_server_with_a_host_certificate_is_known_by_its_plain_key"),
    ]),
    (38, "hashed entries, other port, IPv6", &[
        (DELIVERY, "hashed_entries_are_found"),
        (ODD_SERVERS, "a_server_is_reached_and_known_by_its_ipv6_address"),
        (LIKE_OPENSSH, "the_lines_about_a_host_are_those_that_ssh_keygen_finds"),
    ]),
    (39, "revoked key; lines that cannot be read", &[
        (HOST_KEYS, "a_revoked_key_is_refused_even_if_it_is_also_known"),
        (HOST_KEYS, "a_malformed_line_that_may_be_about_the_host_refuses_it_and_others_are_an_info_line"),
        (LIKE_OPENSSH, "any_line_is_parsed_without_a_panic"),
        (RANDOM_BYTES, "random_bytes_are_no_known_hosts"),
    ]),
    (40, "wrong password, wrong passphrase, key refused", &[
        (LOGINS, "a_wrong_password_is_tried_once"),
        (LOGINS, "a_wrong_passphrase_is_told_apart_from_a_refused_key"),
        (LOGINS, "openssh_refuses_a_key_that_it_does_not_know_once"),
    ]),
    (41, "keyboard-interactive only", &[
        (DELIVERY, "a_password_logs_in_as_such_and_in_an_interactive_dialogue"),
    ]),
    (42, "server too old, not SSH, silent", &[
        (ODD_SERVERS, "a_server_too_old_for_what_is_safe_says_what_to_do"),
        (LOGINS, "what_does_not_speak_ssh_is_told_as_such"),
        (LOGINS, "a_silent_server_is_given_up_in_time"),
        (RANDOM_BYTES, "random_bytes_are_no_ssh_server"),
    ]),
    (43, "no sftp subsystem", &[
        (LOGINS, "a_server_without_sftp_says_so"),
    ]),
    (44, "upload cut or stalled at 0, 50, 99 %", &[
        (BROKEN_LINES, "an_upload_that_is_cut_anywhere_is_done_over_a_new_connection"),
        (BROKEN_LINES, "an_upload_that_stalls_anywhere_is_done_over_a_new_connection"),
        (BROKEN_LINES, "openssh_gets_the_whole_archive_over_a_line_that_breaks_or_stalls_anywhere"),
        (LARGE, "a_broken_upload_goes_on_from_there_and_asks_the_web_server_for_nothing"),
    ]),
    (45, "disk full or quota on the server", &[
        (DISKS, "an_archive_that_does_not_fit_onto_the_server_is_told_with_the_figures_and_not_begun"),
        (DISKS, "a_server_whose_disk_runs_full_during_the_upload_is_told_with_the_figures_that_are_known"),
        (TRANSFERS, "a_full_disk_is_told_and_leaves_no_part_behind"),
    ]),
    (46, "directory missing, not writable", &[
        (LOGINS, "a_missing_directory_is_not_made"),
        (TRANSFERS, "a_directory_that_cannot_be_written_is_told"),
    ]),
    (47, "final name exists", &[
        (DELIVERY, "a_second_run_finds_the_same_bytes_and_says_so"),
        (DELIVERY, "other_bytes_under_the_final_name_are_replaced"),
    ]),
    (48, "reply to rename lost", &[
        (TRANSFERS, "a_rename_whose_answer_is_lost_is_found_out_by_looking"),
    ]),
    (49, "fsync or statvfs unsupported", &[
        (ODD_SERVERS, "a_server_without_extensions_gets_the_archive_all_the_same"),
    ]),
    (50, "close fails", &[
        (TRANSFERS, "a_failing_close_is_a_failed_upload"),
    ]),
    (51, "leftovers of earlier runs", &[
        (RETENTION, "only_expired_archives_and_leftovers_go_and_the_log_gives_every_reason"),
        (DISKS, "an_unfinished_upload_of_the_same_night_is_replaced_and_nothing_of_it_is_left"),
        (DELIVERY, "a_replacement_that_was_killed_half_way_is_put_back_and_then_done"),
        (RETENTION_RULES, "own_uploads_of_any_date_go_and_those_of_others_after_a_day_by_the_servers_clock"),
    ]),
    (52, "what is none of ours in the directory", &[
        (RETENTION, "only_expired_archives_and_leftovers_go_and_the_log_gives_every_reason"),
        (RETENTION_RULES, "what_is_not_ours_is_never_touched"),
        (RETENTION_RULES, "whatever_lies_there_only_expired_archives_and_leftovers_go"),
    ]),
    (53, "everything expired", &[
        (CALENDAR, "the_newest_archives_stay_however_old_they_are"),
    ]),
    (54, "removal denied; already gone", &[
        (RETENTION, "a_removal_that_is_denied_is_a_warning_after_a_delivery"),
        (REMOVAL, "a_refused_removal_is_a_warning_for_each_file"),
        (ODD_SERVERS, "an_archive_that_somebody_else_removes_meanwhile_is_as_good_as_removed"),
    ]),
    (55, "10,000 entries; names with newlines", &[
        (RETENTION, "ten_thousand_foreign_files_fill_neither_the_log_nor_the_night"),
        (RETENTION, "only_expired_archives_and_leftovers_go_and_the_log_gives_every_reason"),
        (ARCHIVE_NAME, "only_a_whole_name_counts"),
    ]),
    (56, "what arrived is shorter, or has other bytes", &[
        (TRANSFERS, "what_arrives_cut_short_never_gets_the_final_name"),
        (TRANSFERS, "what_arrives_with_other_bytes_never_gets_the_final_name"),
    ]),
    (57, "no second connection", &[
        (TRANSFERS, "a_verification_without_a_connection_says_that_the_archive_is_sent_but_not_verified"),
    ]),
    (58, "mail undeliverable", &[
        (UNDELIVERED, "a_mail_server_that_is_down_is_tried_as_often_as_the_configuration_says"),
        (UNDELIVERED, "a_refused_recipient_does_not_stop_the_others"),
        (UNDELIVERED, "a_message_that_is_refused_after_data_is_sent_again_only_where_the_server_says_later"),
        (ABANDONED, "servers_that_fall_silent_are_left_in_time_and_nothing_is_sent_twice"),
        (RANDOM_BYTES, "random_bytes_are_no_mail_server"),
    ]),
    (59, "Mattermost refuses or says nothing", &[
        (MATTERMOST, "what_the_server_says_decides_whether_it_is_tried_again"),
        (MATTERMOST, "a_failed_connection_is_tried_again_and_an_untrusted_one_is_not"),
        (ABANDONED, "servers_that_fall_silent_are_left_in_time_and_nothing_is_sent_twice"),
        (RANDOM_BYTES, "random_bytes_are_no_answer_of_mattermost"),
    ]),
    (60, "very long or binary error text", &[
        (MATTERMOST, "a_very_long_error_is_cut_and_still_one_post"),
        (MATTERMOST, "hostile_names_can_forge_neither_rows_nor_mentions"),
        (ODD_ZIPS, "names_that_are_no_text_do_no_harm_and_are_escaped"),
        (SECRETS, "a_webhook_that_repeats_its_path_gives_away_no_secret"),
        (REDACTION, "a_long_text_is_cut_and_says_so"),
    ]),
    (61, "log not writable, disk full", &[
        (INTERRUPTIONS, "a_log_that_cannot_be_written_stops_no_job"),
        (INTERRUPTIONS, "a_log_on_a_full_disk_stops_no_job"),
        (LOG_FILE, "a_full_disk_is_told"),
    ]),
    (62, "kill -9", &[
        (KILLS, "after_a_kill_at_any_moment_the_next_run_succeeds_and_leaves_nothing_behind"),
        (KILLS, "after_a_kill_during_the_upload_the_next_run_removes_the_part"),
    ]),
    (63, "SIGTERM, SIGINT", &[
        (INTERRUPTIONS, "a_signal_ends_a_run_that_waits_for_the_web_server"),
        (INTERRUPTIONS, "a_signal_ends_a_run_that_waits_for_the_sftp_server"),
        (INTERRUPTIONS, "a_signal_ends_a_run_whose_sftp_server_says_nothing"),
        (INTERRUPTIONS, "a_signal_ends_a_run_that_pauses_before_it_tries_again"),
        (KILLS, "what_a_signal_leaves_on_the_server_the_next_run_removes"),
    ]),
    (64, "two runs at once", &[
        (INTERRUPTIONS, "a_second_run_ends_at_once_and_a_crash_frees_the_lock"),
    ]),
    (65, "cron's bare environment", &[
        (CRON, "success_prints_nothing_at_all"),
        (CRON, "without_a_home_in_the_environment_the_passwd_entry_tells_it"),
    ]),
    (66, "panic", &[
        (PANICS, "a_panic_before_the_delivery_fails_the_run_and_is_reported"),
        (PANICS, "a_panic_after_the_delivery_is_a_warning_and_is_reported"),
        (PANICS, "a_panic_while_reporting_is_told_where_it_still_can_be"),
    ]),
    (67, "SFTP host unknown, refused, unreachable", &[
        (LOGINS, "an_unknown_name_is_told"),
        (LOGINS, "no_connection_is_tried_again_and_then_told"),
        (BROKEN_LINES, "a_host_that_cannot_be_reached_is_tried_again_and_given_up_in_time"),
    ]),
    (68, "--date in the future", &[
        (DELIVERY, "a_date_that_is_yet_to_come_is_a_wrong_command_line"),
    ]),
    (69, "our clock is off by days", &[
        (REMOVAL, "nothing_is_removed_while_the_clocks_differ_by_days"),
    ]),
    (70, "pattern changed over old names", &[
        (REMOVAL, "nothing_is_removed_while_the_pattern_does_not_fit_older_names"),
    ]),
    (71, "weeks of stale dumps", &[
        (RETENTION, "weeks_of_stale_dumps_do_not_eat_the_history"),
        (STALE_DUMPS, "on_a_stale_night_ages_are_counted_from_the_newest_archive"),
    ]),
    (72, "killed between the two renames", &[
        (KILLS, "after_a_kill_between_the_two_renames_the_old_archive_is_put_back_and_then_replaced"),
        (DELIVERY, "a_replacement_that_was_killed_half_way_is_put_back_and_then_done"),
    ]),
];
