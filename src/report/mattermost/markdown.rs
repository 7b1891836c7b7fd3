//! The text of the Mattermost message: a headline and a Markdown table. Untrusted text is escaped.

use crate::record::run_record::{Level, RunRecord, State, TaskReport};
use crate::record::task::Task;
use crate::report::message::{headline, tasks};
use crate::rules::units;

/// In characters (runes); Mattermost splits a longer post.
pub(super) const MAX_POST: usize = 16_383;

/// Maximum characters of a cell before escaping. The first limit with which the post fits is used.
pub(super) const CELL_LIMITS: [usize; 4] = [1_000, 300, 100, 40];

/// Maximum length of a host name (RFC 1035, 2.3.4).
const MAX_HOST: usize = 255;

/// A zero-width space, to break up patterns. Redaction escapes it in untrusted text.
const SEPARATOR: char = '\u{200b}';

struct Row {
    icon: &'static str,
    task: Task,
    text: String,
}

const GOOD: &str = ":white_check_mark:";
const BAD: &str = ":no_entry:";

/// A headline with the outcome and the counts, then a row for each completed task and each error. Warnings are only counted:
/// a task that ended with a warning, was skipped or never ran has no row. At most [`MAX_POST`] characters.
pub(super) fn text(record: &RunRecord, undelivered_mail: Option<&str>) -> String {
    let rows = rows(record, undelivered_mail);
    let head = head(record);
    for limit in CELL_LIMITS {
        let text = format!("{head}{}", rows.iter().map(|row| format_row(row, limit)).collect::<String>());
        if text.chars().count() <= MAX_POST {
            return text;
        }
    }
    first_rows(head, &rows)
}

/// As many rows as fit, then the number of omitted rows.
fn first_rows(head: String, rows: &[Row]) -> String {
    let [.., shortest] = CELL_LIMITS;
    let mut text = head;
    let mut length = text.chars().count();
    for (index, row) in rows.iter().enumerate() {
        let line = format_row(row, shortest);
        let omitted = format!("| {BAD} | … | {} more |\n", rows.len() - index);
        if length + line.chars().count() + omitted.chars().count() > MAX_POST {
            return text + &omitted;
        }
        length += line.chars().count();
        text.push_str(&line);
    }
    text
}

fn head(record: &RunRecord) -> String {
    let mut head = format!(
        "**{}**\n{}, {}: {}, {}\n",
        escape(&headline::headline(record)),
        escape(&truncate(&record.clean(&record.host), MAX_HOST)),
        headline::date(record.today),
        units::count(record.errors(), "error"),
        units::count(record.warnings(), "warning"),
    );
    if let Some(fingerprint) = &record.new_host_key {
        let fingerprint = code(&truncate(&record.clean(fingerprint), MAX_HOST));
        head.push_str(&format!("New host key {fingerprint}: verify it on the SFTP server.\n"));
    }
    // Markdown needs an empty line before a table.
    head + "\n| State | Task | What happened |\n|:---|:---|:---|\n"
}

fn rows(record: &RunRecord, undelivered_mail: Option<&str>) -> Vec<Row> {
    let mut rows = Vec::new();
    for report in record.tasks() {
        let mut result = None;
        if report.state == State::Failed || is_completed(record, report) {
            let icon = if report.state == State::Failed { BAD } else { GOOD };
            rows.push(Row { icon, task: report.task, text: tasks::result(report) });
            result = Some(&report.text);
        }
        let errors = record.notes().iter().filter(|note| note.task == report.task && note.level == Level::Error);
        for error in errors.filter(|error| report.state != State::Failed || Some(&error.text) != result) {
            rows.push(Row { icon: BAD, task: report.task, text: error.text.clone() });
        }
        if let Some(reason) = undelivered_mail.filter(|_| report.task == Task::Report) {
            rows.push(Row { icon: BAD, task: report.task, text: record.clean(reason) });
        }
    }
    rows
}

/// Whether the task completed, with or without warnings. The result of a completed task is a note of level Info.
fn is_completed(record: &RunRecord, report: &TaskReport) -> bool {
    match report.state {
        State::Done => true,
        State::Warned => record
            .notes()
            .iter()
            .any(|note| note.task == report.task && note.level == Level::Info && note.text == report.text),
        State::Pending | State::UnderWay | State::Failed | State::Skipped | State::Stopped => false,
    }
}

fn format_row(row: &Row, limit: usize) -> String {
    format!("| {} | {} | {} |\n", row.icon, row.task, escape(&truncate(&row.text, limit)))
}

/// Cuts `text` to `limit` characters plus an ellipsis.
pub(super) fn truncate(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit).chain(['…']).collect()
}

/// Makes Mattermost show `text` literally, without Markdown, links, mentions, channels, hashtags and emoji.
///
/// Markdown's own characters get a backslash. Patterns that Mattermost detects in plain text (`@all`, `~channel`, `#tag`,
/// `:emoji:`, `scheme:/`, `www.`) or rewrites (`<!channel>`, `<@user>`) are broken up by [`SEPARATOR`].
pub(super) fn escape(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (index, &character) in characters.iter().enumerate() {
        if matches!(
            character,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '>' | '~' | '|' | '$'
        ) {
            out.push('\\');
        }
        match character {
            // Some Mattermost clients don't support backslash escapes of these.
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // A line break would end the row.
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
        let before = &characters[..index];
        let after = &characters[index + 1..];
        let needs_separator = match character {
            '@' | '<' | '~' | '#' => true,
            ':' => after.first() == Some(&'/') || starts_with_emoji(after),
            'w' | 'W' => before.len() >= 2 && before[before.len() - 2..].iter().all(|c| c.eq_ignore_ascii_case(&'w')),
            _ => false,
        };
        if needs_separator {
            out.push(SEPARATOR);
        }
    }
    out
}

/// Whether `text` starts with an emoji name and a colon. Two digits are part of a time of day.
fn starts_with_emoji(text: &[char]) -> bool {
    let name = text.iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-')).count();
    let is_time = name == 2 && text[..name].iter().all(char::is_ascii_digit);
    name > 0 && !is_time && text.get(name) == Some(&':')
}

/// Formats a fingerprint as code, for copying; escapes any other text.
fn code(text: &str) -> String {
    let is_fingerprint = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '+' | '/' | '='));
    if is_fingerprint && !text.is_empty() { format!("`{text}`") } else { escape(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::message::samples;

    fn cells(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut is_escaped = false;
        for character in line.chars() {
            match character {
                '|' if !is_escaped => cells.push(String::new()),
                _ => cells.last_mut().unwrap().push(character),
            }
            is_escaped = character == '\\' && !is_escaped;
        }
        cells
    }

    fn assert_is_well_formed(text: &str) {
        assert!(text.chars().count() <= MAX_POST, "{} characters", text.chars().count());
        let (_, table) = text.split_once("\n\n").expect("an empty line before the table");
        for line in table.lines() {
            let cells = cells(line);
            assert_eq!(cells.len(), 5, "{line:?}");
            assert_eq!((cells[0].as_str(), cells[4].as_str()), ("", ""), "{line:?}");
        }
    }

    #[test]
    fn an_undelivered_mail_has_a_row() {
        let text = super::text(&samples::delivered(), Some("no mail to ops@example.org"));
        assert!(text.ends_with("| :no_entry: | Report | no mail to ops@\u{200b}example.org |\n"), "{text}");
    }

    #[test]
    fn an_error_of_a_completed_task_has_its_own_row() {
        let mut record = samples::delivered();
        record.note(Level::Error, Task::CleanUp, "the worker died");
        assert!(super::text(&record, None).contains("| :no_entry: | Clean up | the worker died |"));
    }

    #[test]
    fn mentions_links_emoji_and_markup_are_escaped() {
        let cases = [
            ("@all @channel @here", "@\u{200b}all @\u{200b}channel @\u{200b}here"),
            ("<!channel> <@U1>", "&lt;\u{200b}\\!channel\\> &lt;\u{200b}@\u{200b}U1\\>"),
            ("[a](http://x)", "\\[a\\]\\(http:\u{200b}//x\\)"),
            ("www.example.org", "www\u{200b}.example.org"),
            (":smile: at 23:00:01", ":\u{200b}smile: at 23:00:01"),
            ("*a* _b_ `c` #d ~e", "\\*a\\* \\_b\\_ \\`c\\` \\#\u{200b}d \\~\u{200b}e"),
            ("a|b\\|c", "a\\|b\\\\\\|c"),
        ];
        for (text, escaped) in cases {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn only_a_fingerprint_is_formatted_as_code() {
        assert_eq!(code("SHA256:ab+/9"), "`SHA256:ab+/9`");
        assert_eq!(code("SHA256:`@all"), "SHA256:\\`@\u{200b}all");
    }

    #[test]
    fn omitted_errors_are_counted() {
        let mut record = samples::started();
        for number in 0..2_000 {
            record.note(Level::Error, Task::RequestZip, &format!("{number} {}", "|".repeat(50)));
        }
        let text = super::text(&record, None);
        assert_is_well_formed(&text);
        assert!(text.trim_end().ends_with("more |"), "{text}");
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{0,60}", "[|\\\\`@:<>\n\r\\p{Z}\\p{C}a]{0,40}", "[|\\\\a]{900,1100}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn no_text_breaks_the_table(
            results in proptest::collection::vec((hostile(), 0..Task::ALL.len(), any::<bool>()), 0..30),
            host in hostile(),
            mail in proptest::option::of(hostile()),
        ) {
            let mut record = samples::started();
            record.host = host;
            for (text, task, has_failed) in &results {
                let state = if *has_failed { State::Failed } else { State::Done };
                record.end(Task::ALL[*task], state, text, None);
            }
            assert_is_well_formed(&super::text(&record, mail.as_deref()));
        }

        #[test]
        fn no_text_can_mention_anyone(text in ".{0,40}@(all|channel|here|name).{0,40}") {
            let mut record = samples::started();
            record.end(Task::FindDump, State::Failed, &text, None);
            let text = super::text(&record, None);
            for mention in ["@all", "@channel", "@here", "@name"] {
                prop_assert!(!text.contains(mention));
            }
        }
    }
}
