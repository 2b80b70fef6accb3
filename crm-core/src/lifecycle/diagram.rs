//! Drawings of a lifecycle, for documentation and for people who decide about it.
//!
//! Names are typed by people: none of their characters may end a label and begin a command.

use super::{Lifecycle, StatusDefinition};
use std::fmt::Write as _;

impl Lifecycle {
    /// A state diagram in Mermaid, as Markdown viewers draw it.
    ///
    /// ```
    /// use crm_core::lifecycle::{Lifecycle, StatusDraft, StatusKind};
    ///
    /// let lifecycle = Lifecycle::builder()
    ///     .status("New")
    ///     .status(StatusDraft::new("Won").kind(StatusKind::Won))
    ///     .build()?;
    /// assert_eq!(lifecycle.to_mermaid(), "\
    /// stateDiagram-v2
    ///     state \"New\" as s_new
    ///     state \"Won\" as s_won
    ///     [*] --> s_new
    ///     s_new --> s_won
    ///     s_won --> [*]
    /// ");
    /// # Ok::<(), crm_core::lifecycle::LifecycleInvalid>(())
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut drawn = Drawing::new("stateDiagram-v2");
        // The prefix keeps slugs apart from Mermaid's words: `end`, `note`, `direction`.
        for status in self.statuses() {
            let label = label(status, mermaid_text);
            drawn.line(format_args!("state \"{label}\" as s_{}", status.slug));
        }
        drawn.line(format_args!("[*] --> s_{}", self.initial()));
        for (from, to) in self.moves() {
            drawn.line(format_args!("s_{} --> s_{}", from.slug, to.slug));
        }
        for status in self.statuses() {
            if status.kind.is_closed() {
                drawn.line(format_args!("s_{} --> [*]", status.slug));
            }
        }
        drawn.0
    }

    /// A directed graph in the DOT language of Graphviz. Closed statuses have a double border.
    ///
    /// ```
    /// use crm_core::lifecycle::Lifecycle;
    ///
    /// assert!(Lifecycle::standard().to_dot().starts_with("digraph lifecycle {\n"));
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut drawn = Drawing::new("digraph lifecycle {");
        drawn.line(format_args!("rankdir=LR;"));
        drawn.line(format_args!("node [shape=box, style=rounded, penwidth=2];"));
        // No slug begins with an underscore.
        drawn.line(format_args!("\"_start\" [shape=point];"));
        for status in self.statuses() {
            drawn.line(format_args!(
                "\"{}\" [label=\"{}\", color=\"{}\", peripheries={}];",
                status.slug,
                label(status, dot_text),
                status.colour,
                if status.kind.is_closed() { 2 } else { 1 },
            ));
        }
        drawn.line(format_args!("\"_start\" -> \"{}\";", self.initial()));
        for (from, to) in self.moves() {
            drawn.line(format_args!("\"{}\" -> \"{}\";", from.slug, to.slug));
        }
        drawn.0.push_str("}\n");
        drawn.0
    }

    /// Every move that is allowed, in the order of the statuses.
    fn moves(&self) -> impl Iterator<Item = (&StatusDefinition, &StatusDefinition)> {
        let statuses = self.statuses();
        statuses.iter().enumerate().flat_map(move |(at, from)| {
            let to = self.exits(at).pick(statuses);
            to.map(move |to| (from, to))
        })
    }
}

struct Drawing(String);

impl Drawing {
    fn new(heading: &str) -> Self {
        Self(format!("{heading}\n"))
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "    {line}");
    }
}

fn label(status: &StatusDefinition, escape: impl Fn(&str) -> String) -> String {
    let name = escape(&status.name);
    if status.is_retiring() {
        format!("{name} (retiring)")
    } else {
        name
    }
}

/// Mermaid has quotes, entities, directives and HTML in its labels: all but letters, digits and a
/// little punctuation is written as an entity.
fn mermaid_text(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() || " -_.,()/".contains(c) {
            text.push(c);
        } else {
            let _ = write!(text, "#{};", u32::from(c));
        }
    }
    text
}

/// A quoted label in DOT ends at a quote, has commands behind backslashes, and HTML's entities.
fn dot_text(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '&' => text.push_str("&amp;"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{StatusDraft, StatusKind};

    fn small() -> Lifecycle {
        Lifecycle::builder()
            .status(StatusDraft::new("New").colour("#28B8DA"))
            .status("End")
            .status("Demo")
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .status(StatusDraft::new("Lost").kind(StatusKind::Lost))
            .allow("new", "end")
            .allow("new", "demo")
            .allow("demo", "won")
            .allow("end", "won")
            .allow("end", "lost")
            .allow("lost", "new")
            .build()
            .unwrap()
            .edit()
            .retire("demo", "end")
            .apply()
            .unwrap()
    }

    #[test]
    fn mermaid_draws_what_is_allowed() {
        let expected = r#"stateDiagram-v2
    state "New" as s_new
    state "End" as s_end
    state "Demo (retiring)" as s_demo
    state "Won" as s_won
    state "Lost" as s_lost
    [*] --> s_new
    s_new --> s_end
    s_end --> s_won
    s_end --> s_lost
    s_demo --> s_won
    s_lost --> s_new
    s_won --> [*]
    s_lost --> [*]
"#;
        assert_eq!(small().to_mermaid(), expected);
    }

    #[test]
    fn dot_draws_what_is_allowed() {
        let expected = r##"digraph lifecycle {
    rankdir=LR;
    node [shape=box, style=rounded, penwidth=2];
    "_start" [shape=point];
    "new" [label="New", color="#28B8DA", peripheries=1];
    "end" [label="End", color="#757575", peripheries=1];
    "demo" [label="Demo (retiring)", color="#757575", peripheries=1];
    "won" [label="Won", color="#757575", peripheries=2];
    "lost" [label="Lost", color="#757575", peripheries=2];
    "_start" -> "new";
    "new" -> "end";
    "end" -> "won";
    "end" -> "lost";
    "demo" -> "won";
    "lost" -> "new";
}
"##;
        assert_eq!(small().to_dot(), expected);
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let name = r#""]; a->b; // \N\" %%{init}%% <b>&#34;"#;
        let lifecycle = Lifecycle::builder()
            .status(StatusDraft::new(name).slug("new"))
            .status(StatusDraft::new("Won").kind(StatusKind::Won))
            .build()
            .unwrap();
        let drawn = lifecycle.to_mermaid();
        let line = drawn.lines().nth(1).unwrap();
        assert_eq!(
            line,
            "    state \"#34;#93;#59; a-#62;b#59; // #92;N#92;#34; #37;#37;#123;init#125;#37;#37; \
             #60;b#62;#38;#35;34#59;\" as s_new"
        );
        let drawn = lifecycle.to_dot();
        let line = drawn.lines().nth(4).unwrap();
        assert_eq!(
            line,
            r##"    "new" [label="\"]; a->b; // \\N\\\" %%{init}%% <b>&amp;#34;", color="#757575", peripheries=1];"##
        );
    }

    #[test]
    fn a_name_that_ends_in_a_backslash_does_not_swallow_the_quote() {
        assert_eq!(dot_text("a\\"), "a\\\\");
        assert_eq!(mermaid_text("Łódź – 開始"), "Łódź #8211; 開始");
    }
}
