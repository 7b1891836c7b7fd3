//! Which entry of the ZIP is the dump, and what keeps an entry from being one.
