//! Local and remote disks that are full, out of inodes or read-only, and links with the names of temporary files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::{SmallDisk, Sshd, wait_until};

use super::bad_night::{BadNight, OLDER_ATTEMPT};
use super::interruptions::{kill, start};

/// A job with an archive of about `size` bytes.
fn job_with_size(size: usize) -> BadNight {
    let mut bad = BadNight::new();
    bad.enlarge(size);
    bad
}

const WORK_DIRECTORY: [&str; 2] = ["archive.work_directory", "Check its free space and permissions"];

#[test]
fn a_full_or_read_only_work_directory_is_reported_and_left_clean() {
    // Free space is checked before the first byte is written.
    let too_small = " KiB, 256.00 KiB free";
    for (options, problem) in [("size=256k", too_small), ("nr_inodes=1", "No space left"), ("ro", "Read-only")] {
        for in_parts in [true, false] {
            let mut bad = job_with_size(1_000_000);
            bad.serve(|web| if in_parts { web } else { web.without_ranges() });
            let _disk = SmallDisk::over(&bad.path("work"), options);
            let outcome = bad.must_fail(&[&WORK_DIRECTORY[..], &[problem]].concat());
            assert!(!outcome.log.contains("trying again"), "{options}: {}", outcome.all());
            let step = if in_parts { "Pack archive" } else { "Request zip" };
            assert!(outcome.stderr.contains(&format!("error: {step}: ")), "{options}: {}", outcome.all());
        }
    }
}

#[test]
fn a_work_directory_that_fills_up_during_the_run_is_reported_and_left_clean() {
    for in_parts in [true, false] {
        let mut bad = job_with_size(1_000_000);
        // The size is unknown if the dump is recompressed, or without Content-Length.
        bad.set("archive.compression", json!(1));
        bad.serve(|web| if in_parts { web } else { web.without_ranges().without_length() });
        let _disk = SmallDisk::over(&bad.path("work"), "size=256k");
        bad.must_fail(&[&WORK_DIRECTORY[..], &["No space left"]].concat());
    }
}

#[test]
fn an_archive_too_large_for_the_server_is_reported_with_figures_and_not_sent() {
    let bad = job_with_size(2_000_000);
    let _disk = SmallDisk::over(&bad.directory, "size=1m");
    bad.plant(&[1, 2, 20]);
    let part = format!("{}\" on the server: needs 1.91 MiB, ", bad.part_of(&bad.archive_aged(0)));
    let outcome = bad.must_fail(&["no space for", &part, " free"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_server_file_system_that_is_read_only_or_without_inodes_is_reported_as_such() {
    for leftover in [false, true] {
        let bad = BadNight::new();
        let _disk = SmallDisk::over(&bad.directory, "size=1m");
        if leftover {
            fs::write(bad.directory.join(bad.part_of(&bad.archive_aged(0))), "").unwrap();
        }
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&bad.directory).status().unwrap();
        assert!(remounted.success());
        let outcome =
            bad.must_fail(&["the file system of sftp.directory", "is mounted read-only there. Mount it writable"]);
        assert!(
            !outcome.all().contains("temporary_prefix") && !outcome.all().contains("no space"),
            "{}",
            outcome.all()
        );
    }
    let bad = BadNight::new();
    let _disk = SmallDisk::over(&bad.directory, "nr_inodes=1");
    let outcome = bad.must_fail(&["no space for", " on the server"]);
    assert!(!outcome.all().contains("temporary_prefix"), "{}", outcome.all());
}

#[test]
fn a_folder_without_write_permission_is_reported_without_advice_about_names() {
    let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand internal-sftp -R"));
    let outcome = bad.must_fail(&["the server refused to create", "Check the permissions of sftp.directory"]);
    assert!(!outcome.all().contains("temporary_prefix"), "{}", outcome.all());
    BadNight::with_sftp(|sftp| sftp.without_dotfiles()).must_fail(&["set sftp.temporary_prefix"]);
}

#[test]
fn a_server_disk_that_fills_up_during_the_upload_is_reported_with_the_known_figures() {
    // The size is unknown because the dump is recompressed.
    let mut bad = job_with_size(3_000_000);
    bad.set("archive.compression", json!(1));
    let disk = SmallDisk::over(&bad.directory, "size=1m");
    bad.plant(&[1, 2, 20]);
    bad.must_fail(&["no space for", " free"]);
    drop(disk);

    // There is enough space at first, but another program uses it up.
    let mut bad = job_with_size(4_000_000);
    bad.serve(|web| web.bytes_per_second(2_000_000));
    let _disk = SmallDisk::over(&bad.directory, "size=5m");
    let part = bad.directory.join(bad.part_of(&bad.archive_aged(0)));
    let run = start(&bad);
    wait_until("the upload", || fs::metadata(&part).is_ok_and(|part| part.len() > 0));
    // Fails because the disk becomes full.
    assert!(fs::write(bad.directory.join("somebody-elses"), vec![1; 8_000_000]).is_err());
    let outcome = bad.outcome(run.wait_with_output().unwrap());
    outcome.exited_with(4).logged("no space for").logged("needs 3.8").logged(" free");
    assert_eq!(bad.names(), ["somebody-elses"]);
    bad.assert_no_temporary_file();
}

/// Whether process `id` has an unnamed file open in `folder`.
fn has_unnamed_file(id: u32, folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.into_iter().any(|target| target.starts_with(folder) && target.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn local_temporary_files_have_no_names() {
    for downloads in [true, false] {
        let mut bad = BadNight::with_sftp(|sftp| if downloads { sftp } else { sftp.stall_after(20_000) });
        if downloads {
            bad.serve(|web| web.without_ranges().stall_after(20_000, 10));
        }
        let work = bad.path("work").canonicalize().unwrap();
        let run = start(&bad);
        wait_until("a temporary file", || has_unnamed_file(run.id(), &work));
        assert!(bad.work_directory_is_empty(), "a file without a name cannot be followed, guessed or left behind");
        kill(run);
    }
}

#[test]
fn a_link_under_a_temporary_name_on_the_server_is_never_followed() {
    let bad = BadNight::new();
    let (victim, elsewhere) = (bad.path("victim"), bad.path("elsewhere"));
    fs::write(&victim, "somebody's work").unwrap();
    // An archive with other bytes makes the program use both temporary names.
    bad.plant_older_attempt();
    let old = bad.directory.join(bad.old_name());
    let last = bad.directory.join(format!("{}.last.old", bad.archive_aged(0)));
    for target in [&victim, &elsewhere] {
        symlink(target, bad.directory.join(bad.part_of(&bad.archive_aged(0)))).unwrap();
        symlink(target, &old).unwrap();
        bad.plant_older_attempt();
        bad.run().exited_with(1).logged("it replaced an archive with different bytes");
        assert_eq!(fs::read_link(&old).unwrap(), *target);
        assert_eq!(fs::read(&last).unwrap(), OLDER_ATTEMPT);
        fs::remove_file(&old).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"somebody's work");
        assert!(!elsewhere.exists(), "a link to nothing was followed");
        let archive = fs::symlink_metadata(bad.archive()).unwrap();
        assert!(archive.is_file() && archive.len() > 1_000);
        bad.assert_no_upload();
    }
}

#[test]
fn an_unfinished_upload_of_the_same_date_is_replaced_completely() {
    let bad = BadNight::new();
    bad.run().exited_with(0);
    let archive = bad.archive();
    let bytes = fs::read(&archive).unwrap();
    fs::remove_file(&archive).unwrap();
    // Longer than the archive: without truncation, bytes would remain at its end.
    fs::write(bad.directory.join(bad.part_of(&bad.archive_aged(0))), vec![b'x'; 500_000]).unwrap();
    bad.run().exited_with(0);
    assert!(fs::read(&archive).unwrap() == bytes);
    bad.assert_no_upload();
}
