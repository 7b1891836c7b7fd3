//! The target folder: existing files, and folders that cannot be used.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::zips::sql_dump;
use testkit::{Setup, SmallDisk};

use super::fixture::{MIB, assert_refused, assert_restored, listing, night_of, output, restore, restored};

#[test]
fn an_existing_file_is_replaced_only_by_force_and_the_server_is_not_contacted() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    fs::create_dir(output(&setup)).unwrap();
    fs::write(restored(&setup), "existing work").unwrap();
    let (before, logins) = (listing(&output(&setup)), setup.sshd.log().matches("Accepted").count());
    let outcome = restore(&setup, &[]);
    assert!(outcome.exited_with(4).stderr.contains("already exists and was not changed; overwrite it with --force"));
    assert!(listing(&output(&setup)) == before, "{}", outcome.all());
    assert_eq!(setup.sshd.log().matches("Accepted").count(), logins);

    fs::write(output(&setup).join(setup.archive_name()), "existing work").unwrap();
    let outcome = restore(&setup, &["--archive-only"]);
    assert!(outcome.exited_with(4).stderr.contains("already exists and was not changed"), "{}", outcome.all());
    fs::remove_file(output(&setup).join(setup.archive_name())).unwrap();

    let good = fs::read(setup.archive()).unwrap();
    fs::write(setup.archive(), &good[..good.len() - 1]).unwrap();
    restore(&setup, &["--force"]).exited_with(4);
    assert!(listing(&output(&setup)) == before, "a failed restore removes nothing");
    fs::write(setup.archive(), &good).unwrap();

    let inode = fs::metadata(restored(&setup)).unwrap().ino();
    assert_restored(&setup, &restore(&setup, &["--force"]));
    assert_ne!(fs::metadata(restored(&setup)).unwrap().ino(), inode, "the file was replaced, not overwritten");
}

#[test]
fn a_link_is_never_followed_and_a_folder_never_replaced() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    fs::create_dir(output(&setup)).unwrap();
    fs::write(setup.path("victim"), "existing work").unwrap();
    symlink(setup.path("victim"), restored(&setup)).unwrap();
    restore(&setup, &[]).exited_with(4);
    assert_restored(&setup, &restore(&setup, &["--force"]));
    assert_eq!(fs::read(setup.path("victim")).unwrap(), b"existing work");

    fs::remove_file(restored(&setup)).unwrap();
    fs::create_dir(restored(&setup)).unwrap();
    let outcome = restore(&setup, &["--force"]);
    assert!(outcome.exited_with(4).stderr.contains("is a folder, which a file cannot replace"), "{}", outcome.all());
}

#[test]
fn a_file_that_appears_during_the_download_is_not_changed() {
    let mut setup = Setup::new();
    let appearing = restored(&setup);
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = is_armed.clone();
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| {
            if operation.what.starts_with("read ") && armed.swap(false, Ordering::SeqCst) {
                fs::write(&appearing, "existing work").unwrap();
            }
            RequestFault::None
        })
    });
    setup.run().exited_with(0);
    is_armed.store(true, Ordering::SeqCst);
    let outcome = restore(&setup, &[]);
    assert!(outcome.exited_with(4).stderr.contains("already exists and was not changed"), "{}", outcome.all());
    let files = listing(&output(&setup));
    assert_eq!((files.len(), &files[0].3[..]), (1, &b"existing work"[..]));
}

#[test]
fn a_missing_folder_is_created_with_private_permissions() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    let deep = setup.path("restored/in/here");
    setup.call("restore", &["--output", deep.to_str().unwrap()]).exited_with(0);
    assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(listing(&deep).len(), 1);
}

#[test]
fn a_target_that_is_not_a_folder_or_not_writable_is_reported() {
    let setup = Setup::new();
    setup.run().exited_with(0);
    fs::write(output(&setup), "a file").unwrap();
    let outcome = restore(&setup, &[]);
    assert!(
        outcome.exited_with(4).stderr.contains("is not a folder; name another one with --output"),
        "{}",
        outcome.all()
    );
    let below = setup.call("restore", &["--output", output(&setup).join("x").to_str().unwrap()]);
    assert!(below.exited_with(4).stderr.contains("cannot restore to "), "{}", below.all());
    assert_eq!(fs::read(output(&setup)).unwrap(), b"a file");

    fs::remove_file(output(&setup)).unwrap();
    fs::create_dir(output(&setup)).unwrap();
    let _disk = SmallDisk::over(&output(&setup), "ro");
    assert_refused(&setup, &restore(&setup, &[]), &["cannot restore to ", "check its permissions", "Read-only"]);
}

#[test]
fn a_small_disk_is_reported_with_both_sizes_before_anything_is_written() {
    let mut setup = Setup::new();
    setup.dump = sql_dump(3 * MIB);
    setup.publish_dump_of(setup.modified);
    setup.run().exited_with(0);
    let archive = fs::metadata(setup.archive()).unwrap().len();
    assert!(archive < MIB as u64, "the archive alone would fit");
    fs::create_dir(output(&setup)).unwrap();
    let disk = SmallDisk::over(&output(&setup), "size=1m");
    assert_refused(&setup, &restore(&setup, &[]), &["cannot write ", "needs 3.00 MiB, 1.00 MiB free"]);
    restore(&setup, &["--archive-only"]).exited_with(0);
    drop(disk);

    let _disk = SmallDisk::over(&output(&setup), "size=4k");
    assert_refused(&setup, &restore(&setup, &["--archive-only"]), &["cannot write ", "4.00 KiB free"]);
}

#[test]
fn a_disk_that_fills_up_during_the_download_is_reported_and_nothing_is_left_behind() {
    let mut setup = night_of(6 * MIB);
    let (folder, filler) = (output(&setup), output(&setup).join("other-file"));
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = is_armed.clone();
    let _server = setup.serve_sftp(|sftp| {
        sftp.on_operation(move |operation| {
            let free = rustix::fs::statvfs(&folder).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
            let is_written = operation.what.starts_with("read ") && free < 6 * MIB as u64;
            if is_written && armed.swap(false, Ordering::SeqCst) {
                // This fills the disk.
                assert!(fs::write(&filler, vec![1; 8 * MIB]).is_err());
            }
            RequestFault::None
        })
    });
    setup.run().exited_with(0);
    fs::create_dir(output(&setup)).unwrap();
    for arguments in [&[][..], &["--archive-only"]] {
        let _disk = SmallDisk::over(&output(&setup), "size=7m");
        is_armed.store(true, Ordering::SeqCst);
        let outcome = restore(&setup, arguments);
        for word in ["cannot write ", "; check the disk", "No space left"] {
            assert!(outcome.exited_with(4).stderr.contains(word), "{}", outcome.all());
        }
        let files = listing(&output(&setup));
        assert_eq!((files.len(), files[0].0.as_str()), (1, "other-file"), "{}", outcome.all());
    }
}
