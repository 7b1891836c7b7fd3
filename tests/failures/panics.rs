//! Panics: they are caught and reported like any error, without secrets, and no archive is lost.

use testkit::setup::MAIL_LOGIN;

use super::bad_night::{BadNight, PASSWORD};

/// A job that panics at `place` with a message that contains secrets.
fn panicking_at(place: &str) -> BadNight {
    if !cfg!(debug_assertions) {
        panic!("the program panics on demand only in the dev profile");
    }
    let mut bad = BadNight::with_sftp(|sftp| sftp);
    let text = format!("{place}: the panic says {PASSWORD} and {}", MAIL_LOGIN.1);
    bad.set_variable("SCRIPTING_SYSTEM_PANIC_AT", &text);
    bad
}

/// Asserts that neither `output` nor the mails and posts contain a secret from the panic's message.
#[track_caller]
fn assert_no_secret(bad: &BadNight, output: &str) {
    let mails: Vec<u8> = bad.mail.messages().into_iter().flat_map(|mail| mail.raw).collect();
    let posts: String = bad.webhook.posts().into_iter().map(|post| post.text).collect();
    let output = format!("{output}{}{posts}", String::from_utf8_lossy(&mails).replace("=\r\n", ""));
    assert!(output.contains("the panic says"), "{output}");
    for secret in [PASSWORD, MAIL_LOGIN.1] {
        assert!(!output.contains(secret), "{secret} is reported: {output}");
    }
}

#[test]
fn a_panic_before_the_delivery_fails_the_run_and_is_reported() {
    for place in ["between tasks", "packing", "sending"] {
        let bad = panicking_at(place);
        let outcome = bad.must_fail(&["internal error, please report it: the panic says [redacted]"]);
        outcome.logged("errors 1, warnings 0");
        assert!(bad.last_post().contains("internal error, please report it"), "{place}: {}", bad.last_post());
        assert_no_secret(&bad, &outcome.all());
    }
}

#[test]
fn a_panic_after_the_delivery_is_a_warning_and_is_reported() {
    let bad = panicking_at("removing");
    let before = bad.names();
    let outcome = bad.run();
    outcome.exited_with(1).logged("Remove expired: internal error, please report it: the panic says [redacted]");
    assert!(outcome.stderr.contains("internal error, please report it"), "{}", outcome.all());
    assert!(bad.last_mail().1.contains("internal error, please report it"), "{}", bad.last_mail().1);
    assert!(bad.last_post().contains("internal error, please report it"), "{}", bad.last_post());
    let mut expected = [before, vec![bad.archive_aged(0)]].concat();
    expected.sort();
    assert_eq!(bad.names(), expected, "the archive is delivered, and nothing was removed");
    assert_no_secret(&bad, &outcome.all());
    bad.assert_no_temporary_file();
}

#[test]
fn a_panic_while_reporting_is_reported_on_the_remaining_channels() {
    let bad = panicking_at("reporting");
    let outcome = bad.run();
    outcome.exited_with(1).logged("Report: internal error, please report it: the panic says [redacted]");
    assert!(outcome.stderr.contains("internal error, please report it"), "{}", outcome.all());
    assert!(bad.is_delivered());
    assert_no_secret(&bad, &outcome.all());
}

#[test]
fn the_run_after_a_panic_succeeds() {
    let mut bad = panicking_at("packing");
    bad.must_fail(&["internal error"]);
    bad.set_variable("SCRIPTING_SYSTEM_PANIC_AT", "");
    bad.run().exited_with(0);
    bad.assert_no_upload();
}
