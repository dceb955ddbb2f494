//! Replies as they come, nothing of them read into anything else.

use std::fmt;

/// One reply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A line with its first character: `+` or `-`.
    Line(String),
    Integer(i64),
    Bulk(String),
    /// No bytes.
    NoBulk,
    /// No array.
    NoArray,
    Array(Vec<Frame>),
}

impl Frame {
    /// Takes the first reply, if all of it is there.
    pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let (frame, length) = read(bytes)?;
        bytes.drain(..length);
        Some(frame)
    }

    /// All replies in bytes that end with one.
    pub(crate) fn all(bytes: &[u8]) -> Vec<Self> {
        let mut bytes = bytes.to_vec();
        let frames = std::iter::from_fn(|| Self::take(&mut bytes)).collect();
        assert!(bytes.is_empty(), "a part of a reply is left: {}", String::from_utf8_lossy(&bytes));
        frames
    }

    /// The bytes or the line.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Line(text) | Self::Bulk(text) => Some(text),
            _ => None,
        }
    }
}

/// The first reply and how many bytes it takes.
fn read(bytes: &[u8]) -> Option<(Frame, usize)> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut length = end + 2;
    let number = || line[1..].parse::<i64>().unwrap_or_else(|_| panic!("it is no number: {line}"));
    let frame = match line.as_bytes().first() {
        Some(b'+' | b'-') => Frame::Line(line),
        Some(b':') => Frame::Integer(number()),
        Some(b'$') => match usize::try_from(number()) {
            Err(_) => Frame::NoBulk,
            Ok(count) => {
                let bulk = bytes.get(length..length + count)?;
                bytes.get(length + count..length + count + 2)?;
                length += count + 2;
                Frame::Bulk(String::from_utf8_lossy(bulk).into_owned())
            }
        },
        Some(b'*') => match usize::try_from(number()) {
            Err(_) => Frame::NoArray,
            Ok(count) => {
                let mut frames = Vec::new();
                for _ in 0..count {
                    let (frame, more) = read(&bytes[length..])?;
                    frames.push(frame);
                    length += more;
                }
                Frame::Array(frames)
            }
        },
        // It is no reply, and so differs from one.
        _ => Frame::Line(line),
    };
    Some((frame, length))
}

impl fmt::Display for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "{line}"),
            Self::Integer(number) => write!(formatter, ":{number}"),
            Self::Bulk(text) if text.contains('\n') => write!(formatter, "\"{text}\""),
            Self::Bulk(text) => write!(formatter, "{text:?}"),
            Self::NoBulk => write!(formatter, "$-1"),
            Self::NoArray => write!(formatter, "*-1"),
            Self::Array(frames) => {
                write!(formatter, "[")?;
                for (place, frame) in frames.iter().enumerate() {
                    write!(formatter, "{}{frame}", if place > 0 { ", " } else { "" })?;
                }
                write!(formatter, "]")
            }
        }
    }
}
