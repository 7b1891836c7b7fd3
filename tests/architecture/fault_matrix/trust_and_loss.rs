//! Rows 73 to 98, 102, 103, 121 and 122: faults of trust, data loss and messages.

use super::Row;

const BOUNDS: &str = "tests/failures/bounds.rs";
const BROKEN_CONFIGURATION: &str = "tests/failures/broken_configuration.rs";
const CHECK_SFTP: &str = "tests/check/sftp.rs";
const CHECK_SOURCE: &str = "tests/check/source.rs";
const CONFIG_TRUST: &str = "tests/configuration/trust.rs";
const CONFIG_ZONES: &str = "tests/configuration/zones.rs";
const CRONTAB: &str = "tests/scripts/crontab.rs";
const DISKS: &str = "tests/failures/disks.rs";
const FORGED_ZIPS: &str = "tests/failures/forged_zips.rs";
const HOSTILE: &str = "tests/hostile.rs";
const HOST_KEYS: &str = "tests/failures/host_keys.rs";
const IDLE_CONNECTIONS: &str = "tests/failures/idle_connections.rs";
const INTERRUPTIONS: &str = "tests/failures/interruptions.rs";
const JOB_ID: &str = "tests/rules/job_id.rs";
const LIKE_OPENSSH: &str = "tests/failures/like_openssh.rs";
const LOCKS: &str = "tests/failures/locks.rs";
const LATE_DUMPS: &str = "tests/failures/late_dumps.rs";
const SIGNED_URLS: &str = "tests/failures/signed_urls.rs";
const SOURCES: &str = "tests/sources.rs";
const LOG: &str = "tests/reports/log.rs";
const LOGINS: &str = "tests/failures/logins.rs";
const MAIL: &str = "tests/reports/mail.rs";
const SERVICES: &str = "tests/failures/services.rs";
const TRANSFERS: &str = "tests/transfers.rs";
const ODD_SERVERS: &str = "tests/failures/odd_servers.rs";
const POWER: &str = "tests/failures/power.rs";
const REDIRECTS: &str = "tests/failures/redirects.rs";
const REMOVAL: &str = "tests/failures/removal.rs";
const RENAMED: &str = "tests/restore/renamed.rs";
const RULES_DUMP: &str = "tests/rules/dump.rs";
const RULES_FRESHNESS: &str = "tests/rules/freshness.rs";
const RULES_REDIRECTS: &str = "tests/rules/redirects.rs";
const RULES_RETENTION: &str = "tests/rules/retention.rs";
const SAME_DAY: &str = "tests/failures/same_day.rs";
const SENDMAIL: &str = "src/report/mail/sendmail.rs";
const SERVER_CLOCK: &str = "tests/retention/server_clock.rs";
const SERVICE_USER: &str = "tests/configuration/service_user.rs";
const SHARED_FOLDER: &str = "tests/failures/shared_folder.rs";
const STALE_DUMPS: &str = "tests/failures/stale_dumps.rs";
const SYNC: &str = "tests/failures/sync.rs";
const TEXTFILE: &str = "tests/watched/textfile.rs";
const UNDELIVERED: &str = "tests/reports/undelivered.rs";
const WEB_SERVER: &str = "tests/failures/web_server.rs";
const WITNESS: &str = "tests/retention/witness.rs";

pub(super) const ROWS: &[Row] = &[
    (
        73,
        "known_hosts with patterns, upper case, hashes, in the system's file; a changed key",
        &[
            (HOST_KEYS, "a_changed_key_is_detected_under_any_name_of_the_host"),
            (HOST_KEYS, "the_systems_known_hosts_is_read_and_never_written"),
            (LIKE_OPENSSH, "the_same_lines_match_a_host_as_in_ssh_keygen"),
            (LIKE_OPENSSH, "servers_are_accepted_as_by_ssh"),
            (LIKE_OPENSSH, "host_names_are_compared_in_lower_case_as_in_ssh"),
        ],
    ),
    (
        74,
        "server hangs up after a password was sent",
        &[
            (LOGINS, "a_server_that_disconnects_on_a_wrong_password_gets_it_once"),
            (LOGINS, "a_disconnect_at_login_after_an_accepted_password_is_retried"),
        ],
    ),
    (
        75,
        "a file that controls the job, or a folder above it, is writable by others or belongs to another user",
        &[
            (CONFIG_TRUST, "a_file_that_others_can_write_or_replace_is_refused_with_its_path_and_the_fix"),
            (CONFIG_TRUST, "a_link_and_its_target_are_both_judged"),
            (CONFIG_TRUST, "missing_known_hosts_are_judged_by_the_nearest_existing_folder"),
            (CONFIG_TRUST, "in_a_sticky_folder_only_ones_own_files_are_trusted"),
            (CONFIG_TRUST, "a_group_without_other_members_may_write_but_not_through_an_access_control_list"),
            (CONFIG_TRUST, "on_a_read_only_mount_neither_owner_nor_mode_is_judged"),
            (CONFIG_TRUST, "trust_files_turns_refusals_into_warnings"),
            (SERVICE_USER, "a_service_user_trusts_roots_files_with_its_own_group"),
            (SERVICE_USER, "a_service_user_refuses_files_of_a_third_user"),
            (BROKEN_CONFIGURATION, "files_that_others_could_have_written_are_all_refused_unless_trusted_on_purpose"),
        ],
    ),
    (
        76,
        "redirect to another origin",
        &[
            (REDIRECTS, "credentials_do_not_follow_a_redirect_to_another_port_of_the_host"),
            (REDIRECTS, "credentials_follow_a_redirect_within_the_origin"),
            (REDIRECTS, "a_client_certificate_is_sent_only_to_its_origin"),
            (RULES_REDIRECTS, "a_location_is_resolved_and_its_origin_compared_as_browsers_do"),
        ],
    ),
    (77, "redirect with a malformed Location", &[(REDIRECTS, "an_invalid_location_is_reported_without_its_query")]),
    (
        78,
        "ZIP that claims billions of entries, 64 TiB, a million entries",
        &[
            (FORGED_ZIPS, "a_tail_that_claims_billions_of_entries_is_refused_at_once"),
            (FORGED_ZIPS, "a_zip_of_64_tib_is_not_searched_for_a_missing_directory"),
            (FORGED_ZIPS, "a_directory_of_a_million_entries_is_refused_at_once"),
            (FORGED_ZIPS, "a_directory_with_more_entries_than_its_end_says_is_refused"),
            (HOSTILE, "an_oversized_directory_is_refused_with_its_figures_without_reading_it"),
            (HOSTILE, "no_end_of_a_file_causes_long_reads"),
        ],
    ),
    (79, "endless folder listing", &[(BOUNDS, "an_endless_listing_is_refused_with_little_memory")]),
    (
        80,
        "the log is a pipe, a device or a link to one",
        &[
            (INTERRUPTIONS, "a_log_that_is_not_a_regular_file_ends_the_program_at_once"),
            (INTERRUPTIONS, "a_log_may_be_a_link_to_a_file"),
        ],
    ),
    (
        81,
        "a child process could inherit secrets",
        &[
            (MAIL, "the_local_sendmail_runs_with_a_clean_environment_and_no_inherited_files"),
            (SENDMAIL, "a_hanging_sendmail_is_killed_with_its_children"),
        ],
    ),
    (
        82,
        "two jobs with the same folder and pattern",
        &[
            (SHARED_FOLDER, "a_second_job_with_the_same_folder_and_pattern_fails_and_changes_nothing"),
            (SHARED_FOLDER, "an_archive_of_the_predecessor_with_another_dump_belongs_to_another_job"),
            (SHARED_FOLDER, "another_jobs_archive_that_was_set_aside_is_put_back_and_not_replaced"),
        ],
    ),
    (
        83,
        "a second run on the same day with a tiny dump",
        &[
            (SAME_DAY, "a_tiny_second_dump_of_a_day_keeps_the_first_archive_for_three_days"),
            (SAME_DAY, "repeating_an_earlier_date_does_not_expire_a_replaced_archive"),
        ],
    ),
    (
        84,
        "an archive is replaced three times on one day, with kills in between",
        &[(SAME_DAY, "the_first_and_the_latest_of_three_replacements_survive_kills_at_any_step")],
    ),
    (
        85,
        "two machines upload to one folder at the same time",
        &[
            (SHARED_FOLDER, "simultaneous_uploads_from_two_machines_do_not_interfere"),
            (SHARED_FOLDER, "a_machine_overtaken_during_its_upload_finds_the_archive_already_delivered"),
            (SHARED_FOLDER, "a_machine_overtaken_before_its_final_rename_finds_the_archive_already_delivered"),
        ],
    ),
    (
        86,
        "leftovers of other jobs and machines",
        &[
            (SHARED_FOLDER, "uploads_by_others_are_kept_for_24_hours_and_then_removed"),
            (SHARED_FOLDER, "the_age_of_an_upload_is_measured_by_the_servers_clock"),
            (RULES_RETENTION, "own_uploads_are_removed_immediately_and_others_after_a_day_by_the_servers_clock"),
        ],
    ),
    (
        87,
        "the pattern is changed and changed back",
        &[
            (SERVER_CLOCK, "changing_the_pattern_back_and_forth_removes_no_recent_archive"),
            (SERVER_CLOCK, "modification_times_protect_archives_whose_names_match_both_patterns"),
            (SERVER_CLOCK, "a_change_to_a_composite_field_later_in_the_month_holds_removal_back"),
            (WITNESS, "a_changed_pattern_removes_nothing_that_was_written_within_keep_days"),
        ],
    ),
    (
        88,
        "a copied folder; a server without modification times",
        &[
            (SERVER_CLOCK, "a_copied_folder_keeps_its_archives_until_the_copy_is_old"),
            (SERVER_CLOCK, "without_modification_times_the_names_decide"),
        ],
    ),
    (
        89,
        "fsync fails or is not supported",
        &[
            (SYNC, "an_archive_that_the_server_fails_to_sync_is_published_with_a_warning_and_nothing_is_removed"),
            (SYNC, "after_a_replacement_that_fails_to_sync_the_old_archive_is_kept"),
            (SYNC, "a_server_without_sync_support_is_only_logged"),
        ],
    ),
    (
        90,
        "the configuration is replaced during a run, or opened and locked by another user",
        &[
            (LOCKS, "replacing_the_configuration_file_does_not_allow_a_second_run"),
            (LOCKS, "locking_the_configuration_file_does_not_block_a_run"),
            (LOCKS, "a_state_folder_that_others_own_or_can_enter_is_refused"),
            (LOCKS, "commands_that_only_read_create_no_state_folder"),
            (JOB_ID, "an_updated_config_map_keeps_its_id"),
        ],
    ),
    (
        91,
        "a power failure right after a local file was replaced",
        &[
            (POWER, "a_new_configuration_survives_a_power_failure"),
            (POWER, "metrics_host_keys_and_a_restored_dump_survive_a_power_failure"),
            (TEXTFILE, "a_reader_never_sees_a_partial_file"),
        ],
    ),
    (
        92,
        "the installer is run twice, for two configurations, or after edits",
        &[
            (CRONTAB, "each_configuration_has_a_line_even_if_one_path_begins_with_another"),
            (CRONTAB, "a_changed_line_is_kept"),
            (CRONTAB, "a_commented_out_line_is_kept_and_reported"),
        ],
    ),
    (
        93,
        "source.dump is renamed or archive.name changed",
        &[
            (CHECK_SFTP, "archives_of_another_pattern_are_reported_with_that_pattern_and_the_consequences"),
            (CHECK_SFTP, "a_renamed_dump_is_reported_with_its_name_in_the_newest_archive"),
            (RENAMED, "restore_names_the_file_in_the_archive_and_prints_a_command_that_restores_it"),
            (RENAMED, "verify_reports_an_intact_archive_with_another_name_as_a_warning_until_the_name_is_given"),
        ],
    ),
    (
        94,
        "a second file with the dump's extension",
        &[
            (STALE_DUMPS, "another_dump_in_the_zip_is_reported_without_a_warning"),
            (CHECK_SOURCE, "another_dump_in_the_zip_is_a_warning"),
            (RULES_DUMP, "other_files_with_the_dumps_extension_count_as_dumps"),
        ],
    ),
    (
        95,
        "a dump dated tomorrow because of its zone; one made before midnight; --date of a past night",
        &[
            (RULES_FRESHNESS, "the_advice_names_the_probable_cause"),
            (STALE_DUMPS, "a_past_date_without_its_dump_cannot_be_repeated"),
        ],
    ),
    (
        96,
        "chroot, missing directory, read-only file system, encrypted key",
        &[
            (LOGINS, "a_session_that_ends_before_sftp_begins_is_reported_with_possible_causes"),
            (LOGINS, "a_wrong_passphrase_is_distinguished_from_a_refused_key"),
            (LOGINS, "a_key_file_without_a_usable_key_is_reported_as_such"),
            (LOGINS, "a_missing_directory_is_not_created"),
            (DISKS, "a_server_file_system_that_is_read_only_or_without_inodes_is_reported_as_such"),
            (DISKS, "a_folder_without_write_permission_is_reported_without_advice_about_names"),
        ],
    ),
    (
        97,
        "https to a plain-text port; certificate for another name",
        &[
            (WEB_SERVER, "a_port_without_tls_is_reported_as_such"),
            (WEB_SERVER, "a_certificate_with_many_names_is_reported_with_a_few_of_them"),
            (CHECK_SOURCE, "a_port_without_tls_is_reported_as_such"),
        ],
    ),
    (
        98,
        "the host of Mattermost or mail does not resolve",
        &[(UNDELIVERED, "an_unknown_host_is_reported_as_unreachable")],
    ),
    (
        99,
        "SFTP server takes one writer, in-order writes, no resuming, no dotfiles, few connections; lists late; slow close and \
         rename",
        &[
            (SERVICES, "each_service_with_limits_gets_its_archive"),
            (SERVICES, "names_without_a_dot_are_used_where_dotfiles_are_refused"),
            (SERVICES, "falling_back_costs_no_attempt_and_names_the_setting_that_saves_it"),
            (CHECK_SFTP, "a_server_for_one_writer_is_found_by_a_probe_that_leaves_nothing"),
        ],
    ),
    (
        100,
        "the same with the link cut at 0, 50, 99 %",
        &[(SERVICES, "each_service_with_limits_gets_its_archive_over_a_line_that_is_cut")],
    ),
    (101, "rclone serve sftp with its default cache mode", &[(SERVICES, "rclone_gets_its_archive")]),
    (
        102,
        "server reports a removal and keeps the file; relative and absolute paths name different folders",
        &[
            (REMOVAL, "a_file_that_is_still_there_after_its_removal_is_a_warning"),
            (REMOVAL, "a_removed_file_that_is_still_listed_counts_as_removed"),
            (ODD_SERVERS, "a_relative_directory_is_resolved_once_and_used_absolutely"),
            (ODD_SERVERS, "a_server_that_does_not_resolve_paths_gets_the_archive"),
        ],
    ),
    (
        103,
        "server drops idle connections during a long download or pack",
        &[
            (IDLE_CONNECTIONS, "an_idle_connection_is_kept_alive_during_a_long_download"),
            (IDLE_CONNECTIONS, "an_idle_connection_to_openssh_is_kept_alive"),
            (IDLE_CONNECTIONS, "an_idle_connection_that_the_server_closes_costs_no_attempt"),
            (IDLE_CONNECTIONS, "a_signal_ends_a_run_whose_idle_connection_gets_no_reply"),
        ],
    ),
    (
        104,
        "uploaded file is moved away by the receiving side before or after the rename",
        &[(SERVICES, "an_archive_that_is_moved_away_has_disappeared")],
    ),
    (
        105,
        "ranges from the end answered with 400, 416, 501 or 200; weak, missing or changing ETag; no total; another version",
        &[
            (SOURCES, "a_stale_zip_is_cheap_on_each_kind_of_server"),
            (SOURCES, "a_fresh_dump_is_delivered_from_each_kind_of_server"),
            (SOURCES, "without_ranges_that_show_the_end_the_whole_zip_is_downloaded_once"),
            (SOURCES, "two_versions_are_never_mixed_even_if_the_server_ignores_if_range"),
            ("src/source/version.rs", "a_later_part_must_show_the_first_version"),
        ],
    ),
    (106, "a cache answers with yesterday's ZIP", &[(SIGNED_URLS, "a_cache_that_answers_is_reported")]),
    (
        107,
        "signed URL expired; token rotated",
        &[
            (SIGNED_URLS, "an_expired_signature_is_reported_with_its_key_and_no_query"),
            (SIGNED_URLS, "a_signature_that_expires_with_400_is_reported_with_its_key"),
            (SIGNED_URLS, "a_token_is_sent_in_each_request_and_a_rotated_one_is_reported_with_its_key"),
            (SIGNED_URLS, "extra_headers_do_not_follow_a_redirect_to_another_origin"),
            (SIGNED_URLS, "a_header_that_cannot_be_sent_is_refused_without_its_value"),
        ],
    ),
    (
        121,
        "package installed over an edited configuration, removed, purged",
        &[
            ("tests/scripts/debian.rs", "an_upgrade_keeps_the_operators_edits_and_replaces_the_rest"),
            ("tests/scripts/debian.rs", "an_upgrade_replaces_a_configuration_that_was_not_edited"),
            (
                "tests/scripts/debian.rs",
                "removing_keeps_the_configuration_and_the_log_and_purging_removes_only_the_packages_files",
            ),
            ("tests/scripts/systemd.rs", "purging_removes_everything_but_the_operators_files"),
            ("tests/scripts/systemd.rs", "a_user_who_may_read_the_operators_files_is_not_removed"),
        ],
    ),
    (
        122,
        "unknown TZ; no zone database",
        &[
            (CONFIG_ZONES, "an_unknown_zone_is_a_mistake_with_the_nearest_known_one"),
            (CONFIG_ZONES, "without_a_database_the_built_in_one_is_used"),
            (CONFIG_ZONES, "the_run_date_is_in_the_zone_without_a_database"),
            (BROKEN_CONFIGURATION, "an_unknown_zone_stops_a_run_before_any_connection"),
            (LOG, "run_date_freshness_and_log_use_the_same_time_zone_without_a_database"),
        ],
    ),
    (
        123,
        "dump late: stale or ZIP missing at first, fresh during the wait or never",
        &[
            (LATE_DUMPS, "a_late_dump_is_delivered_and_the_wait_is_reported"),
            (LATE_DUMPS, "a_server_without_ranges_sends_the_zip_again_only_after_a_change"),
            (LATE_DUMPS, "without_an_etag_and_a_date_the_last_check_downloads_the_zip"),
            (LATE_DUMPS, "a_zip_that_is_being_written_during_the_wait_does_not_end_it"),
            (LATE_DUMPS, "a_dump_that_stays_late_is_reported_after_the_wait"),
            (LATE_DUMPS, "neither_a_dry_run_nor_a_dump_of_the_future_is_waited_for"),
            (LATE_DUMPS, "a_signal_ends_the_wait"),
        ],
    ),
    (
        124,
        "sftp.max_kib_per_second over one and eight connections, with a cut",
        &[
            (TRANSFERS, "the_rate_is_limited_over_one_connection"),
            (TRANSFERS, "the_rate_is_limited_over_several_connections_together"),
            (TRANSFERS, "the_rate_is_limited_across_a_broken_connection"),
        ],
    ),
];
