//! The text of a message about several jobs: a headline and a table of the jobs, the worst first.

use crate::record::run_record::RunRecord;
use crate::report::mattermost::markdown::{CELL_LIMITS, MAX_POST, escape, truncate};
use crate::report::message::colour::{GREEN, RED};
use crate::report::message::overview::{self, Row};

const HEAD: &str = "| | Job | Outcome | Size | Last good archive | What to do |\n|:---|:---|:---|---:|:---|:---|\n";

/// At most [`MAX_POST`] characters: with more jobs, the cells get shorter, and then the last rows are omitted.
pub(super) fn text(records: &[RunRecord], undelivered_mail: Option<&str>) -> String {
    let rows = overview::rows(records);
    let mut head =
        format!("**{}**\n{}\n", escape(&overview::headline(records)), escape(&overview::host_date_and_counts(records)));
    if let Some((reason, record)) = undelivered_mail.zip(records.first()) {
        head += &format!(":no_entry: {}\n", escape(&truncate(&record.clean(reason), CELL_LIMITS[0])));
    }
    let head = head + "\n" + HEAD;
    let lines = |limit: usize| rows.iter().map(|row| format_row(row, limit)).collect::<Vec<String>>();
    let length = |text: &str| text.chars().count();
    for limit in CELL_LIMITS {
        let text = head.clone() + &lines(limit).concat();
        if length(&text) <= MAX_POST {
            return text;
        }
    }
    let mut text = head;
    let mut left = MAX_POST.saturating_sub(length(&text));
    for (index, line) in lines(CELL_LIMITS[CELL_LIMITS.len() - 1]).iter().enumerate() {
        let omitted = format!("| | … | {} more | | | |\n", rows.len() - index);
        if left < length(line) + length(&omitted) {
            return text + &omitted;
        }
        left -= length(line);
        text.push_str(line);
    }
    text
}

fn format_row(row: &Row<'_>, limit: usize) -> String {
    let icon = match row.colour {
        GREEN => ":white_check_mark:",
        RED => ":no_entry:",
        _ => ":warning:",
    };
    let cell = |text: &str| escape(&truncate(text, limit));
    let size = match &row.size {
        Some((size, Some(percent))) => format!("{size} ({percent} %)"),
        Some((size, None)) => size.clone(),
        None => String::new(),
    };
    let (name, outcome, to_do) = (cell(&row.name), cell(&row.outcome), cell(&row.to_do));
    format!("| {icon} | {name} | {outcome} | {size} | {} | {to_do} |\n", row.last_good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn the_message_about_several_jobs_is_a_table() {
        insta::assert_snapshot!(text(&samples::jobs(), Some("the mail did not reach 1 of 1 recipients: refused")));
    }

    #[test]
    fn a_message_about_many_jobs_fits_one_post() {
        let mut records: Vec<RunRecord> = samples::jobs().into_iter().cycle().take(2_000).collect();
        records.iter_mut().for_each(|record| record.name = "@all | [x](http://x)".repeat(5));
        let text = text(&records, None);
        assert!(text.chars().count() <= MAX_POST && text.contains(" more | | | |"), "{}", text.chars().count());
        assert!(!text.contains("@all") && !text.contains("http://"), "{text}");
    }
}
