//! Archives that are damaged or hold something else: `verify` tells which, and nothing is restored from them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::day::{assert_refused, assert_restored, day_before, listing, plain, plant, restore};
use testkit::Night;
use testkit::night::DUMP;

/// The archive that the shell `command` makes of a file with the dump's name and one called `other`, in a folder of
/// their own.
fn made_by(folder: &Path, command: &str) -> Vec<u8> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    fs::write(folder.join(DUMP), "-- a dump\n".repeat(500)).unwrap();
    fs::write(folder.join("other"), "another file").unwrap();
    let made = Command::new("sh").arg("-ec").arg(command).current_dir(folder).status().unwrap();
    assert!(made.success(), "{command}");
    fs::read(folder.join("a.tgz")).unwrap()
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is_and_nothing_is_restored() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let good = fs::read(night.archive()).unwrap();
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
            fs::write(night.archive(), &bad).unwrap();
            let before = listing(&night.sshd.directory);
            let outcome = night.call("verify", &[]);
            outcome.exited_with(4);
            assert!(outcome.stdout.contains("BAD: "), "{place}: {}", outcome.all());
            assert_refused(night, &restore(night, &[]), &["is bad, and nothing was restored: "]);
            assert_refused(night, &restore(night, &["--archive-only"]), &["is bad, and nothing was restored: "]);
            assert!(listing(&night.sshd.directory) == before);
        }
        fs::write(night.archive(), &good).unwrap();
        assert_restored(night, &restore(night, &[]));
    });
}

#[test]
fn every_archive_is_looked_at_and_each_bad_one_is_told_with_what_it_is() {
    Night::on_each_server(|night| {
        night.run().exited_with(0);
        let good = fs::read(night.archive()).unwrap();
        let theirs = night.path("theirs");
        plant(night, 1, &[&good[..], b"and more"].concat());
        plant(night, 2, &good[..good.len() / 2]);
        plant(night, 3, b"");
        plant(night, 4, &made_by(&theirs, &format!("tar -czf a.tgz {DUMP} other")));
        plant(night, 5, &made_by(&theirs, &format!("ln -sf other {DUMP}; tar -czf a.tgz {DUMP}")));
        plant(night, 6, &made_by(&theirs, "tar -czf a.tgz other"));
        plant(night, 7, &made_by(&theirs, &format!(": > {DUMP}; tar -czf a.tgz {DUMP}")));
        plant(night, 8, b"<html>404</html>");
        plant(night, 9, &made_by(&theirs, &format!("tar -czf a.tgz {DUMP}")));
        plant(night, 10, &made_by(&theirs, &format!("gzip -c {DUMP} > a.tgz")));
        fs::write(night.sshd.directory.join("notes.txt"), "not an archive").unwrap();
        let outcome = night.call("verify", &["--all"]);
        outcome.exited_with(4);
        insta::allow_duplicates!(insta::assert_snapshot!(plain(night, &outcome.stdout), @r#"
        N.tgz  N-N-N  N B  BAD: the tar in it is damaged at its beginning, or is none
        N.tgz  N-N-N  N B  good: a dump of N KiB, modified N MONTH N N:N:N +N:N
        N.tgz  N-N-N  N B  BAD: it is no gzip file: it begins with "<html>N</html>"
        N.tgz  N-N-N  N B  BAD: the dump in it, "dumpfile.sql", is empty
        N.tgz  N-N-N  N B  intact, but it holds "other" instead of "dumpfile.sql": a dump of N B, modified N MONTH N N:N:N +N:N; reach it with --dump other
        N.tgz  N-N-N  N B  BAD: it holds "dumpfile.sql", which is a symbolic link, not a regular file
        N.tgz  N-N-N  N B  BAD: it holds "other" beside "dumpfile.sql", and must hold one file alone
        N.tgz  N-N-N  N B  BAD: it is empty
        N.tgz  N-N-N  N KiB  BAD: it breaks off after N bytes
        N.tgz  N-N-N  N KiB  BAD: from byte N on, it is no gzip data: it begins with "and more"
        N.tgz  N-N-N  N KiB  good: a dump of N KiB, modified N MONTH N N:N:N +N:N
        N archives: N good, N with another name, N BAD
        "#));
        assert_eq!(outcome.stderr, "");
        let of_good = night.call("verify", &["--date", &day_before(night, 9).to_string()]);
        assert_eq!(of_good.exited_with(0).stdout.lines().count(), 1);
        night.call("verify", &["--date", &day_before(night, 3).to_string()]).exited_with(4);
        for days in 1..=8 {
            let outcome = restore(night, &["--date", &day_before(night, days).to_string()]);
            assert_refused(
                night,
                &outcome,
                &[match days {
                    3 => "is empty; the nearest are",
                    6 => "holds \"other\" instead of \"dumpfile.sql\"",
                    _ => "is bad",
                }],
            );
        }
    });
}

#[test]
fn no_name_in_a_tar_leads_out_of_the_folder() {
    let night = Night::new();
    for name in ["../x/", "/etc/", "a/"] {
        let command = format!("tar -czf a.tgz --transform 's,^,{name},' -P {DUMP}");
        plant(&night, 0, &made_by(&night.path("theirs"), &command));
        assert_refused(&night, &restore(&night, &[]), &["which is not the plain name of a file"]);
        assert!(!Path::new("/etc").join(DUMP).exists() && !night.path("x").exists());
    }
}
