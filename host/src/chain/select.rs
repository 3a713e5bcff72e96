//! Which blocks of a source to run: `--block`.

use std::convert::Infallible;
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

impl FromStr for Selection {
    type Err = Infallible;

    /// `all`, or numbers, ranges of them (`N..M`) and names with commas between them.
    fn from_str(text: &str) -> Result<Selection, Infallible> {
        if text == "all" {
            return Ok(Selection::All);
        }
        Ok(Selection::Only(text.split(',').map(Choice::parse).collect()))
    }
}

impl From<u64> for Selection {
    fn from(number: u64) -> Selection {
        Selection::Only(vec![Choice::One(number.to_string())])
    }
}

impl Choice {
    /// What is no range of numbers is a name, also if it has dots.
    fn parse(text: &str) -> Choice {
        let range = text
            .split_once("..")
            .and_then(|(first, last)| Some(Choice::Range(first.parse().ok()?, last.parse().ok()?)));
        range.unwrap_or_else(|| Choice::One(text.to_owned()))
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
    }
}
