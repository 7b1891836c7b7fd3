//! On which nights a report is sent: every ending of a night with every setting, for both channels.

use serde_json::json;

use crate::{make_stale, night};
use testkit::Night;

/// The settings of `email.send` and `mattermost.send`.
const SETTINGS: [&str; 3] = ["always", "error", "never"];

/// How a night ends: its name, its exit code, and what makes it so.
type Ending = (&'static str, i32, fn(&mut Night));

/// From the best to the worst, each made of the one before.
const ENDINGS: [Ending; 3] = [("clean", 0, |_| {}), ("warnings only", 1, make_stale), ("error", 4, lose_dump)];

fn lose_dump(night: &mut Night) {
    night.set("source.dump", json!("other.sql"));
}

fn is_wanted(setting: &str, code: i32) -> bool {
    match setting {
        "always" => true,
        "error" => code == 4,
        _ => false,
    }
}

#[test]
fn each_ending_sets_off_what_each_setting_wants() {
    let mut night = night();
    let (mut mails, mut posts) = (0, 0);
    for (ending, code, make) in ENDINGS {
        make(&mut night);
        for (index, mail) in SETTINGS.into_iter().enumerate() {
            // Another setting each, so that neither channel can be seen to follow the other.
            let mattermost = SETTINGS[(index + 1) % SETTINGS.len()];
            night.set("email.send", json!(mail)).set("mattermost.send", json!(mattermost));
            let outcome = night.run();
            outcome.exited_with(code);
            let case = format!("{ending}, email.send {mail}, mattermost.send {mattermost}: {}", outcome.all());
            mails += usize::from(is_wanted(mail, code));
            posts += usize::from(is_wanted(mattermost, code));
            assert_eq!(night.mail.messages().len(), mails, "mails after {case}");
            assert_eq!(night.webhook.posts().len(), posts, "posts after {case}");
        }
    }
    assert_eq!((mails, posts), (4, 4), "three nights of \"always\" and one of \"error\" for each channel");
}

#[test]
fn an_undelivered_mail_sets_off_what_mattermost_tells_of_errors() {
    let mut night = night();
    night.set("email.server.password", json!("not the one"));
    let mut posts = 0;
    for (mail, mattermost, code, is_posted) in [
        ("always", "error", 1, true),
        ("always", "never", 1, false),
        // A mail that nobody wanted is not an undelivered one.
        ("never", "error", 0, false),
        ("error", "error", 0, false),
    ] {
        night.set("email.send", json!(mail)).set("mattermost.send", json!(mattermost));
        night.run().exited_with(code);
        posts += usize::from(is_posted);
        assert_eq!(night.webhook.posts().len(), posts, "email.send {mail}, mattermost.send {mattermost}");
    }
    let told = &night.webhook.posts()[0].text;
    assert!(told.contains("the mail did not reach 1 of 1 recipients"), "{told}");
}

#[test]
fn a_section_that_is_not_there_sends_nothing() {
    let mut night = night();
    night.config["email"] = json!(null);
    night.config["mattermost"] = json!(null);
    night.run().exited_with(0);
    assert_eq!((night.mail.connections(), night.webhook.requests()), (0, 0));
}
