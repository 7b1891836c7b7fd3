//! Progress bars and spinners, only on a terminal. They disappear when dropped.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// All clones draw in the same place.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
}

/// The progress of one transfer, in bytes.
#[derive(Debug)]
pub struct Bar(ProgressBar);

#[derive(Debug)]
#[must_use = "dropping it removes the spinner"]
pub struct Spinner(ProgressBar);

const STYLE: &str = "{prefix:>14} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const STYLE_WITHOUT_TOTAL: &str = "{prefix:>14} {spinner} {bytes}, {bytes_per_sec}";

impl Progress {
    /// Draws on stderr if that is a terminal.
    pub fn on_terminal() -> Progress {
        Progress { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()) }
    }

    /// Prints `line` on stderr, above any bars.
    pub fn eprint(&self, line: &str) {
        // Without stderr, nobody reads it.
        let _ = self.bars.suspend(|| writeln!(io::stderr(), "{line}"));
    }

    /// Prints `line` on stdout, above any bars.
    pub fn print(&self, line: &str) {
        // Without stdout, nobody reads it.
        let _ = self.bars.suspend(|| writeln!(io::stdout(), "{line}"));
    }

    pub fn spinner(&self, message: &str) -> Spinner {
        let bar = self.bars.add(ProgressBar::new_spinner().with_message(message.to_owned()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }

    /// `total` is in bytes.
    pub fn bar(&self, label: &'static str, total: Option<u64>) -> Bar {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if total.is_some() { STYLE } else { STYLE_WITHOUT_TOTAL };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Bar(self.bars.add(bar.with_style(style).with_prefix(label)))
    }
}

impl Bar {
    pub fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// Advances this bar by the bytes read from `reader`.
    pub fn wrap_read<R: Read>(self, reader: R) -> impl Read {
        ProgressReader { reader, bar: self }
    }
}

struct ProgressReader<R> {
    reader: R,
    bar: Bar,
}

impl<R: Read> Read for ProgressReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).inspect(|count| self.bar.advance(*count))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
