//! SFTP services with limits: one writer, writes in order, no resuming, files that appear when they are closed, and others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{fs, io};

use flate2::read::MultiGzDecoder;
use serde_json::json;
use testkit::servers::listener::loopback;
use testkit::servers::proxy::{Builder as ProxyBuilder, Proxy};
use testkit::servers::sftp::Builder;
use testkit::servers::sftp_faults::RequestFault;
use testkit::servers::sftp_watch::{Moment, Operation};
use testkit::setup::extract_dump;
use testkit::{Outcome, Rclone, wait_until};

use super::bad_night::{BadNight, PASSWORD};

/// Enough for several connections.
const SIZE: usize = 20 * 1024 * 1024;

type Trait = fn(Builder) -> Builder;

const SERVICES: [(&str, Trait); 12] = [
    ("one writer", Builder::one_writer),
    ("writes in order", Builder::writes_in_order),
    ("writes in order, swapped", |sftp| sftp.writes_in_order().reorders_writes()),
    ("no resuming", Builder::no_resume),
    ("visible when closed", Builder::visible_at_close),
    ("object store", |sftp| object_store(sftp.banner("SSH-2.0-mod_sftp"))),
    ("object store with a known banner", |sftp| object_store(sftp.banner("SSH-2.0-AWS_SFTP_1.1"))),
    ("late listing", |sftp| sftp.late_listing(Duration::from_secs(2))),
    ("slow close and rename", |sftp| {
        sftp.slow_close(Duration::from_millis(2_500)).slow_rename(Duration::from_millis(2_500))
    }),
    ("two connections", |sftp| sftp.max_connections(2)),
    ("short replies", |sftp| sftp.max_read(16 * 1024)),
    ("no extensions", Builder::without_extensions),
];

fn object_store(sftp: Builder) -> Builder {
    sftp.one_writer().writes_in_order().no_resume().visible_at_close().without_extensions()
}

/// A large archive and a long round trip, for which several connections are used.
fn night(service: impl FnOnce(Builder) -> Builder) -> BadNight {
    let mut bad = BadNight::with_sftp(|sftp| service(sftp.stat_delay(Duration::from_millis(30))));
    bad.enlarge(SIZE);
    bad.set("sftp.timeout_seconds", json!(2)).set("retry.attempts", json!(3));
    bad
}

#[track_caller]
fn assert_delivers(bad: &BadNight, what: &str) -> Outcome {
    let outcome = bad.run();
    assert_eq!(outcome.code, 0, "{what}: {}", outcome.all());
    assert!(extract_dump(&bad.archive()) == bad.dump, "{what}: the dump differs: {}", outcome.all());
    bad.assert_holds_exactly(&[0, 1, 2, 3]);
    outcome
}

#[test]
fn each_service_with_limits_gets_its_archive() {
    for (what, service) in SERVICES {
        let outcome = assert_delivers(&night(service), what);
        let is_known = outcome.all().contains("services of this kind get an archive over one connection");
        assert_eq!(is_known, what.ends_with("known banner"), "{what}: {}", outcome.all());
    }
}

#[test]
fn each_service_with_limits_gets_its_archive_over_a_line_that_is_cut() {
    for (what, service) in SERVICES {
        for percent in [0, 50, 99] {
            let bytes = (SIZE * percent / 100) as u64;
            let bad = night(|sftp| service(sftp).cut_after(bytes, 1));
            assert_delivers(&bad, &format!("{what}, cut at {percent} %"));
        }
    }
}

/// A night that delivers to rclone over a long line, which is cut once after `cut_after` bytes.
fn rclone_night(cache_mode: &str, cut_after: Option<u64>) -> (BadNight, Rclone, Proxy) {
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    let rclone = Rclone::start(&bad.path("sftp"), PASSWORD, cache_mode);
    let line = Proxy::builder(loopback(rclone.port())).round_trip(Duration::from_millis(40));
    let line = cut_after.into_iter().fold(line, ProxyBuilder::cut_after).start();
    bad.enlarge(SIZE);
    bad.set("sftp.port", json!(line.port())).set("retry.attempts", json!(3));
    (bad, rclone, line)
}

#[test]
fn rclone_gets_its_archive() {
    for cache_mode in ["off", "writes"] {
        for cut_after in [None, Some(20_000), Some(SIZE as u64 / 2), Some(SIZE as u64 * 99 / 100)] {
            let (bad, rclone, _line) = rclone_night(cache_mode, cut_after);
            let outcome = bad.run();
            let what = || format!("{cache_mode}, cut after {cut_after:?}: {}\n{}", outcome.all(), rclone.log());
            assert_eq!(outcome.code, 0, "{}", what());
            // With a cache, rclone stores a file some seconds after it was closed.
            let is_whole = |path| io::copy(&mut MultiGzDecoder::new(fs::File::open(path)?), &mut io::sink());
            wait_until("the whole archive", || is_whole(bad.archive()).is_ok());
            assert!(extract_dump(&bad.archive()) == bad.dump, "the dump differs: {}", what());
            bad.assert_holds_exactly(&[0, 1, 2, 3]);
        }
    }
}

#[test]
fn names_without_a_dot_are_used_where_dotfiles_are_refused() {
    let mut bad = night(Builder::without_dotfiles);
    bad.set("sftp.temporary_prefix", json!("tmp-"));
    assert_delivers(&bad, "no dotfiles");
}

#[test]
fn falling_back_costs_no_attempt_and_names_the_setting_that_saves_it() {
    let mut bad = night(|sftp| sftp.one_writer().writes_in_order().visible_at_close());
    bad.set("retry.attempts", json!(1));
    let outcome = assert_delivers(&bad, "one writer");
    outcome.logged("sftp.connections: 1 saves their logins").logged("retries 0");
    bad.set("sftp.connections", json!(1));
    fs::remove_file(bad.archive()).unwrap();
    let outcome = bad.run();
    assert!(!outcome.exited_with(0).log.contains("saves their logins"), "{}", outcome.all());
}

#[test]
fn a_refused_additional_login_ends_only_the_additional_connections() {
    let bad = night(|sftp| sftp.max_logins(2));
    assert_delivers(&bad, "two logins").logged("continuing with one connection fewer").logged("retries 0");
}

#[test]
fn a_password_is_refused_at_most_once_by_a_server_for_few_connections() {
    let mut bad = BadNight::with_sftp(|sftp| sftp.max_logins(1).stat_delay(Duration::from_millis(60)));
    bad.enlarge(SIZE);
    bad.run().exited_with(0);
    let refused = bad.sftp().auth_attempts().iter().filter(|attempt| !attempt.accepted).count();
    assert_eq!(refused, 1);
}

#[test]
fn a_server_that_notices_a_broken_connection_late_gets_its_archive() {
    let is_cut = Arc::new(AtomicBool::new(false));
    let (cut, tries) = (is_cut.clone(), AtomicU64::new(0));
    // The first two attempts after the break are refused.
    let hold = move |operation: Operation<'_>| {
        let is_open = operation.moment == Moment::Before && operation.what.starts_with("open-to-write");
        if is_open && cut.load(Ordering::SeqCst) && tries.fetch_add(1, Ordering::SeqCst) < 2 {
            return RequestFault::Failure;
        }
        RequestFault::None
    };
    let bad = night(|sftp| {
        sftp.one_writer()
            .cut_after(SIZE as u64 / 2, 1)
            .before_cut(move || is_cut.store(true, Ordering::SeqCst))
            .on_operation(hold)
    });
    assert_delivers(&bad, "late").logged("which may be why it cannot be created again");
}

#[test]
fn a_refused_rename_does_not_send_the_archive_again() {
    let bad = night(Builder::without_renames);
    let outcome = bad.run();
    outcome.exited_with(4).logged("the server refused to rename");
    assert!(!outcome.log.contains("sending it again"), "{}", outcome.log);
}

#[test]
fn an_archive_that_is_moved_away_has_disappeared() {
    for service in [Builder::takes_away_after_close as Trait, Builder::takes_away_after_rename] {
        let bad = night(service);
        bad.must_fail(&["disappeared"]);
    }
}
