//! The protocol between clients and servers, RESP2.

/// Words of a command.
pub(super) type Words = Vec<Vec<u8>>;

/// What was read of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<T> {
    /// This, in so many bytes.
    Whole(T, usize),
    /// The rest has yet to come.
    Partial,
    /// It is no RESP.
    Malformed(&'static str),
}

/// Reads a command: an array of bulk strings, or words on a line.
pub(super) fn command(bytes: &[u8]) -> Read<Words> {
    let Some((line, mut at)) = line(bytes) else { return Read::Partial };
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Read::Whole(words.map(<[u8]>::to_vec).collect(), at);
    };
    let Some(count) = number(count) else { return Read::Malformed("invalid multibulk length") };
    let mut words = Words::new();
    for _ in 0..count.max(0) {
        match bulk(bytes.get(at..).unwrap_or_default()) {
            Read::Whole(word, length) => {
                words.push(word);
                at += length;
            }
            Read::Partial => return Read::Partial,
            Read::Malformed(why) => return Read::Malformed(why),
        }
    }
    Read::Whole(words, at)
}

fn bulk(bytes: &[u8]) -> Read<Vec<u8>> {
    let Some((line, begin)) = line(bytes) else { return Read::Partial };
    let length = line.strip_prefix(b"$").and_then(number).and_then(|length| usize::try_from(length).ok());
    let Some(length) = length else { return Read::Malformed("expected '$'") };
    match bytes.get(begin..begin + length + 2) {
        Some([word @ .., b'\r', b'\n']) => Read::Whole(word.to_vec(), begin + length + 2),
        Some(_) => Read::Malformed("a bulk string has no end"),
        None => Read::Partial,
    }
}

/// The first line, and where the next one begins.
pub(super) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = bytes.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A whole number in decimal digits, written as it would be told.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// A command as clients and replication send it.
pub(super) fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| bytes.extend(Reply::bulk(word.as_ref()).into_bytes()));
    bytes
}

/// A reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reply(Vec<u8>);

impl Reply {
    /// None at all.
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn ok() -> Self {
        Self::simple("OK")
    }

    pub(super) fn simple(text: &str) -> Self {
        Self(format!("+{text}\r\n").into_bytes())
    }

    /// An error, with its code.
    pub(super) fn error(text: &str) -> Self {
        Self(format!("-{text}\r\n").into_bytes())
    }

    /// The error that EXEC is refused with, for another.
    pub(super) fn aborting(self) -> Self {
        let text = String::from_utf8_lossy(&self.0).into_owned();
        let why = text.trim_start_matches('-').trim_end();
        let why = why.strip_prefix("ERR ").unwrap_or(why);
        Self::error(&format!("EXECABORT Transaction discarded because of: {why}"))
    }

    pub(super) fn integer(value: i64) -> Self {
        Self(format!(":{value}\r\n").into_bytes())
    }

    pub(super) fn count(value: usize) -> Self {
        Self::integer(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(super) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut reply = format!("${}\r\n", bytes.len()).into_bytes();
        reply.extend_from_slice(bytes);
        reply.extend_from_slice(b"\r\n");
        Self(reply)
    }

    /// What is not there.
    pub(super) fn null() -> Self {
        Self(b"$-1\r\n".to_vec())
    }

    pub(super) fn array(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<Self> = items.into_iter().collect();
        let mut reply = format!("*{}\r\n", items.len()).into_bytes();
        items.into_iter().for_each(|item| reply.extend(item.0));
        Self(reply)
    }

    /// This, and then that.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_once_they_are_whole() {
        let bytes = encode(&["SET", "a", "b c"]);
        for cut in 0..bytes.len() {
            assert_eq!(command(&bytes[..cut]), Read::Partial);
        }
        let words: Words = ["SET", "a", "b c"].map(|word| word.as_bytes().to_vec()).into();
        assert_eq!(command(&bytes), Read::Whole(words, bytes.len()));
        assert_eq!(command(b"PING\r\nrest"), Read::Whole(vec![b"PING".to_vec()], 6));
        assert!(matches!(command(b"*1\r\n+x\r\n"), Read::Malformed(_)));
    }
}
