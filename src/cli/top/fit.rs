//! Text in a given number of terminal cells.

use ratatui::text::Span;

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The length in bytes of the longest beginning that fits.
fn beginning(text: &str, cells: usize) -> usize {
    let mut used = 0;
    for (at, letter) in text.char_indices() {
        used += width(letter.encode_utf8(&mut [0; 4]));
        if used > cells {
            return at;
        }
    }
    text.len()
}

/// The text, with an ellipsis where it is cut.
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    match cells.checked_sub(1) {
        Some(room) => format!("{}…", &text[..beginning(text, room)]),
        None => String::new(),
    }
}

/// The text on lines that fit, broken between words where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while cells > 0 && width(rest) > cells {
        let end = beginning(rest, cells);
        // A space may stand right behind the line.
        let next_to = rest[end..].starts_with(' ').then_some(end);
        let (line, next) = match next_to.or(rest[..end].rfind(' ')) {
            Some(space) if space > 0 => (&rest[..space], &rest[space + 1..]),
            // A wide character on one cell fits nowhere.
            _ if end == 0 => return lines,
            _ => rest.split_at(end),
        };
        lines.push(line.to_owned());
        rest = next;
    }
    lines.push(rest.to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("wines", 5), "wines");
        assert_eq!(cut("vineyards", 5), "vine…");
        assert_eq!(cut("vineyards", 0), "");
        assert_eq!(cut("葡萄酒", 5), "葡萄…");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("SELECT a FROM b", 9), ["SELECT a", "FROM b"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("葡", 1), Vec::<String>::new());
    }
}
