//! Encrypted archives and checksum files: delivered, replaced, interrupted, and removed together.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use testkit::keys::{age_and_tar, age_key, sha256sum_accepts};
use testkit::servers::times;
use testkit::servers::zips::sql_dump;

use super::bad_night::BadNight;

/// A job that encrypts, and the file with the private key.
struct Encrypted {
    bad: BadNight,
    key: PathBuf,
}

impl Encrypted {
    fn new(mut bad: BadNight) -> Encrypted {
        let (key, recipient) = age_key(&bad.path(""), "key");
        bad.set("archive.encrypt_to", json!([recipient]));
        Encrypted { bad, key }
    }

    fn file(&self, age: u64, ending: &str) -> PathBuf {
        self.bad.directory.join(format!("{}{ending}", self.bad.archive_aged(age)))
    }

    fn publish_another_dump(&mut self) {
        self.bad.dump = sql_dump(100_000 + self.bad.dump.len());
        let modified = self.bad.modified;
        self.bad.publish_dump_of(modified);
    }

    /// The names of the files of the run's date, without their common part.
    fn endings(&self) -> Vec<String> {
        let archive = self.bad.archive_aged(0);
        let names = self.bad.names().into_iter().filter(|name| name.contains(&archive));
        names.map(|name| name.replace(&archive, "")).collect()
    }

    /// Asserts that the archive contains the dump, and that its checksum file is right.
    #[track_caller]
    fn assert_good(&self, archive: &str) {
        assert!(age_and_tar(&self.file(0, archive), &self.key) == self.bad.dump, "the bytes differ");
        assert!(sha256sum_accepts(&self.file(0, ".age.sha256")));
    }
}

#[test]
fn an_encrypted_archive_has_a_checksum_file_and_is_recognised_without_the_private_key() {
    for bad in [BadNight::new(), BadNight::with_sftp(|sftp| sftp)] {
        let night = Encrypted::new(bad);
        night.bad.run().exited_with(0);
        assert_eq!(night.endings(), [".age", ".age.sha256"]);
        night.assert_good(".age");
        night.bad.assert_no_temporary_file();
        let before = night.bad.listing();
        let again = night.bad.run();
        again.exited_with(0).logged("is already there, with the same content");
        assert!(night.bad.listing() == before, "{}", again.all());
    }
}

#[test]
fn another_dump_of_the_day_sets_archive_and_checksum_aside() {
    let mut night = Encrypted::new(BadNight::new());
    night.bad.run().exited_with(0);
    let (first, checksum) = (fs::read(night.file(0, ".age")).unwrap(), fs::read(night.file(0, ".age.sha256")).unwrap());
    for endings in [
        &[".age", ".age.old", ".age.sha256", ".age.sha256.old"][..],
        &[".age", ".age.last.old", ".age.old", ".age.sha256", ".age.sha256.last.old", ".age.sha256.old"],
    ] {
        night.publish_another_dump();
        night.bad.must_warn(&["with different content already had the name"]);
        assert_eq!(night.endings(), endings);
        night.assert_good(".age");
        assert!(fs::read(night.file(0, ".age.old")).unwrap() == first);
        assert!(fs::read(night.file(0, ".age.sha256.old")).unwrap() == checksum);
    }
    night.publish_another_dump();
    night.bad.must_warn(&["with different content already had the name"]);
    night.assert_good(".age");
    let restored = night.bad.path("restored");
    let (date, key) = (night.bad.date.to_string(), night.key.display().to_string());
    let arguments = ["--date", &date, "--replaced", "--identity", &key, "--output", restored.to_str().unwrap()];
    night.bad.call("restore", &arguments).exited_with(0);
}

#[test]
fn an_archive_of_the_other_form_is_set_aside() {
    let mut night = Encrypted::new(BadNight::new());
    let recipients = night.bad.config["archive"]["encrypt_to"].take();
    night.bad.set("archive.checksum", json!(true));
    night.bad.run().exited_with(0);
    assert_eq!(night.endings(), ["", ".sha256"]);
    assert!(sha256sum_accepts(&night.file(0, ".sha256")));
    night.bad.set("archive.encrypt_to", recipients);
    night.bad.must_warn(&["with the same date had the name"]);
    assert_eq!(night.endings(), [".age", ".age.sha256", ".old", ".sha256.old"]);
    night.assert_good(".age");
    night.bad.set("archive.encrypt_to", json!(null)).set("archive.checksum", json!(null));
    night.bad.must_warn(&["with the same date had the name"]);
    assert_eq!(night.endings(), ["", ".age.last.old", ".age.sha256.last.old", ".old", ".sha256.old"]);
}

#[test]
fn no_archive_ever_has_the_checksum_file_of_another_one() {
    let mut night = Encrypted::new(BadNight::new());
    let recipients = night.bad.config["archive"]["encrypt_to"].take();
    let key = night.key.display().to_string();
    let date = night.bad.date.to_string();
    let run = |night: &mut Encrypted, checksum: bool, is_encrypted: bool| {
        night.publish_another_dump();
        night.bad.set("archive.checksum", if is_encrypted { json!(null) } else { json!(checksum) });
        night.bad.set("archive.encrypt_to", if is_encrypted { recipients.clone() } else { json!(null) });
        let outcome = night.bad.run();
        assert!([0, 1].contains(&outcome.code), "{}", outcome.all());
        night.bad.call("verify", &["--date", &date, "--identity", &key]).exited_with(0);
        for which in ["--replaced", "--replaced=last"] {
            let folder = night.bad.path("restored");
            let arguments =
                ["--date", &date, which, "--identity", &key, "--force", "--output", folder.to_str().unwrap()];
            let outcome = night.bad.call("restore", &arguments);
            assert!(outcome.code == 0 || outcome.stderr.contains("no replaced archive"), "{}", outcome.all());
        }
    };
    for (checksum, is_encrypted) in
        [(true, false), (true, false), (true, false), (true, true), (true, true), (false, false), (false, false)]
    {
        run(&mut night, checksum, is_encrypted);
    }
    // The checksum file of a replaced archive that was removed.
    fs::remove_file(night.file(0, ".old")).unwrap();
    run(&mut night, false, false);
    let modified = night.bad.modified;
    night.bad.publish_dump_of(modified);
    night.bad.run().exited_with(0);
    night.bad.call("verify", &["--date", &date, "--identity", &key]).exited_with(0);
}

#[test]
fn files_of_other_programs_with_the_names_of_replaced_checksum_files_are_kept() {
    let mut night = Encrypted::new(BadNight::new());
    night.bad.run().exited_with(0);
    let foreign = [night.file(0, ".age.sha256.old"), night.file(9, ".age.sha256.old")];
    foreign.iter().for_each(|file| fs::write(file, "my notes\n").unwrap());
    night.publish_another_dump();
    night.bad.run().exited_with(1);
    night.assert_good(".age");
    assert!(night.endings().contains(&".age.old".to_owned()));
    for file in &foreign {
        assert_eq!(fs::read_to_string(file).unwrap(), "my notes\n", "{}", file.display());
    }
    night.bad.call("prune", &[]);
    assert!(foreign.iter().all(|file| file.exists()));
}

#[test]
fn one_retention_applies_to_both_forms_and_checksum_files_are_removed_with_their_archives() {
    let mut night = Encrypted::new(BadNight::new());
    night.bad.set("retention", json!({"keep_days": 3, "keep_at_least": 1}));
    for (age, ending) in [(20, ".age"), (21, ".age"), (21, ".age.sha256"), (2, ".age"), (22, ".sha256")] {
        fs::write(night.file(age, ending), "# Checksum of an archive, written by scripting-system\n").unwrap();
    }
    // Written by other programs.
    fs::write(night.file(20, ".age.sha256"), "00  archive\n").unwrap();
    times::set_from_names(&night.bad.directory);
    let foreign = night.file(20, ".age.sha256");
    night.bad.run().exited_with(0);
    let expected = [1, 2, 3].map(|age| night.bad.archive_aged(age));
    let mut expected: Vec<String> =
        expected.into_iter().chain([format!("{}.age", night.bad.archive_aged(2))]).collect();
    expected.push(foreign.file_name().unwrap().to_string_lossy().into_owned());
    expected.extend([".age", ".age.sha256"].map(|ending| format!("{}{ending}", night.bad.archive_aged(0))));
    expected.sort();
    assert_eq!(night.bad.names(), expected);
}

#[test]
fn after_a_kill_between_any_two_steps_of_a_replacement_the_next_run_leaves_one_archive_and_its_checksum() {
    // The files that each step leaves: "old" archive and checksum, "new" ones.
    let steps: [&[(&str, &str)]; 6] = [
        &[(".age", "old"), (".age.sha256.old", "old checksum")],
        &[(".age.old", "old"), (".age.sha256.old", "old checksum")],
        &[(".age.old", "old"), (".age.sha256.old", "old checksum"), (".age.sha256", "new checksum")],
        &[(".age.old", "old"), (".age.sha256.old", "old checksum"), (".age.sha256", "torn")],
        &[(".age.old", "old"), (".age.sha256", "new checksum")],
        &[(".age.sha256", "new checksum")],
    ];
    let mut night = Encrypted::new(BadNight::new());
    night.bad.run().exited_with(0);
    let read = |ending| fs::read(night.file(0, ending)).unwrap();
    let (old, old_checksum) = (read(".age"), read(".age.sha256"));
    let old_dump = night.bad.dump.clone();
    night.publish_another_dump();
    night.bad.run().exited_with(1);
    let read = |ending| fs::read(night.file(0, ending)).unwrap();
    let new_checksum = read(".age.sha256");
    for files in steps {
        for name in night.bad.names() {
            fs::remove_file(night.bad.directory.join(name)).unwrap();
        }
        for (ending, content) in files {
            let content = match *content {
                "old" => &old,
                "old checksum" => &old_checksum,
                "new checksum" => &new_checksum,
                _ => &new_checksum[..40].to_vec(),
            };
            fs::write(night.file(0, ending), content).unwrap();
        }
        let outcome = night.bad.run();
        assert!([0, 1].contains(&outcome.code), "{files:?}: {}", outcome.all());
        night.assert_good(".age");
        let mut expected = vec![".age", ".age.old", ".age.sha256", ".age.sha256.old"];
        expected.retain(|ending| !ending.ends_with(".old") || files.len() > 1);
        if files.len() == 2 && files[1].1 == "new checksum" {
            // The archive had none.
            expected.pop();
        }
        assert_eq!(night.endings(), expected, "{files:?}: {}", outcome.all());
        // The same dump as before is recognised in the archive that is put back.
        let (new_dump, modified) = (std::mem::replace(&mut night.bad.dump, old_dump.clone()), night.bad.modified);
        if files.len() > 1 && expected.len() == 4 {
            for name in night.bad.names() {
                fs::remove_file(night.bad.directory.join(name)).unwrap();
            }
            for (ending, content) in
                [(".age.old", &old), (".age.sha256.old", &old_checksum), (".age.sha256", &new_checksum)]
            {
                fs::write(night.file(0, ending), content).unwrap();
            }
            night.bad.publish_dump_of(modified);
            night.bad.run().exited_with(0).logged("is already there, with the same content");
            assert_eq!(night.endings(), [".age", ".age.sha256"]);
        }
        night.bad.dump = new_dump;
        night.bad.publish_dump_of(modified);
    }
}

#[test]
fn an_encrypted_archive_of_another_job_is_not_replaced() {
    let night = Encrypted::new(BadNight::new());
    night.bad.run().exited_with(0);
    let checksum = night.file(0, ".age.sha256");
    let text = fs::read_to_string(&checksum).unwrap();
    // The other job has another configuration, so another mark.
    let mut other = Encrypted::new(BadNight::with_sshd(testkit::Sshd::start(&["ed25519"])));
    other.bad.run().exited_with(0);
    for ending in [".age", ".age.sha256"] {
        fs::copy(night.file(0, ending), other.file(0, ending)).unwrap();
    }
    other.bad.set("alarm", json!({}));
    let before = other.bad.listing();
    other.bad.run().exited_with(4).logged("another job delivers to this folder under the same name");
    assert!(other.bad.listing() == before);
    assert_eq!(fs::read_to_string(other.file(0, ".age.sha256")).unwrap(), text);
}

#[test]
fn a_checksum_file_of_another_program_is_kept() {
    let night = Encrypted::new(BadNight::new());
    let foreign = night.file(0, ".age.sha256");
    fs::write(&foreign, "00  archive\n").unwrap();
    night.bad.must_warn(&["another program has written"]);
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "00  archive\n");
    assert!(age_and_tar(&night.file(0, ".age"), &night.key) == night.bad.dump);
}

#[test]
fn mistakes_in_recipients_are_named_and_private_keys_are_not_repeated() {
    let mut night = Encrypted::new(BadNight::new());
    let private = fs::read_to_string(&night.key).unwrap();
    let private = private.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().to_owned();
    let good = night.bad.config["archive"]["encrypt_to"][0].as_str().unwrap().to_owned();
    let typo = if good.ends_with('q') { good[..61].to_owned() + "p" } else { good[..61].to_owned() + "q" };
    for (recipient, word) in [
        (private.as_str(), "is a private key"),
        (&private.to_lowercase(), "is a private key"),
        (&typo, "has a typing error"),
        ("ssh-ed25519 AAAA", "is an SSH key"),
        ("admin", "is not an age recipient"),
    ] {
        night.bad.set("archive.encrypt_to", json!([recipient]));
        let outcome = night.bad.run();
        outcome.exited_with(3);
        assert!(outcome.stderr.contains("archive.encrypt_to[0]") && outcome.stderr.contains(word), "{}", outcome.all());
        assert!(!outcome.all().contains(&private[20..]), "{}", outcome.all());
    }
    night.bad.set("archive.encrypt_to", json!([good])).set("archive.checksum", json!(false));
    night.bad.run().exited_with(3);
}
