//! Which of many secrets stand in a text, found without looking for each of them.

/// Secrets in order, and for each the longest other one that it begins with.
pub(crate) struct Hidden<'a> {
    sorted: Vec<&'a str>,
    shorter: Vec<Option<usize>>,
}

impl<'a> Hidden<'a> {
    pub(crate) fn new(secrets: &'a [String]) -> Self {
        let mut sorted: Vec<&str> =
            secrets.iter().map(String::as_str).filter(|one| !one.is_empty()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let (mut shorter, mut open) = (Vec::new(), Vec::new());
        for (at, secret) in sorted.iter().enumerate() {
            while open.last().is_some_and(|last: &usize| !secret.starts_with(sorted[*last])) {
                open.pop();
            }
            shorter.push(open.last().copied());
            open.push(at);
        }
        Self { sorted, shorter }
    }

    /// Those that stand in the text, a longer one before those that it begins with.
    pub(crate) fn within(&self, text: &str) -> Vec<String> {
        let mut found = std::collections::BTreeSet::new();
        for (start, _) in text.char_indices() {
            let rest = &text[start..];
            // Whatever the rest begins with is this one, or this one begins with it.
            let mut at = self.sorted.partition_point(|secret| *secret <= rest).checked_sub(1);
            while let Some(here) = at {
                if rest.starts_with(self.sorted[here]) {
                    found.insert(here);
                }
                at = self.shorter[here];
            }
        }
        found.into_iter().rev().map(|at| self.sorted[at].to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_of_a_text_is_found_and_no_other() {
        let secrets = ["ab", "abc", "abcd", "b", "bcx", "é", "zz", "abd", ""].map(str::to_owned);
        let hidden = Hidden::new(&secrets);
        for text in ["", "abcd", "xabcx", "abé", "zabd", "zzz", "a", "bab", "none of them"] {
            let mut expected: Vec<&String> =
                secrets.iter().filter(|one| !one.is_empty() && text.contains(one.as_str())).collect();
            expected.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(hidden.within(text).iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
