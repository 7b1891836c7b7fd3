//! Which sizes of an archive are suspicious, beside those of the archives before it.

/// Which sizes are as usual, in percent of the median of the last archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Less than this is suspicious; 0 to 100, at 0 nothing is.
    pub smaller_than_percent: u32,
    /// More than this is suspicious; at least 100.
    pub larger_than_percent: u32,
}
