//! The mail's HTML part: tables with inline styles, as mail readers drop style sheets. It loads nothing, fits a browser and
//! a phone, and is readable on light and dark backgrounds. Outlook for Windows renders like Word, which supports tables with
//! `bgcolor` and `height`, and little else.

mod bars;
pub(super) mod overview;
mod style;

use maud::{DOCTYPE, Markup, html};

use crate::record::run_record::{Level, RunRecord, State, TaskReport};
use crate::report::mail::html::style::{CELL, FIGURE, LABEL, PAGE, QUIET, TABLE, TASK, TEXT, TITLE};
use crate::report::message::colour::{self, AMBER, RED};
use crate::report::message::facts::facts;
use crate::report::message::figures::{self, Figure};
use crate::report::message::{headline, tasks};

/// An HTML document with the same content as the plain text.
pub(super) fn html(record: &RunRecord) -> String {
    let headline = headline::headline(record);
    let body = html! {
        (outcome(colour::for_outcome(record), &headline, &subtitles(record)))
        (details(record))
    };
    page(&headline, &body).into_string()
}

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (title) }
            }
            body style=(format!("color-scheme:light dark;{PAGE}")) { (body) }
        }
    }
}

/// What happened to the last good archive, if that matters, and the run's host, date and counts.
fn subtitles(record: &RunRecord) -> [Option<String>; 2] {
    [figures::last_good(record), Some(headline::host_date_and_counts(record))]
}

/// Everything but the outcome.
fn details(record: &RunRecord) -> Markup {
    html! {
        (list(record, Level::Error, "Errors", RED))
        (list(record, Level::Warning, "Warnings", AMBER))
        @if let Some(sent) = figures::sent(record) {
            div style="margin-top:24px" { (figure(&sent, 22)) }
        }
        (bars::chart(record))
        @for folder_figure in figures::folder_figures(record) {
            div style=(FIGURE) { (figure(&folder_figure, 20)) }
        }
        h2 style=(TITLE) { "Details" }
        (facts_table(record))
        h2 style=(TITLE) { "Tasks" }
        (tasks_table(record))
        p style=(format!("{QUIET};margin:20px 0 0")) { (headline::origin(record)) }
    }
}

/// `headline`, next to a bar in the outcome's colour; below it the `subtitles`, the last one smaller.
fn outcome(colour: &str, headline: &str, subtitles: &[Option<String>; 2]) -> Markup {
    let [sentence, quiet] = subtitles;
    html! {
        table cellpadding="0" cellspacing="0" border="0" style=(TABLE) {
            tr {
                td width="6" bgcolor=(colour) style=(format!("width:6px;background:{colour};border-radius:3px")) {}
                td style="padding:2px 0 2px 16px" {
                    h1 style="font-size:22px;line-height:1.25;margin:0" { (headline) }
                    @if let Some(sentence) = sentence {
                        p style="font-size:16px;margin:6px 0 0;overflow-wrap:anywhere" { (sentence) }
                    }
                    @if let Some(quiet) = quiet {
                        p style=(format!("{QUIET};margin:6px 0 0")) { (quiet) }
                    }
                }
            }
        }
    }
}

/// `size` is the font size of the value in pixels.
fn figure(figure: &Figure, size: u32) -> Markup {
    html! {
        div style=(QUIET) { (figure.label) }
        div style=(format!("font-size:{size}px;line-height:1.3;font-weight:600")) { (figure.value) }
        @for note in &figure.notes {
            div style=(QUIET) { (note) }
        }
    }
}

fn facts_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for fact in facts(record) {
                tr {
                    th scope="row" style=(LABEL) { (fact.label) }
                    td style=(CELL) {
                        @for (index, line) in fact.lines().enumerate() {
                            @if index > 0 { br; }
                            (line)
                        }
                    }
                }
            }
        }
    }
}

fn list(record: &RunRecord, level: Level, title: &str, colour: &str) -> Markup {
    let mut notes = tasks::notes(record, level).peekable();
    html! {
        @if notes.peek().is_some() {
            h2 style=(format!("{TITLE};color:{colour}")) { (title) }
            ul style="margin:0;padding-left:20px;overflow-wrap:anywhere" {
                @for note in notes {
                    li style="margin:0 0 4px" { b { (note.task) } ": " (note.text) }
                }
            }
        }
    }
}

fn tasks_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for group in tasks::listed(record).collect::<Vec<_>>().chunk_by(|a, b| share_row(a, b)) {
                @let (first, state) = (group[0], group[0].state);
                tr {
                    td style=(format!("{CELL};color:{};white-space:nowrap;width:1%", colour::for_state(state))) {
                        b { (tasks::state(state)) }
                    }
                    td style=(CELL) {
                        @if group.len() == 1 {
                            span style=(TASK) { (first.task) } " "
                        } @else {
                            (group.iter().map(|report| report.task.title()).collect::<Vec<_>>().join(", ")) ": "
                        }
                        span style=(TEXT) { (tasks::result(first)) }
                    }
                }
            }
        }
    }
}

/// Tasks that did not run for the same reason share a row.
fn share_row(a: &TaskReport, b: &TaskReport) -> bool {
    let did_not_run = matches!(a.state, State::Stopped | State::Skipped);
    did_not_run && (a.state, &a.text) == (b.state, &b.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    #[test]
    fn each_kind_of_run_has_its_html() {
        for (name, record) in samples::all() {
            // One element per line, for readable diffs.
            insta::assert_snapshot!(name, html(&record).replace("><", ">\n<"));
        }
    }

    #[test]
    fn no_mail_is_clipped_or_loads_anything() {
        for (name, record) in samples::all() {
            let page = html(&record);
            // Gmail clips a mail at 102 KB.
            assert!(page.len() < 60_000, "{name}: {}", page.len());
            for reference in ["<script", "<style", " src=", " href=", "url(", "@import"] {
                assert!(!page.contains(reference), "{name}: {reference}");
            }
        }
        assert!(html(&samples::hostile()).contains("&lt;script&gt;"));
    }

    /// Writes the mails into the folder `$MAIL_PICTURES`.
    #[test]
    #[ignore = "scripts/mail_pictures.sh runs it"]
    fn write_mails_for_pictures() {
        let folder = std::env::var("MAIL_PICTURES").expect("MAIL_PICTURES names a folder");
        for (name, record) in samples::all() {
            std::fs::write(format!("{folder}/{name}.html"), html(&record)).unwrap();
        }
    }
}
