//! The words of a statement: what may be a name in it. Comments and texts in quotes are passed over. Knows no grammar.

/// A name in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    /// Whether it stands in `"…"`, `` `…` `` or `[…]`: then it is a name and no word of the language.
    pub quoted: bool,
}

/// The names and words of a statement, in order.
pub fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => while letters.next().is_some_and(|next| next != '\'') {},
            '-' if letters.peek() == Some(&'-') => {
                while letters.next().is_some_and(|next| next != '\n') {}
            }
            '/' if letters.peek() == Some(&'*') => {
                let mut before = ' ';
                letters.next();
                for next in letters.by_ref() {
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
            }
            '"' | '`' | '[' => {
                let end = if letter == '[' { ']' } else { letter };
                words.push(Word {
                    text: letters.by_ref().take_while(|next| *next != end).collect(),
                    quoted: true,
                });
            }
            _ if letter.is_alphanumeric() || letter == '_' => {
                let mut text = String::from(letter);
                while let Some(next) =
                    letters.next_if(|next| next.is_alphanumeric() || *next == '_')
                {
                    text.push(next);
                }
                words.push(Word {
                    text,
                    quoted: false,
                });
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_have_no_words() {
        let found: Vec<(String, bool)> =
            words("select 'a b' as x, \"odd name\" -- c\n/* d */ from [e f]")
                .into_iter()
                .map(|word| (word.text, word.quoted))
                .collect();
        let expected = [
            ("select", false),
            ("as", false),
            ("x", false),
            ("odd name", true),
            ("from", false),
            ("e f", true),
        ];
        assert_eq!(
            found,
            expected.map(|(text, quoted)| (text.to_owned(), quoted))
        );
    }
}
