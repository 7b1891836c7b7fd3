//! A disk that is full, has no inode left, or is read-only, here or on the server; and links laid where files will go.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::bad_night::BadNight;
use super::interruptions::wait_until;
use testkit::servers::zips::noise;
use testkit::{SmallDisk, Sshd};

/// A night whose archive has about `size` bytes.
fn night_of(size: usize) -> BadNight {
    let mut bad = BadNight::new();
    bad.dump = noise(size);
    let modified = bad.modified;
    bad.publish_dump_of(modified);
    bad
}

const WORK_DIRECTORY: [&str; 2] = ["archive.work_directory", "Check its free space and permissions"];

#[test]
fn a_work_directory_that_is_full_or_read_only_is_told_and_left_clean() {
    // Whether there is room is looked at before the first byte is written.
    let too_small = " KiB, 256.00 KiB free";
    for (options, told) in [("size=256k", too_small), ("nr_inodes=1", "No space left"), ("ro", "Read-only")] {
        for in_parts in [true, false] {
            let mut bad = night_of(1_000_000);
            bad.serve(|web| if in_parts { web } else { web.without_ranges() });
            let _disk = SmallDisk::over(&bad.path("work"), options);
            let outcome = bad.must_fail(&[&WORK_DIRECTORY[..], &[told]].concat());
            assert!(!outcome.log.contains("trying again"), "{options}: {}", outcome.all());
            let step = if in_parts { "Pack archive" } else { "Request zip" };
            assert!(outcome.stderr.contains(&format!("error: {step}: ")), "{options}: {}", outcome.all());
        }
    }
}

#[test]
fn a_work_directory_that_runs_full_meanwhile_is_told_and_left_clean() {
    for in_parts in [true, false] {
        let mut bad = night_of(1_000_000);
        // How much will be written is known neither of an archive that is compressed anew nor without Content-Length.
        bad.set("archive.compression", json!(1));
        bad.serve(|web| if in_parts { web } else { web.without_ranges().without_length() });
        let _disk = SmallDisk::over(&bad.path("work"), "size=256k");
        bad.must_fail(&[&WORK_DIRECTORY[..], &["No space left"]].concat());
    }
}

#[test]
fn an_archive_that_does_not_fit_onto_the_server_is_told_with_the_figures_and_not_begun() {
    let bad = night_of(2_000_000);
    let _disk = SmallDisk::over(&bad.directory, "size=1m");
    bad.plant(&[1, 2, 20]);
    let part = format!("{}\" on the server: needs 1.91 MiB, ", bad.part_of(&bad.archive_of(0)));
    let outcome = bad.must_fail(&["no space for", &part, " free"]);
    assert!(!outcome.log.contains("trying again"), "{}", outcome.all());
}

#[test]
fn a_file_system_that_is_read_only_or_without_inodes_on_the_server_is_told_as_such() {
    for leftover in [false, true] {
        let bad = BadNight::new();
        let _disk = SmallDisk::over(&bad.directory, "size=1m");
        if leftover {
            fs::write(bad.directory.join(bad.part_of(&bad.archive_of(0))), "").unwrap();
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
fn a_folder_that_may_not_be_written_is_told_without_a_word_about_names() {
    let bad = BadNight::with_sshd(Sshd::start_with(&["ed25519"], "ForceCommand internal-sftp -R"));
    let outcome = bad.must_fail(&["the server refused to create", "Check the permissions of sftp.directory"]);
    assert!(!outcome.all().contains("temporary_prefix"), "{}", outcome.all());
    BadNight::with_sftp(|sftp| sftp.without_dotfiles()).must_fail(&["set sftp.temporary_prefix"]);
}

#[test]
fn a_server_whose_disk_runs_full_during_the_upload_is_told_with_the_figures_that_are_known() {
    // Compressed anew, the archive's size is not known beforehand.
    let mut bad = night_of(3_000_000);
    bad.set("archive.compression", json!(1));
    let disk = SmallDisk::over(&bad.directory, "size=1m");
    bad.plant(&[1, 2, 20]);
    bad.must_fail(&["no space for", " free"]);
    drop(disk);

    // There is room for it when it begins, and somebody else takes that.
    let mut bad = night_of(4_000_000);
    bad.serve(|web| web.bytes_per_second(2_000_000));
    let _disk = SmallDisk::over(&bad.directory, "size=5m");
    let part = bad.directory.join(bad.part_of(&bad.archive_of(0)));
    let run = bad.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the upload", || fs::metadata(&part).is_ok_and(|part| part.len() > 0));
    // It ends where the disk does.
    assert!(fs::write(bad.directory.join("somebody-elses"), vec![1; 8_000_000]).is_err());
    let outcome = bad.outcome(run.wait_with_output().unwrap());
    outcome.exited_with(4).logged("no space for").logged("needs 3.8").logged(" free");
    assert_eq!(bad.names(), ["somebody-elses"]);
    bad.leaves_no_temporary_file();
}

/// Whether the process `id` has a file without a name in `folder`.
fn has_unnamed_file(id: u32, folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{id}/fd")) else { return false };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.into_iter().any(|target| target.starts_with(folder) && target.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn a_temporary_file_on_this_machine_has_no_name_that_a_link_could_take() {
    for downloads in [true, false] {
        let mut bad = BadNight::with_sftp(|sftp| if downloads { sftp } else { sftp.stall_after(20_000) });
        if downloads {
            bad.serve(|web| web.without_ranges().stall_after(20_000, 10));
        }
        let work = bad.path("work").canonicalize().unwrap();
        let mut run = bad.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("a temporary file", || has_unnamed_file(run.id(), &work));
        assert!(bad.work_directory_is_empty(), "what has no name cannot be followed, guessed or left behind");
        run.kill().unwrap();
        run.wait().unwrap();
    }
}

#[test]
fn a_link_under_a_temporary_name_on_the_server_is_never_followed() {
    let bad = BadNight::new();
    let (victim, elsewhere) = (bad.path("victim"), bad.path("elsewhere"));
    fs::write(&victim, "somebody's work").unwrap();
    // An archive with other bytes makes the program use both temporary names.
    fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
    let old = bad.directory.join(format!("{}.old", bad.archive_of(0)));
    let last = bad.directory.join(format!("{}.last.old", bad.archive_of(0)));
    for target in [&victim, &elsewhere] {
        symlink(target, bad.directory.join(bad.part_of(&bad.archive_of(0)))).unwrap();
        symlink(target, &old).unwrap();
        fs::write(bad.directory.join(bad.archive_of(0)), "an older attempt").unwrap();
        bad.run().exited_with(1).logged("it has replaced an archive with other bytes");
        assert_eq!(fs::read_link(&old).unwrap(), *target);
        assert_eq!(fs::read(&last).unwrap(), b"an older attempt");
        fs::remove_file(&old).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"somebody's work");
        assert!(!elsewhere.exists(), "a link to nothing was followed");
        let archive = fs::symlink_metadata(bad.directory.join(bad.archive_of(0))).unwrap();
        assert!(archive.is_file() && archive.len() > 1_000);
        assert!(bad.names().iter().all(|name| !name.starts_with('.')), "{:?}", bad.names());
    }
}

#[test]
fn an_unfinished_upload_of_the_same_night_is_replaced_and_nothing_of_it_is_left() {
    let bad = BadNight::new();
    bad.run().exited_with(0);
    let archive = bad.directory.join(bad.archive_of(0));
    let bytes = fs::read(&archive).unwrap();
    fs::remove_file(&archive).unwrap();
    // Longer than the archive: what is only written over would show at its end.
    fs::write(bad.directory.join(bad.part_of(&bad.archive_of(0))), vec![b'x'; 500_000]).unwrap();
    bad.run().exited_with(0);
    assert!(fs::read(&archive).unwrap() == bytes);
    assert!(bad.names().iter().all(|name| !name.starts_with('.')), "{:?}", bad.names());
}
