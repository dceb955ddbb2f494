//! What `INFO` says: lines of `name:value`.

use std::str::FromStr;

/// The fields of an INFO, in their order: its text is long, and gone through once.
#[derive(Debug)]
pub struct Info<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Info<'a> {
    /// The fields in a text; what is none is left out.
    #[must_use]
    pub fn read(text: &'a str) -> Self {
        // Names are short: looking at each byte is faster than a search that is for long texts.
        let field = |line: &'a str| {
            let (name, value) = line.split_at_checked(line.bytes().position(|byte| byte == b':')?)?;
            Some((name, value.strip_prefix(':')?.trim()))
        };
        Self(text.lines().filter_map(field).collect())
    }

    /// A field's value, without white space around it. The first of a name counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
    }

    /// A field as a number.
    #[must_use]
    pub fn number<N: FromStr>(&self, name: &str) -> Option<N> {
        self.get(name)?.parse().ok()
    }

    /// Every field whose name is this and a number, for instance `slave0`: its value,
    /// which is `name=value` pairs after commas.
    pub fn numbered(&self, name: &str) -> impl Iterator<Item = Pairs<'a>> {
        self.0.iter().filter_map(move |(field, value)| {
            let number = field.strip_prefix(name)?;
            number.bytes().all(|digit| digit.is_ascii_digit()).then_some(Pairs(value, ','))
        })
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
        let info = Info::read(TEXT);
        assert_eq!(info.get("role"), Some("master"));
        assert_eq!(info.number("connected_slaves"), Some(2));
        assert_eq!(info.get("rol"), None);
        assert_eq!(info.get("connected"), None);
        assert_eq!(info.number::<u64>("role"), None);
    }

    #[test]
    fn lines_that_are_no_fields_are_left_out_and_the_first_of_a_name_counts() {
        let info = Info::read("# Server\r\n\r\nhost: ::1 \r\nempty:\r\nnothing\r\nhost:second\nlast:7");
        let values = ["host", "empty", "nothing", "# Server", "last"].map(|name| info.get(name));
        assert_eq!(values, [Some("::1"), Some(""), None, None, Some("7")]);
        assert!(Info::read("").get("").is_none());
    }

    #[test]
    fn numbered_fields_have_pairs() {
        let states: Vec<_> = Info::read(TEXT).numbered("slave").map(|slave| slave.get("state")).collect();
        assert_eq!(states, [Some("online"), Some("wait_bgsave")]);
        assert_eq!(Info::read(TEXT).numbered("db").next().and_then(|db| db.get("keys")), Some("3"));
    }
}
