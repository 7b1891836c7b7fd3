//! Which known word a misspelt one means.

/// More of a word is not compared, in characters.
const LONGEST_WORD: usize = 60;

/// How alike two words are of which one begins with the other, as `hostname` and `host`: more than unrelated words, less
/// than a misspelt one.
const SAME_BEGINNING: f64 = 0.6;

/// `did you mean "…"?` with the candidate that `word` is most like; `None` where it is like none of them.
pub fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    let word: String = word.chars().take(LONGEST_WORD).collect::<String>().to_lowercase();
    candidates
        .iter()
        .map(|candidate| (likeness(&word, &candidate.to_lowercase()), candidate))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .filter(|(likeness, _)| *likeness > 0.5)
        .map(|(_, candidate)| format!("did you mean \"{candidate}\"?"))
}

/// From 0 to 1.
fn likeness(word: &str, candidate: &str) -> f64 {
    let by_letters = strsim::normalized_damerau_levenshtein(word, candidate);
    let begins_alike = word.len() > 2 && (word.starts_with(candidate) || candidate.starts_with(word));
    if begins_alike { by_letters.max(SAME_BEGINNING) } else { by_letters }
}
