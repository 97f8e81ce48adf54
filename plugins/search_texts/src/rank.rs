//! Owns how well a text fits a question: Okapi BM25 over words.
//! Never reads a file, and gives the same order on every machine.

use std::collections::{BTreeMap, BTreeSet};

/// How soon more of the same word stops counting.
const K1: f64 = 1.2;
/// How much a long text is held against it.
const B: f64 = 0.75;

/// Words that are in every text.
const COMMON: &str = " a about after all also an and any are as at be been before but by can could did do \
     does each for from had has have how if in into is it its may more most no nor not of on or other out \
     over per should so some such than that the their them then there these they this those to under up \
     was were what when where which while who whom whose why will with would you your ";

/// The `top` texts that fit best, with their scores, the best first. Of equals the earlier one.
pub(crate) fn best(texts: &[&str], query: &str, top: usize) -> Vec<(usize, f64)> {
    let wanted: BTreeSet<String> = words(query).collect();
    let counted: Vec<BTreeMap<String, usize>> = texts.iter().map(|text| count(text)).collect();
    let lengths: Vec<usize> = counted.iter().map(|words| words.values().sum()).collect();
    let average = lengths.iter().sum::<usize>() as f64 / texts.len().max(1) as f64;
    let mut scores: Vec<(usize, f64)> = Vec::new();
    for (index, words) in counted.iter().enumerate() {
        let share = lengths[index] as f64 / average;
        let score_of = |word: &String| {
            let often = *words.get(word)? as f64;
            let weight = often * (K1 + 1.0) / (often + K1 * (1.0 - B + B * share));
            Some(rarity(word, &counted) * weight)
        };
        let score: f64 = wanted.iter().filter_map(score_of).sum();
        if score > 0.0 {
            scores.push((index, score));
        }
    }
    scores.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
    scores.truncate(top);
    scores
}

fn rarity(word: &str, texts: &[BTreeMap<String, usize>]) -> f64 {
    let with = texts.iter().filter(|words| words.contains_key(word)).count() as f64;
    let all = texts.len() as f64;
    ((all - with + 0.5) / (with + 0.5) + 1.0).ln()
}

fn count(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words(text) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// Its words in lower case, without the common ones, and without the `s` of a plural.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase);
    words.filter(|word| word.len() > 1 && !COMMON.contains(&format!(" {word} "))).map(|word| {
        let is_plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
        if is_plural { word[..word.len() - 1].to_owned() } else { word }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], query: &str, expected: &[usize]) {
        let found: Vec<usize> = best(texts, query, 3).into_iter().map(|(index, _)| index).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_rare_word_counts_more_than_a_frequent_one() {
        check(
            &["rope and ice", "rope and rope", "rope and axe"],
            "the rope or the axe?",
            &[2, 1, 0],
        );
    }

    #[test]
    fn a_short_text_goes_before_a_long_one() {
        let long = format!("ice {}", "snow ".repeat(50));
        check(&[&long, "ice snow"], "ice", &[1, 0]);
    }

    #[test]
    fn plurals_and_capitals_do_not_matter() {
        check(&["Ropes", "glass"], "a ROPE", &[0]);
        check(&["Ropes", "glass"], "Glass", &[1]);
    }

    #[test]
    fn nothing_in_common_finds_nothing() {
        check(&["rope", "axe"], "what is it?", &[]);
        check(&[], "rope", &[]);
    }
}
