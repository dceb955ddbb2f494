//! However a peer's bytes are torn apart on the way, the replies are the same.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    super::{conversation::converse, dial::BoxStream, transcript::Transcript},
    expecting, later, line, partial, replies, step,
};
use crate::model::{ExchangeEnd, Step, Until};

/// Gives pieces of bytes, one a read and with a pause before each, and takes no
/// more than so many bytes a write; then it closes.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    pause: bool,
    writes: Option<usize>,
}

impl AsyncRead for Pieces {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.pause = !this.pause;
        if this.pause {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut piece) = this.pieces.pop_front() {
            let count = piece.len().min(buffer.remaining());
            buffer.put_slice(&piece[..count]);
            if count < piece.len() {
                this.pieces.push_front(piece.split_off(count));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(most) = self.writes else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        Poll::Ready(Ok(most.min(bytes.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn heard(pieces: Vec<Vec<u8>>, writes: Option<usize>, steps: &[Step], bytes_max: usize) -> ExchangeEnd {
    let mut stream: BoxStream = Box::new(Pieces { pieces: pieces.into(), pause: false, writes });
    let mut transcript = Transcript::default();
    match converse(&mut stream, steps, bytes_max, &mut transcript, later()).await {
        Ok(()) => ExchangeEnd::Replies(transcript.to_replies()),
        Err(stop) => stop.end(&transcript, bytes_max),
    }
}

/// Tears bytes apart where a simple generator says.
fn torn(bytes: &[u8], seed: u64) -> Vec<Vec<u8>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = 1 + seed % 23;
        let count = usize::try_from(1 + state % most).unwrap().min(rest.len());
        let (piece, more) = rest.split_at(count);
        pieces.push(piece.to_vec());
        rest = more;
    }
    pieces
}

async fn check(said: &str, steps: &[Step], bytes_max: usize, expected: &ExchangeEnd) {
    for seed in 0..500 {
        let writes = 1 + usize::try_from(seed).unwrap() % 5;
        let pieces = torn(said.as_bytes(), seed);
        let end = heard(pieces.clone(), Some(writes), steps, bytes_max).await;
        assert_eq!(&end, expected, "{seed}: {pieces:?}");
    }
}

#[tokio::test]
async fn replies_do_not_depend_on_where_the_bytes_are_torn_apart() {
    let long =
        Until::Delimiter(b"--\r--\r\n--and a delimiter longer than what is compared at each place".to_vec());
    let steps = [
        step("a request of some bytes", line()),
        step("", Until::Length(5)),
        expecting("more", long.clone(), &["--\r--"]),
        step("", Until::Length(0)),
        step("last", Until::Eof),
    ];
    let Until::Delimiter(delimiter) = &long else { unreachable!() };
    let delimiter = String::from_utf8(delimiter.clone()).unwrap();
    let third = format!("--\r--\r--\r\n--\r{delimiter}");
    let said = format!("a\rb\n\r\r\n12345{third}and the rest\r\n");
    let expected = replies(&["a\rb\n\r\r\n", "12345", &third, "", "and the rest\r\n"]);
    check(&said, &steps, said.len(), &expected).await;
}

#[tokio::test]
async fn early_ends_do_not_depend_on_it_either() {
    let steps = [step("a", line()), expecting("b", line(), &["primary"]), step("c", line())];
    let said = "one\r\nreplica\r\nthree\r\nfo";
    let unexpected = ExchangeEnd::Unexpected(partial(&["one\r\n", "replica\r\n"], ""));
    check(said, &steps, 100, &unexpected).await;
    let too_large = ExchangeEnd::TooLarge(partial(&["one\r\n"], "repli"));
    check(said, &steps, 10, &too_large).await;
    let steps = [step("a", line()), step("b", line()), step("c", line()), step("d", line())];
    let reset = ExchangeEnd::Reset(partial(&["one\r\n", "replica\r\n", "three\r\n"], "fo"));
    check(said, &steps, 100, &reset).await;
}

#[tokio::test]
async fn what_a_peer_said_before_it_closed_is_heard_although_sending_fails() {
    let pieces = vec![b"-ERR too ".to_vec(), b"many clients\r\n".to_vec()];
    // It does not matter that this would be a whole reply: nothing was asked.
    let end = heard(pieces[..1].to_vec(), None, &[step("PING\r\n", line())], 100).await;
    assert_eq!(end.name(), "reset");
    let mut stream = Pieces { pieces: pieces.into(), pause: true, writes: None };
    // Without pauses, as a socket that has it all already.
    stream.pieces = VecDeque::from([stream.pieces.into_iter().flatten().collect()]);
    let mut stream: BoxStream = Box::new(stream);
    let mut transcript = Transcript::default();
    let stop =
        converse(&mut stream, &[step("PING\r\n", line())], 100, &mut transcript, later()).await.unwrap_err();
    assert_eq!(stop.end(&transcript, 100), ExchangeEnd::Reset(partial(&[], "-ERR too many clients\r\n")));
}
