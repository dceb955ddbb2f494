//! Commands as a client sends them: arrays of bulk strings, one after the other.

/// Commands that are sent together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    bytes: Vec<u8>,
}

impl Commands {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, with its arguments.
    #[must_use]
    pub fn then<'a>(self, words: impl IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>) -> Self {
        let words = words.into_iter();
        let mut bytes = self.bytes;
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        for word in words {
            bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
        }
        Self { bytes }
    }

    /// These, and then those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        let mut bytes = self.bytes;
        bytes.extend(others.bytes);
        Self { bytes }
    }

    /// As they are sent.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_hold_anything() {
        let commands = Commands::new().then(["PING"]).then(["SET", "a b", "é\r\n"]);
        let expected = "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$4\r\né\r\n\r\n";
        assert_eq!(String::from_utf8(commands.into_bytes()).unwrap(), expected);
    }
}
