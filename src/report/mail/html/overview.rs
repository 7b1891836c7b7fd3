//! The mail about several jobs: the table of all jobs, the failed ones in full, the others folded.

use maud::{Markup, PreEscaped, html};

use crate::record::run_record::{Level, RunRecord};
use crate::report::mail::html::style::{CELL, QUIET, TABLE, TITLE};
use crate::report::mail::html::{details, list, outcome, page, subtitles};
use crate::report::message::colour::{AMBER, BLUE, RED, for_outcome};
use crate::report::message::overview::{self, Row, has_failed};
use crate::report::message::{facts, headline};

/// Gmail clips a mail at 102 KB. In bytes.
const MAX_PAGE: usize = 90_000;

/// The table has the worst jobs. The others are named below it.
const MAX_ROWS: usize = 40;

/// The width in pixels of a bar for the usual size; twice that is the longest one.
const USUAL: u64 = 36;

/// Sizes below and above these percentages of the usual one are highlighted: the defaults of the section `alarm`.
const USUAL_PERCENT: std::ops::RangeInclusive<u64> = 50..=300;

/// An HTML document about `records`, which are not empty.
pub(in crate::report::mail) fn html(records: &[RunRecord]) -> String {
    let (rows, title) = (overview::rows(records), overview::headline(records));
    let subtitles = [None, Some(overview::host_date_and_counts(records))];
    let top = html! {
        (outcome(overview::colour(records), &title, &subtitles))
        (table(&rows))
    };
    let (failed, others): (Vec<&Row<'_>>, Vec<&Row<'_>>) = rows.iter().partition(|row| has_failed(row.record));
    let mut body = top.into_string();
    let mut omitted = 0;
    let sections = failed.iter().map(|row| in_full(row)).chain(others.iter().map(|row| folded(row)));
    for section in sections.map(Markup::into_string) {
        if body.len() + section.len() > MAX_PAGE {
            omitted += 1;
        } else {
            body.push_str(&section);
        }
    }
    let omitted = html! {
        @if omitted > 0 {
            p style=(format!("{QUIET};margin:20px 0 0")) { "The details of " (omitted) " more jobs are in their logs." }
        }
    };
    page(&title, &html! { (PreEscaped(body)) (omitted) }).into_string()
}

fn table(rows: &[Row<'_>]) -> Markup {
    let others: Vec<&str> = rows.iter().skip(MAX_ROWS).map(|row| row.name.as_str()).collect();
    html! {
        table style=(format!("{TABLE};margin-top:24px")) {
            tr {
                @for title in ["Job", "Size", "Last good"] {
                    th scope="col" style=(format!("{CELL};{QUIET};font-weight:normal")) { (title) }
                }
            }
            @for row in rows.iter().take(MAX_ROWS) {
                @let cell = if row.to_do.is_empty() { CELL.to_owned() } else { format!("{CELL};border-bottom:0") };
                tr {
                    td style=(cell) {
                        b { (row.name) }
                        " "
                        span style=(format!("color:{};font-weight:600", row.colour)) { (row.outcome) }
                    }
                    td style=(format!("{cell};width:92px")) { (size(row)) }
                    td style=(format!("{cell};width:80px")) { (row.last_good) }
                }
                @if !row.to_do.is_empty() {
                    tr { td colspan="3" style=(format!("{CELL};padding-top:0;{QUIET}")) { (row.to_do) } }
                }
            }
        }
        @if !others.is_empty() {
            p style=(format!("{QUIET};margin:8px 0 0")) { "Also: " (others.join(", ")) "." }
        }
    }
}

fn size(row: &Row<'_>) -> Markup {
    let Some((size, percent)) = &row.size else { return html! {} };
    html! {
        span style="white-space:nowrap" { (size) }
        @if let Some(percent) = percent {
            @let width = (percent.saturating_mul(USUAL) / 100).clamp(1, 2 * USUAL);
            @let colour = if USUAL_PERCENT.contains(percent) { BLUE } else { AMBER };
            table role="img" aria-label=(format!("{percent} % of the usual size")) cellpadding="0" cellspacing="0"
                border="0" style="border-collapse:collapse" {
                tr {
                    td width=(width) height="6" bgcolor=(colour)
                        style=(format!("width:{width}px;height:6px;background:{colour};font-size:1px;line-height:1px")) {}
                    td style=(format!("{QUIET};line-height:1;padding-left:4px;white-space:nowrap")) { (percent) " %" }
                }
            }
        }
    }
}

fn in_full(row: &Row<'_>) -> Markup {
    let headline = format!("{}: {}", row.name, headline::headline(row.record));
    html! {
        div style="margin-top:40px" {
            (outcome(for_outcome(row.record), &headline, &subtitles(row.record)))
            @if row.record.not_begun.is_none() {
                (details(row.record))
            } @else {
                (list(row.record, Level::Error, "Errors", RED))
            }
        }
    }
}

fn folded(row: &Row<'_>) -> Markup {
    let facts = facts::facts(row.record);
    html! {
        details style="margin-top:12px" {
            summary { b { (row.name) } ": " (row.outcome) }
            h2 style=(TITLE) { "Details" }
            p style=(QUIET) {
                @for fact in &facts {
                    (fact.label) ": " (fact.lines().cloned().collect::<Vec<_>>().join("; ")) br;
                }
                (headline::origin(row.record))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn the_mail_about_several_jobs_has_its_html() {
        insta::assert_snapshot!(html(&samples::jobs()).replace("><", ">\n<"));
    }

    #[test]
    fn a_mail_about_many_jobs_is_not_clipped_and_names_each() {
        let mut records: Vec<RunRecord> = samples::jobs().into_iter().cycle().take(300).collect();
        records.iter_mut().zip(1..).for_each(|(record, number)| record.name = format!("job {number}!"));
        let page = html(&records);
        assert!(page.len() < 102_000, "{}", page.len());
        assert!(records.iter().all(|record| page.contains(&record.name)));
        assert!(page.contains("more jobs are in their logs"));
    }

    /// Writes the mail into the folder `$MAIL_PICTURES`.
    #[test]
    #[ignore = "scripts/mail_pictures.sh runs it"]
    fn write_mail_for_pictures() {
        let folder = std::env::var("MAIL_PICTURES").expect("MAIL_PICTURES names a folder");
        std::fs::write(format!("{folder}/jobs.html"), html(&samples::jobs())).unwrap();
    }
}
