//! A folder that several jobs, several machines or an earlier version of the program deliver to.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use serde_json::{Value, json};
use testkit::servers::certificates::write_private;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::servers::{Entry, SftpServer, Zip, times};
use testkit::setup::DUMP;
use testkit::{Outcome, program, wait_until};

use super::bad_night::{BadNight, OLDER_ATTEMPT, PASSWORD};
use super::interruptions::begin;

const HOUR: Duration = Duration::from_secs(3600);
const OTHERS: &str = "another job's archive";

/// Another configuration that delivers to the same folder.
struct OtherJob<'a> {
    bad: &'a BadNight,
    config: Value,
    name: &'static str,
}

impl<'a> OtherJob<'a> {
    /// The job's own configuration at another path, as a second machine has it.
    fn new(bad: &'a BadNight, name: &'static str) -> OtherJob<'a> {
        let mut config = bad.config.clone();
        config["log"]["file"] = json!(format!("{name}.log"));
        config["sftp"]["known_hosts"] = json!(format!("{name}.known_hosts"));
        OtherJob { bad, config, name }
    }

    fn begin(&self) -> Child {
        let path = self.bad.path(&format!("{}.json", self.name));
        write_private(&path, self.config.to_string().as_bytes());
        let mut command = Command::new(program());
        command.arg("run").arg("--config").arg(path).args(["--date", &self.bad.date.to_string()]);
        command.env("TZ", "UTC").env_remove("SSH_AUTH_SOCK");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn end(&self, run: Child) -> Outcome {
        let outcome = self.bad.outcome(run.wait_with_output().unwrap());
        let log = fs::read_to_string(self.bad.path(&format!("{}.log", self.name))).unwrap_or_default();
        Outcome { log, ..outcome }
    }

    fn run(&self) -> Outcome {
        self.end(self.begin())
    }
}

fn on_each_server(test: impl Fn(BadNight)) {
    test(BadNight::new());
    test(BadNight::with_sftp(|sftp| sftp));
}

fn parts(bad: &BadNight) -> Vec<String> {
    bad.names().into_iter().filter(|name| name.ends_with(".part")).collect()
}

#[test]
fn the_second_of_two_jobs_with_one_folder_and_pattern_fails_and_changes_nothing() {
    on_each_server(|bad| {
        // Another database: in its own ZIP under the same name, and in the same ZIP as the first one.
        let dump = |name: &str| Entry::new(name, "SELECT 2;\n").extended_time(bad.modified);
        let own = bad.entry();
        bad.publish(&Zip::new().with(own).with(dump("blog.sql")).with(dump(&format!("blog/{DUMP}"))));
        Zip::new().with(dump(DUMP)).write(&bad.path("web/blog.zip"));
        bad.run().exited_with(0);
        let before = bad.listing();
        for (source, entry) in [("/blog.zip", DUMP), ("/my_zip.zip", "blog.sql"), ("/my_zip.zip", "blog/dumpfile.sql")]
        {
            let mut other = OtherJob::new(&bad, "other");
            other.config["source"]["url"] = json!(bad.web.url(source));
            other.config["source"]["dump"] = json!(entry);
            for _ in 0..2 {
                let outcome = other.run();
                outcome.exited_with(4).logged(OTHERS);
                assert!(
                    outcome.stderr.contains(OTHERS) && outcome.stderr.contains("archive.name"),
                    "{}",
                    outcome.all()
                );
                assert!(bad.listing() == before, "{source} {entry}: {:?}", bad.names());
            }
        }
        bad.run().exited_with(0).logged("is already there, with the same bytes");
        assert!(bad.listing() == before, "{:?}", bad.names());
    });
}

#[test]
fn the_archives_of_another_job_are_not_removed_while_it_delivers_to_the_folder() {
    on_each_server(|bad| {
        bad.run().exited_with(0);
        let theirs = fs::read(bad.archive()).unwrap();
        fs::remove_file(bad.archive()).unwrap();
        for age in [3, 20, 30] {
            fs::write(bad.directory.join(bad.archive_of(age)), &theirs).unwrap();
        }
        times::set_from_names(&bad.directory);
        let before = bad.names();
        let mut other = OtherJob::new(&bad, "other");
        Zip::new().with(Entry::new(DUMP, "SELECT 2;\n").extended_time(bad.modified)).write(&bad.path("web/blog.zip"));
        other.config["source"]["url"] = json!(bad.web.url("/blog.zip"));
        let outcome = other.run();
        outcome
            .exited_with(1)
            .logged("removal is held back tonight: ")
            .logged("was made from another source.url or source.dump");
        assert!(before.iter().all(|name| bad.names().contains(name)), "{:?}", bad.names());
        // If the last seven are its own, its source was changed for good.
        bad.plant(&[1, 2, 3, 4, 5, 6]);
        times::set_from_names(&bad.directory);
        other.run().exited_with(0).logged("2 removed");
    });
}

/// Packs `content` as `entry` into the archive of `age` days ago with tar(1), as the program's predecessor did.
fn pack_with_tar(bad: &BadNight, age: u64, entry: &str, content: &[u8]) -> Vec<u8> {
    let folder = bad.path("packing");
    let path = folder.join(entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let archive = bad.directory.join(bad.archive_of(age));
    let packed = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&folder).arg(entry).status().unwrap();
    assert!(packed.success());
    fs::read(archive).unwrap()
}

#[test]
fn an_archive_of_the_predecessor_with_another_dump_belongs_to_another_job() {
    on_each_server(|bad| {
        pack_with_tar(&bad, 0, "blog.sql", b"SELECT 2;\n");
        bad.must_fail(&[OTHERS, "archive.name"]);
        for (number, entry) in [DUMP, "dumps/dumpfile.sql"].into_iter().enumerate() {
            let ours = pack_with_tar(&bad, 0, entry, b"SELECT 1;\n");
            bad.must_warn(&["with other content was already called"]);
            let old = format!("{}.{}", bad.archive_of(0), ["old", "last.old"][number]);
            assert!(bad.listing()[&old].as_deref() == Some(&ours), "{entry}: {:?}", bad.names());
        }
    });
}

#[test]
fn another_jobs_archive_that_was_set_aside_is_put_back_and_not_replaced() {
    let bad = BadNight::with_sftp(|sftp| sftp);
    let theirs = pack_with_tar(&bad, 0, "blog.sql", b"SELECT 2;\n");
    let archive = bad.archive();
    fs::rename(&archive, bad.directory.join(bad.old())).unwrap();
    bad.run().exited_with(4).logged(OTHERS);
    assert_eq!(fs::read(archive).unwrap(), theirs);
}

#[test]
fn simultaneous_uploads_of_two_machines_do_not_disturb_each_other() {
    let mut bad = BadNight::new();
    // Slow enough that the uploads overlap.
    bad.serve(|web| web.bytes_per_second(100_000));
    let second = OtherJob::new(&bad, "second");
    let runs = (begin(&bad), second.begin());
    wait_until("two uploads", || parts(&bad).len() == 2);
    let (first, second) = (bad.outcome(runs.0.wait_with_output().unwrap()), second.end(runs.1));
    for outcome in [&first, &second] {
        outcome.exited_with(0);
    }
    bad.holds_exactly(&[0, 1, 2, 3]);
}

/// A second machine whose run stops at its first request for which `is_it` holds, until it is released.
struct Stopped {
    server: SftpServer,
    is_stopped: Arc<AtomicBool>,
    is_released: Arc<AtomicBool>,
}

impl Stopped {
    fn at(bad: &BadNight, is_it: impl Fn(&str) -> bool + Send + Sync + 'static) -> Stopped {
        let (is_stopped, is_released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, released) = (Arc::clone(&is_stopped), Arc::clone(&is_released));
        let server = SftpServer::builder(&bad.path("sftp")).password(PASSWORD);
        let server = server.on_operation(move |operation: Operation<'_>| {
            if operation.moment == Moment::Before && is_it(operation.what) {
                stopped.store(true, Ordering::SeqCst);
                while !released.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            RequestFault::None
        });
        Stopped { server: server.start(), is_stopped, is_released }
    }

    /// Runs the second machine, and the first job while it is stopped.
    fn race(&self, bad: &BadNight) -> (Outcome, Outcome) {
        let mut second = OtherJob::new(bad, "second");
        second.config["sftp"]["port"] = json!(self.server.port());
        let run = second.begin();
        wait_until("the second machine", || self.is_stopped.load(Ordering::SeqCst));
        let before = parts(bad);
        assert_eq!(before.len(), 1, "{before:?}");
        let first = bad.run();
        assert_eq!(parts(bad), before, "{}", first.all());
        self.is_released.store(true, Ordering::SeqCst);
        (first, second.end(run))
    }
}

/// Lets the job overtake a second machine at its first request for which `is_it` holds. The archive must be delivered, and an
/// older one must be set aside. Returns both runs.
fn overtake(is_replacement: bool, is_it: fn(&str) -> bool) -> (Outcome, Outcome) {
    let bad = BadNight::with_sftp(|sftp| sftp);
    if is_replacement {
        bad.plant_older_attempt();
    }
    let (first, second) = Stopped::at(&bad, is_it).race(&bad);
    first.exited_with(i32::from(is_replacement));
    assert_eq!(parts(&bad), [""; 0], "{}", second.all());
    assert!(fs::metadata(bad.archive()).unwrap().len() > 1_000);
    let old = bad.listing().remove(&bad.old()).flatten();
    assert_eq!(old.as_deref(), is_replacement.then_some(OLDER_ATTEMPT));
    (first, second)
}

#[test]
fn a_machine_overtaken_during_its_upload_finds_the_archive_delivered() {
    for is_replacement in [false, true] {
        let (_, second) = overtake(is_replacement, |what| what.starts_with("write"));
        second.exited_with(0).logged("read back under its final name");
    }
}

#[test]
fn a_machine_overtaken_before_its_last_rename_finds_the_archive_delivered() {
    let is_last_rename = |what: &str| what.starts_with("rename") && what.contains(".part ");
    let (_, second) = overtake(false, is_last_rename);
    second.exited_with(0).logged("read back under its final name");
    // The first machine has put the older archive back, and has then replaced it.
    let (first, second) = overtake(true, is_last_rename);
    first.logged("was put back");
    second.exited_with(1).logged("with other content was already called");
}

/// Sets the age of the file called `name`.
fn set_age(folder: &Path, name: &str, age: Duration) {
    let file = File::options().append(true).open(folder.join(name)).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Uploads of another machine and of the previous version, each with its age in hours.
fn plant_uploads(bad: &BadNight, hours: [u32; 2]) -> Vec<(String, u32)> {
    let mut planted = Vec::new();
    for (number, hours) in hours.into_iter().enumerate() {
        let archive = bad.archive_of(number as u64);
        for name in [format!(".{archive}.0ff1ce00.part"), format!(".{archive}.part")] {
            fs::write(bad.directory.join(&name), "cut off").unwrap();
            set_age(&bad.directory, &name, HOUR * hours);
            planted.push((name, hours));
        }
    }
    planted
}

#[test]
fn uploads_of_others_are_kept_for_24_hours_and_then_removed() {
    for is_stale in [false, true] {
        on_each_server(|mut bad| {
            let planted = plant_uploads(&bad, [23, 25]);
            if is_stale {
                let modified = bad.modified;
                bad.publish_dump_of(modified - TimeDelta::days(2));
            }
            let outcome = bad.run();
            outcome.exited_with(i32::from(is_stale));
            for (name, hours) in planted {
                assert_eq!(bad.names().contains(&name), hours < 24, "{name}, {hours} hours: {}", outcome.all());
                let removed = format!("removed {name}: an upload of another job or machine, last written 25 hours ago");
                assert_eq!(outcome.log.contains(&removed), hours > 24, "{name}: {}", outcome.all());
            }
        });
    }
}

#[test]
fn the_age_of_an_upload_is_measured_by_the_servers_clock() {
    // The server's clock is three hours slow: an upload of 22 hours ago has a time 25 hours before our clock.
    let slow = |sftp: testkit::servers::sftp::Builder| sftp.mapping_times(|seconds| Some(seconds - 3 * 3600));
    let bad = BadNight::with_sftp(slow);
    let planted = plant_uploads(&bad, [20, 22]);
    bad.run().exited_with(0);
    assert!(planted.iter().all(|(name, _)| bad.names().contains(name)), "{:?}", bad.names());
    // Without modification times, the age is unknown.
    let bad = BadNight::with_sftp(|sftp| sftp.mapping_times(|_| None));
    let planted = plant_uploads(&bad, [20, 2_000]);
    bad.run().exited_with(0);
    assert!(planted.iter().all(|(name, _)| bad.names().contains(name)), "{:?}", bad.names());
}

#[test]
fn a_folder_of_the_previous_version_still_works() {
    on_each_server(|mut bad| {
        let modified = bad.modified;
        // From three days ago: an archive, one that it replaced, and an unfinished upload.
        bad.date = (modified - TimeDelta::days(3)).date_naive();
        bad.publish_dump_of(modified - TimeDelta::days(3));
        let former = pack_with_tar(&bad, 0, DUMP, b"SELECT 1;\n");
        bad.plant(&[2]);
        let [tonights, orphan, replaced, cut_off] = [
            format!(".{}.old", bad.archive_of(0)),
            format!(".{}.old", bad.archive_of(5)),
            format!(".{}.old", bad.archive_of(2)),
            format!(".{}.part", bad.archive_of(1)),
        ];
        for name in [&tonights, &orphan, &replaced, &cut_off] {
            fs::write(bad.directory.join(name), format!("what {name} holds")).unwrap();
        }
        times::set_from_names(&bad.directory);
        let content = |name: &str| Some(format!("what {name} holds").into_bytes());

        bad.must_warn(&["with other content was already called"]).logged("was put back");
        let listing = bad.listing();
        assert_eq!(listing[&bad.archive_of(5)], content(&orphan), "an archive without a successor is put back");
        assert_eq!(listing[&tonights], content(&tonights));
        assert_eq!(listing[&replaced], content(&replaced));
        assert!(listing[&bad.old()].as_deref() == Some(&former));
        assert!(!listing.contains_key(&cut_off), "{:?}", bad.names());

        bad.date = modified.date_naive();
        bad.publish_dump_of(modified);
        times::set_from_names(&bad.directory);
        bad.run().exited_with(0);
        assert!(bad.names().iter().all(|name| !name.ends_with(".old")), "three days later: {:?}", bad.names());
        let kept = |age: u64| bad.names().contains(&bad.archive_of(age));
        assert!([0, 1, 2, 3, 5, 8].into_iter().all(kept), "{:?}", bad.names());
    });
}
