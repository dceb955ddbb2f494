//! What is called differently in the two worlds: ids that a process makes up, and hashes
//! of passwords that derive from them. Whatever is one name here is one there.

use std::{collections::BTreeMap, net::IpAddr};

/// The digits of a run id or replication id, and of the hash of a password.
const LENGTHS: [usize; 2] = [40, 64];

#[derive(Clone, Default)]
pub(crate) struct Names {
    /// In each world, which name stands for what.
    known: [BTreeMap<String, usize>; 2],
    addresses: [Vec<(String, String)>; 2],
}

impl Names {
    pub(crate) fn new(addresses: [Vec<IpAddr>; 2]) -> Self {
        let places = |addresses: Vec<IpAddr>| {
            let place = |(place, address): (usize, IpAddr)| (address.to_string(), format!("<{place}>"));
            let mut places: Vec<_> = addresses.into_iter().enumerate().map(place).collect();
            // One may be the beginning of another.
            places.sort_by_key(|(address, _)| std::cmp::Reverse(address.len()));
            places
        };
        Self { known: Default::default(), addresses: addresses.map(places) }
    }

    /// A text of one world with what is known called by what it stands for.
    pub(crate) fn named(&self, side: usize, text: &str) -> String {
        let text = self.addresses[side]
            .iter()
            .fold(text.to_owned(), |text, (address, place)| text.replace(address, place));
        replaced(&text, |id| self.known[side].get(id).map(|stands_for| format!("#{stands_for}")))
    }

    /// Makes one of both what the two texts have at the same places. False if that would
    /// make two things one, or one two.
    #[must_use]
    pub(crate) fn learn(&mut self, texts: [&str; 2]) -> bool {
        let [real, model] = texts.map(|text| {
            let mut ids = Vec::new();
            replaced(text, |id| {
                ids.push(id.to_owned());
                None
            });
            ids
        });
        real.len() == model.len() && real.into_iter().zip(model).all(|(real, model)| self.pair(real, model))
    }

    fn pair(&mut self, real: String, model: String) -> bool {
        match (self.known[0].get(&real), self.known[1].get(&model)) {
            (None, None) => {
                let next = self.known[0].len();
                self.known[0].insert(real, next);
                self.known[1].insert(model, next);
                true
            }
            (real, model) => real == model,
        }
    }
}

/// A text without what only one world can know of it.
pub(crate) fn anonymous(text: &str) -> String {
    replaced(text, |_| Some("#?".to_owned()))
}

/// Puts something else in place of ids.
fn replaced(text: &str, mut by: impl FnMut(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (one, after) = rest.split_at(word);
        let is_id = LENGTHS.contains(&one.len()) && one.bytes().all(|digit| digit.is_ascii_hexdigit());
        // No id at all is the same everywhere.
        let is_id = is_id && one.bytes().any(|digit| digit != b'0');
        let other = if is_id { by(one) } else { None };
        result.push_str(other.as_deref().unwrap_or(one));
        let between = after.find(|one: char| one.is_ascii_alphanumeric()).unwrap_or(after.len());
        result.push_str(&after[..between]);
        rest = &after[between..];
    }
    result
}
