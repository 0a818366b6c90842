//! Whether two names may be one person's.

/// How alike the words that differ must be.
const SIMILARITY_MIN: f64 = 0.9;
/// In shorter words a letter is the whole difference between two names.
const TYPO_LETTERS_MIN: usize = 4;

/// Whether two keys of [`name_key`](crate::name_key) may be one person's name.
///
/// They may if they have the same words in whatever order or spacing, if one has an initial more,
/// or if one word has one typing error. Members of a family differ in one word, so that word
/// must be long enough to be sure, and must not be pinyin, where each letter makes another name.
pub(crate) fn are_compatible(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (left, right) = (sorted_words(left), sorted_words(right));
    if left.is_empty() || right.is_empty() {
        return false;
    }
    let only_left = without(&left, &right);
    let only_right = without(&right, &left);
    match (only_left.as_slice(), only_right.as_slice()) {
        ([], []) => true,
        ([word], [other]) => is_typo(word, other),
        ([initial], []) => is_initial_more(initial, &right),
        ([], [initial]) => is_initial_more(initial, &left),
        _ => is_same_unspaced(&only_left, &only_right),
    }
}

fn sorted_words(key: &str) -> Vec<&str> {
    let mut words: Vec<_> = key.split(' ').filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

/// The sorted words that `other`, also sorted, lacks; a word that is there twice counts twice.
fn without<'a>(words: &[&'a str], other: &[&str]) -> Vec<&'a str> {
    let mut rest = other.iter().peekable();
    let mut missing = Vec::new();
    for &word in words {
        while rest.next_if(|&&own| own < word).is_some() {}
        if rest.next_if(|&&own| own == word).is_none() {
            missing.push(word);
        }
    }
    missing
}

fn is_typo(word: &str, other: &str) -> bool {
    word.chars().count().min(other.chars().count()) >= TYPO_LETTERS_MIN
        && !is_pinyin(word)
        && !is_pinyin(other)
        && strsim::osa_distance(word, other) == 1
        && strsim::jaro_winkler(word, other) >= SIMILARITY_MIN
}

fn is_initial_more(initial: &str, common: &[&str]) -> bool {
    initial.chars().count() == 1 && common.len() >= 2 && !common.iter().all(|word| is_pinyin(word))
}

/// Whether `xiao ming` is written `xiaoming` on the other side.
fn is_same_unspaced(left: &[&str], right: &[&str]) -> bool {
    let (([word], parts) | (parts, [word])) = (left, right) else {
        return false;
    };
    // The words are sorted, so their order in the name is not known any more.
    parts.len() <= 3 && is_made_of(word, parts)
}

fn is_made_of(word: &str, parts: &[&str]) -> bool {
    if parts.is_empty() {
        return word.is_empty();
    }
    (0..parts.len()).any(|chosen| {
        word.strip_prefix(parts[chosen]).is_some_and(|rest| {
            let others: Vec<_> = [&parts[..chosen], &parts[chosen + 1..]].concat();
            is_made_of(rest, &others)
        })
    })
}

const INITIALS: [&str; 24] = [
    "", "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x",
    "r", "z", "c", "s", "y", "w",
];
const FINALS: [&str; 36] = [
    "a", "o", "e", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "ong", "er", "i", "ia", "ie",
    "iao", "iu", "ian", "in", "iang", "ing", "iong", "u", "ua", "uo", "uai", "ui", "uan", "un",
    "uang", "ue", "v", "ve", "van", "vn",
];

/// Whether a word reads as one or more syllables of pinyin.
///
/// Some words of other languages do as well, and are then held to be equal or different.
fn is_pinyin(word: &str) -> bool {
    // Where a row of syllables may end, by byte.
    let mut ends = vec![false; word.len() + 1];
    ends[0] = true;
    for start in 0..word.len() {
        if !ends[start] || !word.is_char_boundary(start) {
            continue;
        }
        for initial in INITIALS {
            let Some(rest) = word[start..].strip_prefix(initial) else {
                continue;
            };
            for rhyme in FINALS.into_iter().filter(|rhyme| rest.starts_with(rhyme)) {
                ends[start + initial.len() + rhyme.len()] = true;
            }
        }
    }
    ends[word.len()]
}

#[cfg(test)]
mod tests;
