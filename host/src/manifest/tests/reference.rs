//! The reference page and the code name the same things.

use super::super::{cel_words, keys};

const PAGE: &str = include_str!("../../../docs/manifest.md");

#[test]
fn every_key_is_in_the_reference() {
    let missing: Vec<String> = keys::ALL
        .iter()
        .flat_map(|table| table.keys.iter().map(move |key| (table.name, key)))
        .filter(|(_, key)| !PAGE.contains(&format!("`{key}`")))
        .map(|(table, key)| format!("`{key}` of {table}"))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_function_is_in_the_reference() {
    let missing: Vec<&str> = cel_words::FUNCTIONS
        .into_iter()
        .filter(|name| !PAGE.contains(&format!("`{name}")))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_example_of_the_reference_is_without_mistakes() {
    let examples: Vec<&str> =
        PAGE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty(), "the page should have examples");
    for example in examples {
        super::good(example);
    }
}
