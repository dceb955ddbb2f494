//! Replies as a server sends them: version 2 of the Redis serialization protocol.
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

/// How deep arrays may lie in one another; no reply that is asked for here has more
/// than two.
const DEPTH_MAX: u8 = 8;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A line.
    Simple(&'a str),
    /// An error, as a line that begins with its class.
    Error(&'a str),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(&'a [u8]),
    /// No bytes, or no array.
    Nothing,
    /// Replies in one.
    Array(Vec<Reply<'a>>),
}

/// What a server said is not of this protocol, or not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Reply<'a> {
    /// The first reply in these bytes, and the bytes after it.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if there is none.
    pub fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        read(bytes, DEPTH_MAX)
    }

    /// All replies in these bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they end within one.
    pub fn read_all(mut bytes: &'a [u8]) -> Result<Vec<Self>, Malformed> {
        let mut replies = Vec::new();
        while !bytes.is_empty() {
            let (reply, rest) = Self::read(bytes)?;
            replies.push(reply);
            bytes = rest;
        }
        Ok(replies)
    }

    /// The text, if it is a line or bytes that are text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Self::Simple(text) => Some(text),
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }
}

fn read(bytes: &[u8], depth: u8) -> Result<(Reply<'_>, &[u8]), Malformed> {
    let (class, rest) = bytes.split_first().ok_or(Malformed)?;
    let (line, rest) = line(rest)?;
    match class {
        b'+' => Ok((Reply::Simple(line), rest)),
        b'-' => Ok((Reply::Error(line), rest)),
        b':' => Ok((Reply::Integer(line.parse().map_err(|_| Malformed)?), rest)),
        b'$' | b'*' if line == "-1" => Ok((Reply::Nothing, rest)),
        b'$' => {
            let length: usize = line.parse().map_err(|_| Malformed)?;
            let (bulk, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
            Ok((Reply::Bulk(bulk), rest.strip_prefix(b"\r\n").ok_or(Malformed)?))
        }
        b'*' => {
            let depth = depth.checked_sub(1).ok_or(Malformed)?;
            let count: usize = line.parse().map_err(|_| Malformed)?;
            let (mut elements, mut rest) = (Vec::new(), rest);
            // An element takes three bytes at least: no count makes this run on.
            for _ in 0..count {
                let (element, after) = read(rest, depth)?;
                elements.push(element);
                rest = after;
            }
            Ok((Reply::Array(elements), rest))
        }
        _ => Err(Malformed),
    }
}

fn line(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or(Malformed)?;
    let (line, rest) = bytes.split_at_checked(end).ok_or(Malformed)?;
    let text = std::str::from_utf8(line).map_err(|_| Malformed)?;
    Ok((text, rest.get(2..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: Reply<'_>) {
        assert_eq!(Reply::read(bytes.as_bytes()), Ok((expected, &b""[..])));
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        check("+OK\r\n", Reply::Simple("OK"));
        check("-ERR no\r\n", Reply::Error("ERR no"));
        check(":-7\r\n", Reply::Integer(-7));
        check("$4\r\na\r\nb\r\n", Reply::Bulk(b"a\r\nb"));
        check("$0\r\n\r\n", Reply::Bulk(b""));
        check("$-1\r\n", Reply::Nothing);
        check("*-1\r\n", Reply::Nothing);
        check("*0\r\n", Reply::Array(vec![]));
        check(
            "*2\r\n:1\r\n*1\r\n+a\r\n",
            Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![Reply::Simple("a")])]),
        );
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_malformed() {
        let replies = "*2\r\n$3\r\nabc\r\n:1\r\n";
        for end in 0..replies.len() {
            assert_eq!(Reply::read(&replies.as_bytes()[..end]), Err(Malformed), "{end}");
        }
        for text in ["x\r\n", ":a\r\n", "$3\r\nabcd\r\n", "$-2\r\n", "*-2\r\n", "$99999999999999999999\r\n"] {
            assert_eq!(Reply::read(text.as_bytes()), Err(Malformed), "{text:?}");
        }
        let deep = "*1\r\n".repeat(1000);
        assert_eq!(Reply::read(deep.as_bytes()), Err(Malformed));
    }

    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[ -~]{0,20}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..40)
                .prop_map(|bytes| { [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat() }),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop::collection::vec(inner, 0..6)
                .prop_map(|all| [format!("*{}\r\n", all.len()).into_bytes(), all.concat()].concat())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reply::read_all(&bytes);
        }

        #[test]
        fn what_a_server_may_say_is_read_to_its_end(replies in prop::collection::vec(reply(), 0..5)) {
            let bytes = replies.concat();
            prop_assert_eq!(Reply::read_all(&bytes).map(|all| all.len()), Ok(replies.len()));
        }

        #[test]
        fn a_changed_byte_is_never_a_panic(
            replies in prop::collection::vec(reply(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = replies.concat();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Reply::read_all(&bytes);
        }
    }
}
