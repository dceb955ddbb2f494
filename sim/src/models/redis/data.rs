//! Keys and their values, which are strings.

use std::collections::BTreeMap;

use super::resp::{self, Read, Reply, Words};

/// All keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Data(BTreeMap<Vec<u8>, Vec<u8>>);

/// Data, and where in which history it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) data: Data,
    /// The replication id and offset; none of a file that holds only data.
    pub(super) at: Option<(String, u64)>,
}

impl Data {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// Carries out a command on keys. Also says whether anything has changed; none if the
    /// command is not known.
    pub(super) fn run(&mut self, name: &str, words: &[Vec<u8>]) -> Option<(Reply, bool)> {
        let key = words.first().map(Vec::as_slice).unwrap_or_default();
        let value = words.get(1).map(Vec::as_slice).unwrap_or_default();
        Some(match name {
            "get" => (self.get(key).map_or_else(Reply::null, Reply::bulk), false),
            "exists" => (Reply::count(words.iter().filter(|key| self.0.contains_key(*key)).count()), false),
            "strlen" => (Reply::count(self.get(key).map_or(0, <[u8]>::len)), false),
            "mget" => {
                let value = |key: &Vec<u8>| self.get(key).map_or_else(Reply::null, Reply::bulk);
                (Reply::array(words.iter().map(value)), false)
            }
            "dbsize" => (Reply::count(self.len()), false),
            "set" if words.len() > 2 => (Reply::error("ERR syntax error"), false),
            "set" => {
                self.0.insert(key.to_vec(), value.to_vec());
                (Reply::ok(), true)
            }
            "mset" => {
                if !words.len().is_multiple_of(2) {
                    return Some((Reply::error("ERR wrong number of arguments for 'mset' command"), false));
                }
                for pair in words.chunks_exact(2) {
                    if let [key, value] = pair {
                        self.0.insert(key.clone(), value.clone());
                    }
                }
                (Reply::ok(), true)
            }
            "append" => {
                let stored = self.0.entry(key.to_vec()).or_default();
                stored.extend_from_slice(value);
                (Reply::count(stored.len()), true)
            }
            "incr" => match resp::number(self.get(key).unwrap_or(b"0")).map(|one| one.checked_add(1)) {
                Some(Some(sum)) => {
                    self.0.insert(key.to_vec(), sum.to_string().into_bytes());
                    (Reply::integer(sum), true)
                }
                Some(None) => (Reply::error("ERR increment or decrement would overflow"), false),
                None => (Reply::error("ERR value is not an integer or out of range"), false),
            },
            "del" => {
                let gone = words.iter().filter(|key| self.0.remove(*key).is_some()).count();
                (Reply::count(gone), gone > 0)
            }
            "flushall" => {
                self.0.clear();
                (Reply::ok(), true)
            }
            _ => return None,
        })
    }
}

impl Snapshot {
    /// As it is written into a file or sent to a replica.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (replid, offset) = self.at.clone().unwrap_or_default();
        let mut words: Words = vec![replid.into_bytes(), offset.to_string().into_bytes()];
        for (key, value) in &self.data.0 {
            words.extend([key.clone(), value.clone()]);
        }
        resp::encode(&words)
    }

    /// Reads it at the beginning of these, and says where it ends.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let Read::Whole(words, end) = resp::command(bytes) else { return None };
        let [replid, offset, pairs @ ..] = words.as_slice() else { return None };
        let replid = String::from_utf8(replid.clone()).ok()?;
        let offset = resp::number(offset).and_then(|offset| u64::try_from(offset).ok())?;
        let pairs = pairs.chunks_exact(2).filter_map(|pair| match pair {
            [key, value] => Some((key.clone(), value.clone())),
            _ => None,
        });
        let at = (!replid.is_empty()).then_some((replid, offset));
        Some((Self { data: Data(pairs.collect()), at }, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let mut data = Data::default();
        data.run("set", &[b"a".to_vec(), b"b\r\n".to_vec()]);
        for at in [None, Some(("x".repeat(40), 7))] {
            let snapshot = Snapshot { data: data.clone(), at };
            let bytes = snapshot.to_bytes();
            assert_eq!(Snapshot::read(&bytes), Some((snapshot, bytes.len())));
        }
    }
}
