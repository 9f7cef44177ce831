//! Words for codes: what people say for an operating status of 512, or for bit 3 of a word of alarms. They are carried
//! beside the number, which is what is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Words for the codes of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// A word for each code.
    Values(BTreeMap<i64, String>),
    /// A word for each bit that may be set, 0 the lowest.
    Flags(BTreeMap<u8, String>),
}

impl Labels {
    /// What people say for a number: the word of its code, or those of the bits that are set, joined by commas (a bit
    /// without a word by its number). `None`: a code without a word.
    pub fn word(&self, number: i128) -> Option<String> {
        match self {
            Self::Values(words) => i64::try_from(number).ok().and_then(|code| words.get(&code)).cloned(),
            Self::Flags(words) => {
                let set = (0..64_u8).filter(|bit| number >> bit & 1 == 1);
                let said = set.map(|bit| words.get(&bit).cloned().unwrap_or_else(|| bit.to_string()));
                Some(said.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The words, each after its code or the number of its bit.
    pub fn words(&self) -> Vec<(i64, &str)> {
        match self {
            Self::Values(words) => words.iter().map(|(code, word)| (*code, word.as_str())).collect(),
            Self::Flags(words) => words.iter().map(|(bit, word)| (i64::from(*bit), word.as_str())).collect(),
        }
    }

    /// The code that a word stands for; `None` if none does, or more than one.
    pub fn code(&self, said: &str) -> Option<i64> {
        let Self::Values(words) = self else { return None };
        let mut codes = words.iter().filter(|(_, word)| *word == said).map(|(code, _)| *code);
        codes.next().filter(|_| codes.next().is_none())
    }

    /// As field metadata has them: `{"values":{"0":"standby"}}`.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;
    use crate::ColumnMeta;

    #[test]
    fn codes_and_bits_have_their_words() {
        let states = Labels::Values(
            [(0, "standby"), (512, "on grid")].map(|(code, word)| (code, word.to_owned())).into(),
        );
        let alarms =
            Labels::Flags([(0, "hot"), (3, "earth fault")].map(|(bit, word)| (bit, word.to_owned())).into());
        for (labels, number, word) in [
            (&states, 512, Some("on grid")),
            (&states, 7, None),
            (&states, i128::from(u64::MAX), None),
            (&alarms, 0, Some("")),
            (&alarms, 9, Some("hot,earth fault")),
            (&alarms, 10, Some("1,earth fault")),
        ] {
            assert_eq!(labels.word(number).as_deref(), word, "{number}");
        }
        assert_eq!(states.words(), [(0, "standby"), (512, "on grid")]);
        assert_eq!(alarms.words(), [(0, "hot"), (3, "earth fault")]);
        for labels in [states, alarms] {
            let field = Field::new("state", DataType::UInt16, true).with_labels(&labels);
            assert_eq!(field.clone().without_labels().labels(), None);
            assert_eq!(field.labels(), Some(labels));
        }
    }

    #[test]
    fn a_word_stands_for_its_code_alone() {
        let words = [(0, "off"), (1, "on"), (2, "on")].map(|(code, word)| (code, word.to_owned()));
        let labels = Labels::Values(words.into());
        for (word, code) in [("off", Some(0)), ("on", None), ("Off", None), ("0", None)] {
            assert_eq!(labels.code(word), code, "{word}");
        }
        assert_eq!(Labels::Flags([(0, "hot".to_owned())].into()).code("hot"), None);
    }
}
