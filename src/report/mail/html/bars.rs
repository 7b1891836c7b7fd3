//! The chart as a table: each bar is a cell with a background colour and a height, which every mail reader draws.

use maud::{Markup, html};

use crate::record::run_record::RunRecord;
use crate::report::mail::html::style::QUIET;
use crate::report::message::chart::{Chart, Column};
use crate::report::message::colour::{AMBER, BLUE, GREEN, GREY};
use crate::report::message::headline;
use crate::rules::units;

/// In pixels, like the other lengths.
const HEIGHT: u64 = 84;

const MAX_COLUMN_WIDTH: usize = 22;

/// With fewer columns, the dates don't fit below their bars.
const MIN_COLUMNS_FOR_DATES: usize = 10;

/// The part of a cut-off bar above the gap.
const TIP: u64 = 8;

/// Caption, chart, dates and legend; empty without a history.
pub(crate) fn chart(record: &RunRecord) -> Markup {
    let Some(chart) = Chart::for_run(record) else { return html! {} };
    let width = format!(
        "border-collapse:collapse;table-layout:fixed;width:100%;max-width:{}px",
        chart.columns.len() * MAX_COLUMN_WIDTH
    );
    html! {
        div style=(format!("{QUIET};margin-top:24px")) { (chart.caption()) }
        table role="img" aria-label=(chart.caption()) cellpadding="0" cellspacing="0" border="0"
            style=(format!("{width};margin-top:8px")) {
            tr { @for column in &chart.columns { (cell(&chart, column)) } }
        }
        (dates(&chart, &width))
        (legend(&chart))
    }
}

/// The first and the last date: below their bars if they fit, otherwise on one line.
fn dates(chart: &Chart, width: &str) -> Markup {
    let Some((first, last)) = chart.date_range() else { return html! {} };
    if chart.columns.len() < MIN_COLUMNS_FOR_DATES {
        return html! {
            div style=(format!("{QUIET};padding-top:3px")) { (headline::day(first)) " to " (headline::date(last)) }
        };
    }
    html! {
        table role="presentation" cellpadding="0" cellspacing="0" border="0" style=(width) {
            tr {
                td style=(format!("{QUIET};padding-top:3px;text-align:left")) { (headline::day(first)) }
                td style=(format!("{QUIET};padding-top:3px;text-align:right")) { (headline::date(last)) }
            }
        }
    }
}

fn cell(chart: &Chart, column: &Column) -> Markup {
    let (title, bar) = match column {
        Column::Gap(date) => (format!("{}: no archive", headline::date(*date)), bar(AMBER, 5)),
        Column::Archive { date, size: None, .. } => (format!("{}: unknown size", headline::date(*date)), bar(GREY, 5)),
        Column::Archive { date, size: Some(size), is_new } => {
            let colour = if *is_new { GREEN } else { BLUE };
            let height = chart.height(*size, HEIGHT);
            let rows = if chart.is_cut_off(*size) {
                html! { (bar(colour, TIP)) (gap()) (bar(colour, height - TIP - 3)) }
            } else {
                bar(colour, height)
            };
            (format!("{}: {}", headline::date(*date), units::size(*size)), rows)
        }
    };
    html! {
        td title=(title) height=(HEIGHT) valign="bottom"
            style=(format!("height:{HEIGHT}px;padding:0 1px;vertical-align:bottom;border-bottom:1px solid #888")) {
            table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"
                style="border-collapse:collapse;width:100%" { (bar) }
        }
    }
}

fn bar(colour: &str, height: u64) -> Markup {
    html! {
        tr { td height=(height) bgcolor=(colour)
            style=(format!("height:{height}px;background:{colour};font-size:1px;line-height:1px")) {} }
    }
}

fn gap() -> Markup {
    html! { tr { td height="3" style="height:3px;font-size:1px;line-height:1px" {} } }
}

/// The meaning of the colours, if there is more than one.
fn legend(chart: &Chart) -> Markup {
    let is_new = |column: &Column| matches!(column, Column::Archive { is_new: true, .. });
    let entries = [
        (GREEN, "new", chart.columns.iter().any(is_new)),
        (BLUE, "earlier", true),
        (AMBER, "no archive", chart.has_gaps()),
    ];
    html! {
        @if entries.iter().filter(|(.., is_used)| *is_used).count() > 1 {
            div style="font-size:13px;margin-top:2px" {
                @for (colour, meaning, _) in entries.iter().filter(|(.., is_used)| *is_used) {
                    span style=(format!("color:{colour}")) { "\u{25a0}" }
                    " "
                    span style="opacity:0.7;margin-right:12px" { (meaning) }
                    " "
                }
            }
        }
    }
}
