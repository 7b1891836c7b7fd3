//! The mail's HTML part: tables with inline styles, as mail readers drop style sheets; nothing is loaded from
//! elsewhere, and colours work on light and dark grounds.

use maud::{DOCTYPE, Markup, html};

use crate::report::message::facts::facts;
use crate::report::message::plain::origin;
use crate::report::message::words;
use crate::run_record::{Level, Note, Outcome, RunRecord, State};

const PAGE: &str = "margin:0 auto;padding:1em;max-width:60em;font-size:15px;line-height:1.4;\
                    font-family:Segoe UI,Roboto,Helvetica,Arial,sans-serif";
const TABLE: &str = "border-collapse:collapse;width:100%";
const CELL: &str = "padding:4px 12px 4px 4px;border-bottom:1px solid #8884;text-align:left;vertical-align:top;\
                    overflow-wrap:anywhere;word-break:break-word";
const LABEL: &str = "padding:4px 12px 4px 4px;border-bottom:1px solid #8884;text-align:left;vertical-align:top;\
                     font-weight:normal;opacity:0.75;white-space:nowrap;width:1%";
const HEADLINE: &str = "font-size:20px;margin:0 0 0.8em;padding-left:0.6em";
const TITLE: &str = "font-size:17px;margin:1.4em 0 0.4em";
// A column where there is room; on a narrow screen what happened goes below it.
const TASK: &str = "display:inline-block;width:10.5em";
const TEXT: &str = "display:inline-block";

// Each in the middle between white and black, so that it can be read on both.
const GREEN: &str = "#23863f";
const AMBER: &str = "#b06900";
const RED: &str = "#dd3336";
const GREY: &str = "#787878";

/// The run as an HTML document that says the same as [`plain_text`](super::plain_text).
pub fn html(record: &RunRecord) -> String {
    let headline = words::headline(record);
    let colour = match record.outcome() {
        Outcome::Success => GREEN,
        Outcome::Warnings => AMBER,
        Outcome::Failed | Outcome::Interrupted(_) => RED,
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (headline) }
            }
            body style=(format!("color-scheme:light dark;{PAGE}")) {
                h1 style=(format!("{HEADLINE};border-left:6px solid {colour}")) { (headline) }
                @if let Some(counts) = words::counts(record) {
                    p { (counts) }
                }
                (list(record, Level::Error, "Errors", RED))
                (list(record, Level::Warning, "Warnings", AMBER))
                h2 style=(TITLE) { "Facts" }
                (facts_table(record))
                h2 style=(TITLE) { "Tasks" }
                (tasks_table(record))
                p style="opacity:0.75;font-size:13px;overflow-wrap:anywhere" { (origin(record)) }
            }
        }
    };
    page.into_string()
}

fn facts_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for fact in facts(record) {
                tr {
                    th scope="row" style=(LABEL) { (fact.label) }
                    td style=(CELL) {
                        @for (index, line) in fact.lines.iter().enumerate() {
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
    let notes: Vec<&Note> = words::notes(record, level);
    html! {
        @if !notes.is_empty() {
            h2 style=(format!("{TITLE};color:{colour}")) { (title) }
            ul style="margin:0;padding-left:1.4em;overflow-wrap:anywhere" {
                @for note in notes {
                    li { b { (note.task) } ": " (note.text) }
                }
            }
        }
    }
}

fn tasks_table(record: &RunRecord) -> Markup {
    html! {
        table style=(TABLE) {
            @for report in words::told_tasks(record) {
                tr {
                    td style=(format!("{CELL};color:{};white-space:nowrap;width:1%", colour_of(report.state))) {
                        b { (words::state(report.state)) }
                    }
                    td style=(CELL) {
                        span style=(TASK) { (report.task) }
                        " "
                        span style=(TEXT) { (words::ending(report)) }
                    }
                }
            }
        }
    }
}

fn colour_of(state: State) -> &'static str {
    match state {
        State::Done => GREEN,
        State::Warned => AMBER,
        State::Failed => RED,
        State::Pending | State::UnderWay | State::Skipped | State::Stopped => GREY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::message::samples;

    /// One element a line, so that a snapshot's difference can be read.
    fn in_lines(page: &str) -> String {
        page.replace("><", ">\n<")
    }

    #[test]
    fn clean_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::clean_night())));
    }

    #[test]
    fn stale_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::stale_night())));
    }

    #[test]
    fn failed_night() {
        insta::assert_snapshot!(in_lines(&html(&samples::failed_night())));
    }

    #[test]
    fn text_from_outside_never_becomes_an_element() {
        let page = html(&samples::failed_night());
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for record in [samples::clean_night(), samples::failed_night()] {
            let page = html(&record);
            for reference in [" src=", " href=", "url(", "@import"] {
                assert!(!page.contains(reference), "{reference} in {page}");
            }
        }
    }
}
