//! Archives that are damaged or have other contents: `verify` reports them, and `restore` refuses them.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::Setup;
use testkit::setup::DUMP;

use super::fixture::{assert_refused, assert_restored, day_before, listing, plain, put_archive, restore};

/// The archive `a.tgz` that the shell `command` creates in a folder with two files: the dump and `other`.
fn create_with(folder: &Path, command: &str) -> Vec<u8> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    fs::write(folder.join(DUMP), "-- a dump\n".repeat(500)).unwrap();
    fs::write(folder.join("other"), "another file").unwrap();
    let status = Command::new("sh").arg("-ec").arg(command).current_dir(folder).status().unwrap();
    assert!(status.success(), "{command}");
    fs::read(folder.join("a.tgz")).unwrap()
}

#[test]
fn a_flipped_bit_is_detected_anywhere_and_nothing_is_restored() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let good = fs::read(setup.archive()).unwrap();
        let second = good.windows(3).skip(3).position(|bytes| bytes == [0x1f, 0x8b, 8]).unwrap() + 3;
        // The tar's header is stored between the first gzip header, which ends with the job's mark, and its trailer.
        let places = [
            ("gzip header", 0),
            ("gzip flags", 3),
            ("tar header", 60),
            ("trailer of the first member", second - 6),
            ("header of the second member", second),
            ("deflate data", good.len() / 2),
            ("last trailer", good.len() - 2),
        ];
        for (place, at) in places {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(setup.archive(), &bad).unwrap();
            let before = listing(&setup.sshd.directory);
            let outcome = setup.call("verify", &[]);
            outcome.exited_with(4);
            assert!(outcome.stdout.contains("BAD: "), "{place}: {}", outcome.all());
            assert_refused(setup, &restore(setup, &[]), &["is bad, and nothing was restored: "]);
            assert_refused(setup, &restore(setup, &["--archive-only"]), &["is bad, and nothing was restored: "]);
            assert!(listing(&setup.sshd.directory) == before);
        }
        fs::write(setup.archive(), &good).unwrap();
        assert_restored(setup, &restore(setup, &[]));
    });
}

#[test]
fn every_archive_is_verified_and_each_bad_one_is_reported_with_its_problem() {
    Setup::on_each_server(|setup| {
        setup.run().exited_with(0);
        let good = fs::read(setup.archive()).unwrap();
        let folder = setup.path("other-tools");
        put_archive(setup, 1, &[&good[..], b"and more"].concat());
        put_archive(setup, 2, &good[..good.len() / 2]);
        put_archive(setup, 3, b"");
        put_archive(setup, 4, &create_with(&folder, &format!("tar -czf a.tgz {DUMP} other")));
        put_archive(setup, 5, &create_with(&folder, &format!("ln -sf other {DUMP}; tar -czf a.tgz {DUMP}")));
        put_archive(setup, 6, &create_with(&folder, "tar -czf a.tgz other"));
        put_archive(setup, 7, &create_with(&folder, &format!(": > {DUMP}; tar -czf a.tgz {DUMP}")));
        put_archive(setup, 8, b"<html>404</html>");
        put_archive(setup, 9, &create_with(&folder, &format!("tar -czf a.tgz {DUMP}")));
        put_archive(setup, 10, &create_with(&folder, &format!("gzip -c {DUMP} > a.tgz")));
        fs::write(setup.sshd.directory.join("notes.txt"), "not an archive").unwrap();
        let outcome = setup.call("verify", &["--all"]);
        outcome.exited_with(4);
        insta::allow_duplicates!(insta::assert_snapshot!(plain(setup, &outcome.stdout), @r#"
        N.tgz  N-N-N  N B  BAD: the tar in it is damaged at its beginning, or it is not a tar
        N.tgz  N-N-N  N B  good: a dump of N KiB, modified N MONTH N N:N:N +N:N
        N.tgz  N-N-N  N B  BAD: it is not a gzip file: it begins with "<html>N</html>"
        N.tgz  N-N-N  N B  BAD: the dump in it, "dumpfile.sql", is empty
        N.tgz  N-N-N  N B  intact, but it contains "other" instead of "dumpfile.sql": a dump of N B, modified N MONTH N N:N:N +N:N; read it with --dump other
        N.tgz  N-N-N  N B  BAD: it holds "dumpfile.sql", which is a symbolic link, not a regular file
        N.tgz  N-N-N  N B  BAD: it holds "other" as well as "dumpfile.sql"; an archive holds only one file
        N.tgz  N-N-N  N B  BAD: it is empty
        N.tgz  N-N-N  N KiB  BAD: it is truncated after N bytes
        N.tgz  N-N-N  N KiB  BAD: the data from byte N on is not gzip: it begins with "and more"
        N.tgz  N-N-N  N KiB  good: a dump of N KiB, modified N MONTH N N:N:N +N:N
        N archives: N good, N with another name, N BAD
        "#));
        assert_eq!(outcome.stderr, "");
        let outcome_of_good = setup.call("verify", &["--date", &day_before(setup, 9).to_string()]);
        assert_eq!(outcome_of_good.exited_with(0).stdout.lines().count(), 1);
        setup.call("verify", &["--date", &day_before(setup, 3).to_string()]).exited_with(4);
        for days in 1..=8 {
            let outcome = restore(setup, &["--date", &day_before(setup, days).to_string()]);
            assert_refused(
                setup,
                &outcome,
                &[match days {
                    3 => "is empty; the nearest are",
                    6 => "contains \"other\" instead of \"dumpfile.sql\"",
                    _ => "is bad",
                }],
            );
        }
    });
}

#[test]
fn no_name_in_a_tar_leaves_the_folder() {
    let setup = Setup::new();
    for name in ["../x/", "/etc/", "a/"] {
        let command = format!("tar -czf a.tgz --transform 's,^,{name},' -P {DUMP}");
        put_archive(&setup, 0, &create_with(&setup.path("other-tools"), &command));
        assert_refused(&setup, &restore(&setup, &[]), &["which is not the plain name of a file"]);
        assert!(!Path::new("/etc").join(DUMP).exists() && !setup.path("x").exists());
    }
}
