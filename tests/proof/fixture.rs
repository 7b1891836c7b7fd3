//! A delivered dump of a small database, and drills of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mail_parser::MessageParser;
use serde_json::{Value, json};
use testkit::servers::{Authority, PingServer};
use testkit::{Outcome, Setup};

pub(crate) const SHOP: &str = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE customers(name TEXT);\n\
    INSERT INTO customers VALUES('Ada');\nINSERT INTO customers VALUES('Bob');\nCREATE TABLE orders(note TEXT);\nCOMMIT;\n";

/// Has delivered an archive of `dump`. Drills may use the user nobody.
pub(crate) fn delivered(dump: &str) -> Setup {
    let mut setup = Setup::around_midnight();
    open(&setup);
    deliver(&mut setup, dump);
    setup
}

/// Lets the user nobody enter the folder.
pub(crate) fn open(setup: &Setup) {
    fs::set_permissions(setup.path(""), fs::Permissions::from_mode(0o711)).unwrap();
}

pub(crate) fn deliver(setup: &mut Setup, dump: &str) {
    setup.dump = dump.as_bytes().to_vec();
    setup.publish_dump_of(setup.modified);
    let outcome = setup.run();
    // 1: it replaced an archive.
    assert!([0, 1].contains(&outcome.code), "{}", outcome.all());
}

/// Adds a monitor for drills, and metrics.
pub(crate) fn watch(setup: &mut Setup, checks: &Value) -> PingServer {
    let server = PingServer::builder().start();
    let ca = Authority::shared().write(&setup.path(""));
    setup.config["monitor"] = json!({"ping_url": "https://127.0.0.1:1/runs", "ca_file": ca});
    setup.config["metrics"] = json!({"textfile": "shop.prom"});
    setup.config["drill"] = json!({"ping_url": server.url(), "checks": checks});
    server
}

/// Runs a drill. Its end must leave nothing in the work directory.
pub(crate) fn drill(setup: &Setup) -> Outcome {
    let outcome = setup.call("drill", &[]);
    assert!(setup.work_directory_is_empty(), "{}", outcome.all());
    outcome
}

/// Subject and plain text of the last mail.
pub(crate) fn last_mail(setup: &Setup) -> (String, String) {
    let mails = setup.mail.messages();
    let mail = MessageParser::default().parse(&mails.last().expect("a mail").raw).unwrap();
    (mail.subject().unwrap().to_owned(), mail.body_text(0).unwrap().replace("\r\n", "\n"))
}

/// The last message in Mattermost, with its attachments.
pub(crate) fn last_post(setup: &Setup) -> String {
    let posts = setup.webhook.posts();
    let post = posts.last().expect("a post");
    let fields = post.attachments.iter().flatten().flat_map(|attachment| &attachment.fields);
    let fields = fields.map(|field| format!("\n{}: {}", field.title, field.value));
    post.text.clone() + &fields.collect::<String>()
}

/// The value of `metric` in the file, if it has one.
pub(crate) fn metric(file: &Path, metric: &str) -> Option<f64> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("scripting_system_{metric}{{textfile=\"shop\",job=\"config\"}} ")))?;
    Some(line.rsplit_once(' ').unwrap().1.parse().unwrap())
}
