//! What `INFO` says: lines of `name:value`.

use std::str::FromStr;

/// The text of an INFO.
#[derive(Debug, Clone, Copy)]
pub struct Info<'a>(pub &'a str);

impl<'a> Info<'a> {
    /// A field's value, without white space around it.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// A field as a number.
    #[must_use]
    pub fn number<N: FromStr>(self, name: &str) -> Option<N> {
        self.get(name)?.parse().ok()
    }

    /// Every field whose name is this and a number, for instance `slave0`: its value,
    /// which is `name=value` pairs after commas.
    pub fn numbered(self, name: &'a str) -> impl Iterator<Item = Pairs<'a>> {
        self.lines().filter_map(move |line| {
            let (number, value) = line.strip_prefix(name)?.split_once(':')?;
            number.bytes().all(|digit| digit.is_ascii_digit()).then_some(Pairs(value.trim(), ','))
        })
    }

    fn lines(self) -> impl Iterator<Item = &'a str> {
        self.0.lines()
    }
}

/// `name=value` pairs, with this between them.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a>(pub &'a str, pub char);

impl<'a> Pairs<'a> {
    /// The value of a name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.0.split(self.1).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
        slave0:ip=a-1.a,port=6379,state=online,offset=14,lag=1\r\nslave12:ip=x,state=wait_bgsave\r\n\
        slave_repl_offset:7\r\ndb0:keys=3,expires=0\r\n";

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = Info(TEXT);
        assert_eq!(info.get("role"), Some("master"));
        assert_eq!(info.number("connected_slaves"), Some(2));
        assert_eq!(info.get("rol"), None);
        assert_eq!(info.get("connected"), None);
        assert_eq!(info.number::<u64>("role"), None);
    }

    #[test]
    fn numbered_fields_have_pairs() {
        let states: Vec<_> = Info(TEXT).numbered("slave").map(|slave| slave.get("state")).collect();
        assert_eq!(states, [Some("online"), Some("wait_bgsave")]);
        assert_eq!(Info(TEXT).numbered("db").next().and_then(|db| db.get("keys")), Some("3"));
    }
}
