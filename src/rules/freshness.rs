//! Whether a dump is fresh: was it modified on the day that the run is for?
