//! What becomes of old configurations, as whoever converts them reads it.

use insta::assert_snapshot;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use crate::config::original::*;

/// The configuration that the replaced system came with.
const SAMPLE: &str = r#"{
    "zip": "my_zip", "file": "dumpfile", "time-to-save": "1",
    "sftp": {"ip": "my_sftp_ip", "user": "my_sftp_user", "password": "my_sftp_password"},
    "email": {
        "send-emails": "yes", "auth": {"email": "exemple@exemple.com", "password": "my_password_for_mail"},
        "server": {"ip": "smtp.mail.yahoo.com", "port": "465"}, "log-file-attached": "yes", "title": "My Daily report",
        "dest": ["first@email.com", "second@email.com"]
    },
    "notification": "never"
}"#;

fn converted(old: &str) -> Conversion {
    let Ok(value) = json::parse(old) else { panic!("not JSON: {old}") };
    convert(&value).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// The mistakes of what cannot be converted.
fn refused(old: &str) -> String {
    let Ok(value) = json::parse(old) else { panic!("not JSON: {old}") };
    let mistakes = convert(&value).expect_err("should not be converted");
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

/// [`SAMPLE`] with `new` in the place of the key `path`.
fn sample_with(path: &str, new: &str) -> String {
    let (Ok(mut value), Ok(new)) = (json::parse(SAMPLE), json::parse(new)) else { panic!("not JSON: {new}") };
    value.set(path, new);
    serde_json::to_string(&value).unwrap()
}

fn told(conversion: &Conversion) -> String {
    conversion.remarks.iter().map(|remark| format!("{remark}\n")).collect()
}

/// The remarks, and the sections of the new configuration that depend on the old one.
fn outcome(old: &str) -> String {
    let conversion = converted(old);
    let Ok(new) = json::parse(&conversion.configuration) else { panic!("not JSON") };
    let mut shown = told(&conversion);
    for (section, keys) in [
        ("source", &["url", "dump"][..]),
        ("sftp", &["host", "username", "password"]),
        ("retention", &["keep_days"]),
        ("email", &["send", "server", "from", "to", "subject", "attach_log"]),
        ("mattermost", &["send", "webhook_url"]),
    ] {
        for key in keys {
            let value = new.member(section).and_then(|section| section.member(key)).unwrap_or(&Value::Null);
            shown += &format!("{section}.{key} = {}\n", serde_json::to_string(value).unwrap());
        }
    }
    shown
}

#[test]
fn the_sample_becomes_a_whole_configuration() {
    let conversion = converted(SAMPLE);
    let secrets: Vec<_> =
        conversion.secrets.iter().map(|secret| (secret.file, secret.content.expose_secret())).collect();
    assert_eq!(
        secrets,
        [("secrets/sftp-password", "my_sftp_password\n"), ("secrets/mail-password", "my_password_for_mail\n")]
    );
    assert_snapshot!("sample", format!("{}\n{}", told(&conversion), conversion.configuration));
}

#[test]
fn the_keys_stand_in_the_order_of_the_template() {
    let keys = |text: &str| -> Vec<String> {
        let Ok(Value::Object(members)) = json::parse(text) else { panic!("no object") };
        members.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(&converted(SAMPLE).configuration), keys(TEMPLATE));
}

#[test]
fn the_least_that_worked_is_filled_up_with_what_was_assumed() {
    let minimal = r#"{"zip": "a.zip", "file": "b.sql", "sftp": {"ip": "192.0.2.1", "user": "u", "password": "p"}}"#;
    assert_snapshot!("minimal", outcome(minimal));
}

#[test]
fn odd_values_are_told_on_one_line_each() {
    let odd = r#"{
        "zip": "/a b/ü%.zip", "zip": "backups/my zip?", "file": "dir/dump", "time-to-save": "abc",
        "sftp": {"ip": "sftp://host", "user": "a\nb", "password": "p", "password": "a secret\r", "port": 22},
        "email": {
            "send-emails": "Sometimes", "auth": {"email": "nobody", "password": 12345}, "server": "smtp.example.com",
            "log-file-attached": 1, "title": "two\nlines \u001b[31m", "dest": ["x", 5, "A <a@b.example>", "c@d.example"],
            "colour": "red"
        },
        "notification": "Error", "\u202eevil\nkey": true
    }"#;
    let conversion = converted(odd);
    assert_eq!(conversion.secrets[0].content.expose_secret(), "a secret\r");
    assert_snapshot!("odd", outcome(odd));
}

#[test]
fn a_port_that_cannot_be_read_is_465_as_it_was() {
    for (port, problem) in [
        (r#""ssl""#, "\"ssl\" is not a whole number"),
        ("0", "0 is not a port"),
        ("\"65536\"", "65536 is not a port"),
        ("null", "is missing"),
    ] {
        let told = outcome(&sample_with("email.server.port", port));
        assert!(told.contains(&format!("email.server.port {problem}: 465, as it was taken before\n")), "{told}");
        assert!(told.contains(r#""port":465,"security":"tls""#), "{told}");
    }
    assert_snapshot!("unreadable_port", outcome(&sample_with("email.server.port", "[465]")));
}

#[test]
fn the_days_are_kept_within_what_can_be_kept() {
    for (old, days) in
        [("\" 7 \"", 7), ("30", 30), ("\"x\"", 10), ("0", 10), ("-1", 10), ("99999999999", 36_500), ("1.5", 10)]
    {
        let told = outcome(&sample_with("time-to-save", old));
        assert!(told.contains(&format!("retention.keep_days = {days}\n")), "{old}: {told}");
        let is_kept = old.contains(&days.to_string());
        assert_eq!(told.contains("converted  time-to-save"), is_kept, "{old}: {told}");
    }
}

#[test]
fn a_mail_server_by_its_ipv4_address_is_asked_with_tls() {
    let old = sample_with("email.server", r#"{"ip": "192.168.1.2", "port": 587}"#);
    assert_snapshot!("ipv4_mail_server", outcome(&old));
}

#[test]
fn any_other_mail_server_means_the_local_one() {
    let old = sample_with("email.server", r#"{"ip": "mail.example.com", "port": "x"}"#);
    assert_snapshot!("local_mail_server", outcome(&old));
}

#[test]
fn each_word_for_when_to_report_has_its_word_here() {
    for (old, new) in [("yes", "always"), ("YES ", "always"), ("always", "always"), ("no", "never"), ("error", "error")]
    {
        let told = outcome(&sample_with("email.send-emails", &format!("\"{old}\"")));
        assert!(told.contains(&format!("email.send = \"{new}\"\n")), "{told}");
    }
    let told = outcome(&sample_with("notification", "\"always\""));
    assert!(told.contains("mattermost.send = \"always\"") && told.contains("secrets/mattermost-webhook-url"), "{told}");
    assert!(outcome(&sample_with("email.send-emails", "false")).contains("email.send = \"never\""));
}

#[test]
fn what_never_worked_is_refused_with_every_reason() {
    assert_snapshot!(refused("{}"), @r#"
    zip: is missing; write the name of the ZIP on the web server
    file: is missing; write the name of the dump in the ZIP
    sftp.ip: is missing; write the SFTP server's name or address
    sftp.user: is missing; write the name to log in with
    sftp.password: is missing; write the password to log in with, or "" for none
    "#);
    assert_snapshot!(refused(&sample_with("sftp.password", "[\"hunter22\"]")), @r#"sftp.password: must be a text, found a list; write the password to log in with, or "" for none"#);
    assert_snapshot!(refused(&sample_with("zip", "\"\"")), @"zip: is empty; write the name of the ZIP on the web server");
    assert_snapshot!(refused("[]"), @"the whole file: must be an object, found a list; name a configuration of the system to be replaced");
}

#[test]
fn an_empty_password_leaves_the_key_to_be_named() {
    let conversion = converted(&sample_with("sftp.password", "\"\""));
    assert!(told(&conversion).contains("by hand    sftp.private_key"));
    assert_eq!(conversion.secrets.len(), 1);
}

proptest! {
    #[test]
    fn no_remark_breaks_its_line_or_tells_a_secret(
        password in "hunter22.{0,10}", text in "(?s).{0,30}", key in "(?s).{0,10}", is_list in any::<bool>()
    ) {
        let text = if is_list { serde_json::json!([text]) } else { serde_json::json!(text) };
        let old = serde_json::json!({
            "zip": "a", "file": "b", "time-to-save": text, "notification": text, key: text,
            "sftp": {"ip": "h", "user": "u", "password": password},
            "email": {
                "send-emails": text, "auth": {"email": text, "password": password}, "server": {"ip": text, "port": text},
                "log-file-attached": text, "title": text, "dest": [text, "a@b.example"]
            }
        });
        let Ok(value) = json::parse(&old.to_string()) else { panic!("not JSON") };
        if let Ok(conversion) = convert(&value) {
            prop_assert!(!conversion.configuration.contains("hunter22"));
            for remark in &conversion.remarks {
                let line = remark.to_string();
                prop_assert!(!line.chars().any(char::is_control) && !line.contains("hunter22"), "{}", line);
            }
        }
    }
}
