//! Rows 108 to 112: faults of encrypted archives, checksum files, and accounts that may not delete.

use super::Row;

const ENCRYPTION: &str = "tests/failures/encryption.rs";
const NIGHTS: &str = "tests/nights.rs";
const PRUNE: &str = "tests/failures/prune.rs";
const RESTORE: &str = "tests/restore/encryption.rs";

pub(super) const ROWS: &[Row] = &[
    (
        108,
        "wrong recipient, missing identity, identity of someone else, wrong passphrase",
        &[
            (ENCRYPTION, "mistakes_in_recipients_are_named_and_private_keys_are_not_repeated"),
            (RESTORE, "wrong_identities_are_named_and_nothing_is_written"),
            (RESTORE, "the_passphrase_of_an_identity_is_asked_for_on_a_terminal"),
        ],
    ),
    (
        109,
        "a flipped bit, a cut or appended bytes in an encrypted archive or its checksum file",
        &[
            (RESTORE, "damage_of_an_encrypted_archive_or_its_checksum_file_is_found"),
            ("tests/rules/checksum.rs", "a_checksum_file_is_read_as_written_and_every_change_is_noticed"),
        ],
    ),
    (
        110,
        "killed between checksum file, archive and the renames",
        &[
            (
                ENCRYPTION,
                "after_a_kill_between_any_two_steps_of_a_replacement_the_next_run_leaves_one_archive_and_its_checksum",
            ),
            (NIGHTS, "a_short_kill_sweep_with_encryption_finds_no_error"),
        ],
    ),
    (
        111,
        "history of encrypted and other archives",
        &[
            (ENCRYPTION, "one_retention_applies_to_both_forms_and_checksum_files_are_removed_with_their_archives"),
            (ENCRYPTION, "an_archive_of_the_other_form_is_set_aside"),
        ],
    ),
    (
        112,
        "retention.remove: \"prune\"; credentials that may not delete",
        &[
            (PRUNE, "a_run_without_permission_to_remove_delivers_and_leaves_expired_archives"),
            (PRUNE, "every_replacement_of_a_day_is_delivered_without_permission_to_remove"),
            (PRUNE, "unfinished_uploads_that_cannot_be_removed_are_no_obstacle"),
            (PRUNE, "an_upload_over_a_broken_line_continues_without_permission_to_remove"),
            (PRUNE, "an_upload_that_another_machine_made_unnecessary_may_remain"),
            (PRUNE, "prune_removes_exactly_what_has_expired_and_is_silent"),
            (PRUNE, "prune_names_each_file_that_it_may_not_remove_and_the_fix"),
            (PRUNE, "prune_does_not_begin_during_a_run"),
            (PRUNE, "removal_by_prune_is_held_back_as_in_a_run"),
            (PRUNE, "prune_refuses_mistakes_in_the_sections_that_it_needs"),
            (PRUNE, "status_and_list_show_that_prune_is_overdue"),
            (PRUNE, "check_is_content_with_an_account_that_may_not_remove_files"),
            (PRUNE, "the_documented_command_restricts_as_this_test_does"),
        ],
    ),
];
