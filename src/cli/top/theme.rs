//! How things look, with colours and without (`NO_COLOR`).

use ratatui::style::{Color, Modifier, Style};

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Not with `NO_COLOR`. What a colour says is then also said by words or by weight.
    pub color: bool,
}

impl Theme {
    fn colored(self, color: Color, otherwise: Modifier) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new().add_modifier(otherwise)
        }
    }

    /// Of headings over text.
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of headings over columns.
    pub fn heading(self) -> Style {
        self.colored(Color::Cyan, Modifier::UNDERLINED)
    }

    /// Of labels.
    pub fn label(self) -> Style {
        self.colored(Color::Cyan, Modifier::empty())
    }

    /// Of keys.
    pub fn key(self) -> Style {
        self.colored(Color::Cyan, Modifier::BOLD)
    }

    /// Of the chosen row and view.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Of what should be noticed.
    pub fn alarm(self) -> Style {
        self.colored(Color::Yellow, Modifier::BOLD)
    }

    /// Of a row, by the words in it.
    pub fn tone<'a>(self, words: impl IntoIterator<Item = &'a str>) -> Style {
        for word in words {
            if word == "critical" {
                return self.colored(Color::Red, Modifier::BOLD);
            }
            if word == "warning" || word.starts_with("blind: ") {
                return self.colored(Color::Yellow, Modifier::empty());
            }
        }
        Style::new()
    }
}
