//! The inline styles of the mail.

pub(super) const PAGE: &str = "margin:0 auto;padding:16px;max-width:680px;font-size:15px;line-height:1.45;\
                    font-family:Segoe UI,Roboto,Helvetica,Arial,sans-serif";
pub(super) const TABLE: &str = "border-collapse:collapse;width:100%";
pub(super) const CELL: &str = "padding:5px 12px 5px 0;border-bottom:1px solid #8883;text-align:left;vertical-align:top;\
                    overflow-wrap:anywhere;word-break:break-word";
pub(super) const LABEL: &str = "padding:5px 14px 5px 0;border-bottom:1px solid #8883;text-align:left;vertical-align:top;\
                     font-weight:normal;opacity:0.7;white-space:nowrap;width:1%";
pub(super) const TITLE: &str = "font-size:16px;margin:30px 0 6px";
pub(super) const QUIET: &str = "font-size:13px;opacity:0.7;overflow-wrap:anywhere";
// The width of a column. On a narrow screen, the text wraps below it.
pub(super) const TASK: &str = "display:inline-block;width:10.5em";
pub(super) const TEXT: &str = "display:inline-block";
// Side by side if they fit, otherwise stacked in full width: the result of calc is negative or far too large, so min-width
// or max-width applies. A mail reader without calc uses the width before it.
pub(super) const FIGURE: &str = "display:inline-block;vertical-align:top;box-sizing:border-box;margin-top:20px;padding-right:16px;\
                      width:212px;width:calc((520px - 100%)*500);min-width:212px;max-width:100%";
