//! Which reports are sent: every outcome with every setting, for mail and Mattermost.

use serde_json::json;
use testkit::Setup;

/// The settings of `email.send` and `mattermost.send`.
const SETTINGS: [&str; 3] = ["always", "error", "never"];

/// An outcome's name, its exit code, and how to cause it.
type Outcome = (&'static str, i32, fn(&mut Setup));

/// Each change is added to the previous ones.
const OUTCOMES: [Outcome; 3] = [("clean", 0, |_| {}), ("warnings only", 1, Setup::make_stale), ("error", 4, lose_dump)];

fn lose_dump(setup: &mut Setup) {
    setup.set("source.dump", json!("other.sql"));
}

fn is_due(setting: &str, code: i32) -> bool {
    match setting {
        "always" => true,
        "error" => code == 4,
        _ => false,
    }
}

#[test]
fn each_channel_reports_the_outcomes_that_its_setting_selects() {
    let mut setup = Setup::around_midnight();
    let (mut mails, mut posts) = (0, 0);
    for (name, code, cause) in OUTCOMES {
        cause(&mut setup);
        for (index, mail) in SETTINGS.into_iter().enumerate() {
            // Different settings show that the channels are independent.
            let mattermost = SETTINGS[(index + 1) % SETTINGS.len()];
            setup.set("email.send", json!(mail)).set("mattermost.send", json!(mattermost));
            let outcome = setup.run();
            outcome.exited_with(code);
            let case = format!("{name}, email.send {mail}, mattermost.send {mattermost}: {}", outcome.all());
            mails += usize::from(is_due(mail, code));
            posts += usize::from(is_due(mattermost, code));
            assert_eq!(setup.mail.messages().len(), mails, "mails after {case}");
            assert_eq!(setup.webhook.posts().len(), posts, "posts after {case}");
        }
    }
    assert_eq!((mails, posts), (4, 4), "three for \"always\" and one for \"error\" for each channel");
}

#[test]
fn an_undelivered_mail_counts_as_an_error_for_mattermost() {
    let mut setup = Setup::around_midnight();
    setup.set("email.server.password", json!("not the one"));
    let mut posts = 0;
    for (mail, mattermost, code, is_posted) in [
        ("always", "error", 1, true),
        ("always", "never", 1, false),
        // A mail that is not due cannot fail.
        ("never", "error", 0, false),
        ("error", "error", 0, false),
    ] {
        setup.set("email.send", json!(mail)).set("mattermost.send", json!(mattermost));
        setup.run().exited_with(code);
        posts += usize::from(is_posted);
        assert_eq!(setup.webhook.posts().len(), posts, "email.send {mail}, mattermost.send {mattermost}");
    }
    let post = &setup.webhook.posts()[0].text;
    assert!(post.contains("the mail did not reach 1 of 1 recipients"), "{post}");
}

#[test]
fn a_missing_section_sends_nothing() {
    let mut setup = Setup::around_midnight();
    setup.config["email"] = json!(null);
    setup.config["mattermost"] = json!(null);
    setup.run().exited_with(0);
    assert_eq!((setup.mail.connections(), setup.webhook.requests()), (0, 0));
}
