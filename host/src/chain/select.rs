//! Which blocks of a source to run: `--block`.

use std::str::FromStr;

/// Which blocks of a source to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Every block.
    #[default]
    All,
    /// Those that one of these choices names, in the order of the source.
    Only(Vec<Choice>),
}

/// One block, or a range of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The block with this number; where there is none, the one with this name.
    One(String),
    /// The blocks with these numbers, both ends included.
    Range(u64, u64),
}

/// A text that chooses no blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SelectionError {
    #[error("a choice is empty")]
    Empty,
    #[error("'all' stands alone (a block of this name: './all')")]
    All,
    #[error("'{0}' lacks an end: a range is N..M (a block of this name: './{0}')")]
    Open(String),
    #[error("'{0}' ends before it begins")]
    Backwards(String),
    #[error("'{0}': the numbers of blocks are below 2^64")]
    TooLarge(String),
}

impl FromStr for Selection {
    type Err = SelectionError;

    /// `all`, or numbers, ranges of them (`N..M`) and names with commas between them; `\,` is a
    /// comma of a name.
    fn from_str(text: &str) -> Result<Selection, SelectionError> {
        if text == "all" {
            return Ok(Selection::All);
        }
        let choices = split(text).into_iter().map(Choice::parse);
        choices.collect::<Result<_, _>>().map(Selection::Only)
    }
}

/// The parts of a text between its commas; one after a backslash is part of a name.
fn split(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match parts.last_mut().filter(|part| part.ends_with('\\')) {
            Some(part) => {
                part.pop();
                part.push(',');
                part.push_str(piece);
            }
            None => parts.push(piece.to_owned()),
        }
    }
    parts
}

impl From<u64> for Selection {
    fn from(number: u64) -> Selection {
        Selection::Only(vec![Choice::One(number.to_string())])
    }
}

impl Choice {
    /// What is no range of numbers is a name, also if it has dots.
    fn parse(text: String) -> Result<Choice, SelectionError> {
        match text.as_str() {
            "" => return Err(SelectionError::Empty),
            "all" => return Err(SelectionError::All),
            _ => {}
        }
        let Some((first, last)) = text.split_once("..") else { return Ok(Choice::One(text)) };
        let digits = |end: &str| end.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(first) || !digits(last) {
            return Ok(Choice::One(text));
        }
        if first.is_empty() || last.is_empty() {
            return Err(SelectionError::Open(text));
        }
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Choice::Range(first, last)),
            (Ok(_), Ok(_)) => Err(SelectionError::Backwards(text)),
            _ => Err(SelectionError::TooLarge(text)),
        }
    }

    /// The number that it may be.
    pub fn number(&self) -> Option<u64> {
        match self {
            Choice::One(text) => text.parse().ok(),
            Choice::Range(..) => None,
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Choice::One(text) => f.write_str(text),
            Choice::Range(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_names() {
        let read = |text: &str| text.parse::<Selection>().unwrap();
        let one = |text: &str| Choice::One(text.to_owned());
        assert_eq!(read("all"), Selection::All);
        assert_eq!(read("7"), Selection::from(7));
        let list = [one("7"), Choice::Range(9, 12), one("b"), one("a..b")];
        assert_eq!(read("7,9..12,b,a..b"), Selection::Only(list.to_vec()));
        assert_eq!(list.map(|choice| choice.number()), [Some(7), None, None, None]);
        assert_eq!(read("9..9"), Selection::Only(vec![Choice::Range(9, 9)]));
    }

    #[test]
    fn names_may_have_commas_and_look_like_something_else() {
        let read = |text: &str| text.parse::<Selection>().unwrap();
        let names = |list: &[&str]| {
            Selection::Only(list.iter().map(|name| Choice::One((*name).to_owned())).collect())
        };
        assert_eq!(read(r"a\,b"), names(&["a,b"]));
        assert_eq!(read(r"a\,b,c,\,"), names(&["a,b", "c", ","]));
        assert_eq!(read(r"a\b"), names(&[r"a\b"]), "a separator of some systems");
        assert_eq!(read("./all,./9..1,./1.."), names(&["./all", "./9..1", "./1.."]));
    }

    #[test]
    fn what_chooses_nothing_is_an_error() {
        let read = |text: &str| text.parse::<Selection>().unwrap_err();
        for text in ["", ",", "7,", ",7", "7,,8"] {
            assert_eq!(read(text), SelectionError::Empty, "{text}");
        }
        for text in ["all,5", "5,all", "all,all"] {
            assert_eq!(read(text), SelectionError::All, "{text}");
        }
        for text in ["1..", "..1", ".."] {
            assert_eq!(read(text), SelectionError::Open(text.to_owned()));
        }
        assert_eq!(read("5,9..1"), SelectionError::Backwards("9..1".to_owned()));
        let large = "0..18446744073709551616";
        assert_eq!(read(large), SelectionError::TooLarge(large.to_owned()));
    }
}
