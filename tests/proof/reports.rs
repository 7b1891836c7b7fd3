//! What the channels report of a drill.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;
use testkit::setup::DUMP;

use super::fixture::{SHOP, deliver, delivered, drill, last_mail, last_post, metric, watch};

/// `text` with placeholders for sizes and versions.
fn masked(text: &str) -> String {
    let line = |line: &str| match line.get(..18).map(str::trim) {
        Some("Archive") => format!("{}[size]", &line[..line.find(',').unwrap() + 2]),
        Some("Restored into") => format!("{:<18} [server]", "Restored into"),
        Some("Database size") => format!("{:<18} [size]", "Database size"),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_drill_that_passes_is_reported_by_every_channel() {
    let mut setup = delivered(SHOP);
    let customers = json!({"name": "customers", "sql": "SELECT count(*) FROM customers", "at_least": 2});
    let pings = watch(&mut setup, &json!([customers]));
    drill(&setup).exited_with(0);
    let outcome = drill(&setup);
    outcome.exited_with(0).logged("Restore dump: 2 tables, 2 rows, in SQLite ").logged("the drill has ended: errors 0");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "{}", outcome.all());
    let archive = setup.archive_name();
    let (subject, text) = last_mail(&setup);
    assert!(
        subject.starts_with(&format!("My daily report: Drill passed: {archive} was restored into SQLite ")),
        "{subject}"
    );
    for words in [
        DUMP,
        "Tables             2\n",
        "Rows               2\n",
        "1 of 1 passed\n",
        "customers: 2 (passed)\n",
        "ok         Restore dump       2 tables, 2 rows, in SQLite ",
    ] {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    for foreign in ["Request zip", "Delivery", "last good archive", "Removed"] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    let figures =
        text.lines().skip_while(|line| !line.starts_with("Archive ")).take_while(|line| !line.starts_with("Harm"));
    let figures = figures.collect::<Vec<_>>().join("\n").replace(&archive, "20262311.tgz");
    insta::assert_snapshot!(masked(&figures));
    let post = last_post(&setup);
    assert!(post.contains("**Drill passed: ") && post.contains("customers: 2 \\(passed\\)"), "{post}");
    let paths: Vec<String> = pings.pings().into_iter().map(|ping| ping.path).collect();
    assert_eq!(paths, ["/start", "", "/start", ""]);
    assert!(pings.pings()[1].body.starts_with("Drill passed: "));
    let file = setup.path("shop-drill.prom");
    for (name, value) in [("drill_success", 1.0), ("drill_tables", 2.0), ("drill_rows", 2.0)] {
        assert_eq!(metric(&file, name), Some(value), "{name}");
    }
    let passed = metric(&file, "drill_last_success_timestamp_seconds");
    assert!(passed.is_some() && passed == metric(&file, "drill_timestamp_seconds"));
    assert!(metric(&file, "drill_duration_seconds").unwrap() > 0.0);
}

#[test]
fn a_failed_check_and_the_reason_are_reported_first_and_the_last_success_is_kept() {
    let mut setup = delivered(SHOP);
    let pings = watch(&mut setup, &json!([]));
    drill(&setup).exited_with(0);
    let file = setup.path("shop-drill.prom");
    let passed = metric(&file, "drill_last_success_timestamp_seconds");
    setup.set(
        "drill.checks",
        json!([
            {"name": "many customers", "sql": "SELECT count(*) FROM customers", "at_least": 100},
            {"name": "an order", "sql": "SELECT EXISTS (SELECT * FROM orders)"},
            {"name": "Ada", "sql": "SELECT name = 'Ada' FROM customers", "database": null},
        ]),
    );
    let outcome = drill(&setup);
    outcome.exited_with(4);
    let reason = "Check data: 2 checks failed: \"many customers\" is \"2\", which is not at least 100; \"an order\" is \"0\", which is not true";
    assert!(outcome.stderr.contains(reason), "{}", outcome.all());
    let (subject, text) = last_mail(&setup);
    assert!(subject.starts_with("My daily report: Drill FAILED at Check data: "), "{subject}");
    let error = text.find(reason).expect("the reason");
    assert!(error < text.find("Restored into").unwrap() && text.contains("1 of 3 passed"), "{text}");
    assert!(text.contains("2 after the last drill that passed"), "{text}");
    assert!(last_post(&setup).contains("many customers"));
    let last = pings.pings().pop().unwrap();
    assert!(last.path == "/fail" && last.body.contains(reason), "{last:?}");
    assert_eq!(metric(&file, "drill_success"), Some(0.0));
    assert_eq!(metric(&file, "drill_last_success_timestamp_seconds"), passed);
}

#[test]
fn fewer_tables_than_before_are_a_warning() {
    let mut setup = delivered(SHOP);
    drill(&setup).exited_with(0);
    deliver(&mut setup, &SHOP.replace("CREATE TABLE orders(note TEXT);\n", ""));
    let outcome = drill(&setup);
    outcome.exited_with(1).logged("1 tables, but 2 after the last drill that passed");
    assert!(outcome.stderr.contains("warning: Check data: 1 tables, but 2"), "{}", outcome.all());
    drill(&setup).exited_with(0);
}

#[test]
fn reports_follow_their_settings_and_an_unsent_one_is_a_warning() {
    let mut setup = delivered(SHOP);
    let (mails, posts) = (setup.mail.messages().len(), setup.webhook.posts().len());
    setup.set("email.send", json!("error")).set("mattermost.send", json!("never"));
    drill(&setup).exited_with(0);
    assert_eq!((setup.mail.messages().len(), setup.webhook.posts().len()), (mails, posts));
    let pings = watch(&mut setup, &json!([]));
    setup.set("drill.ping_url", json!(format!("{}0", pings.url())));
    setup.set("email.send", json!("always")).set("email.server.password", json!("wrong"));
    setup.set("metrics.textfile", json!("missing/shop.prom"));
    let outcome = drill(&setup);
    outcome.exited_with(1).logged("the mail did not reach").logged("the metrics were not updated");
    outcome.logged("check drill.ping_url");
    assert!(!fs::read_to_string(setup.path("log.log")).unwrap().contains(&pings.url()));
}

#[test]
fn a_report_section_with_a_mistake_is_a_warning() {
    let mut setup = delivered(SHOP);
    setup.set("mattermost.webhook_url", json!("not an address"));
    let outcome = drill(&setup);
    outcome.exited_with(1);
    assert!(outcome.stderr.contains("warning: Read configuration: mattermost.webhook_url"), "{}", outcome.all());
}

#[test]
fn a_terminal_shows_what_was_restored() {
    let mut setup = delivered(SHOP);
    setup.config["drill"] = json!({"checks": [{"name": "customers", "sql": "SELECT count(*) = 2 FROM customers"}]});
    let drill = setup.command_of("drill", &[]);
    let words = [drill.get_program()].into_iter().chain(drill.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut terminal = Command::new("script");
    let output = terminal.args(["-qec", &line.join(" "), "/dev/null"]).env("TZ", "UTC").stdin(Stdio::null()).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    for words in ["Drill passed: ", "  Tables   2\r\n", "  Checks   customers: 1 (passed)\r\n", "  took     "] {
        assert!(output.contains(words), "{words:?} is missing: {output}");
    }
}
