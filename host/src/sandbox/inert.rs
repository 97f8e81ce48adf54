//! Makes a stranger's text harmless to show: what would steer a terminal becomes visible instead.
//! Works on text alone; knows no terminal and no colour, and never shortens.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that could move a cursor, hide, reorder or break a line written
/// out: `\n`, `\r` and `\t` by these names, all others as `\u{1b}`. Printable text stays as it is,
/// with a backslash doubled only where something else is written out.
///
/// One line in is one line out: a guest cannot forge a line of its reader's log.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut inert = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => inert.push_str("\\n"),
            '\r' => inert.push_str("\\r"),
            '\t' => inert.push_str("\\t"),
            '\\' => inert.push_str("\\\\"),
            active if is_active(active) => {
                // Writing to a string cannot fail.
                let _ = write!(inert, "\\u{{{:x}}}", u32::from(active));
            }
            plain => inert.push(plain),
        }
    }
    Cow::Owned(inert)
}

/// Whether a character does something to its surroundings instead of being shown.
const fn is_active(character: char) -> bool {
    matches!(character,
        // C0, DEL and C1: escape sequences start with one of these.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        // Zero-width characters and direction marks; line and paragraph separators, embeddings
        // and overrides; invisible operators, isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Byte order mark, interlinear annotations.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Tags, which are invisible letters.
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(inert(text), expected);
    }

    #[test]
    fn printable_text_stays_as_it_is() {
        for text in ["", "plain", "C:\\dir", "größer, 大きい, 🎉", "emoji ❤️"] {
            assert!(matches!(inert(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn escape_sequences_become_visible() {
        check("\x1b[2J\x1b[H", "\\u{1b}[2J\\u{1b}[H");
        check("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}");
        check("\u{9b}31mred", "\\u{9b}31mred");
        check("a\x08b\x7f", "a\\u{8}b\\u{7f}");
    }

    #[test]
    fn one_line_stays_one_line() {
        check("ok\nerror: forged\r\n", "ok\\nerror: forged\\r\\n");
        check("a\u{2028}b\u{85}c\u{b}d", "a\\u{2028}b\\u{85}c\\u{b}d");
    }

    #[test]
    fn nothing_is_reordered_or_hidden() {
        check("exe.\u{202e}gpj", "exe.\\u{202e}gpj");
        check("a\u{2066}b\u{2069}\u{200b}\u{feff}", "a\\u{2066}b\\u{2069}\\u{200b}\\u{feff}");
    }

    #[test]
    fn a_written_out_escape_cannot_be_mistaken_for_text() {
        check("\\u{1b}\x1b", "\\\\u{1b}\\u{1b}");
    }

    #[test]
    fn every_control_character_is_caught() {
        for character in (0..=0x10_ffff_u32).filter_map(char::from_u32) {
            let text = character.to_string();
            assert!(!inert(&text).chars().any(char::is_control), "{text:?}");
        }
    }
}
