//! Makes exchanges as the host does, on one thread.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, TcpStream},
    time::Duration,
};

use operlet_sdk::{Exchange, ExchangeEnd, PartialReplies, Until};

/// Says the steps to the server at an address.
pub(crate) fn say(exchange: &Exchange, address: IpAddr) -> ExchangeEnd {
    let timeout = Duration::from_millis(u64::from(exchange.timeout_ms));
    let Ok(mut stream) = TcpStream::connect_timeout(&(address, exchange.port).into(), timeout) else {
        return ExchangeEnd::Refused;
    };
    stream.set_read_timeout(Some(timeout)).unwrap();
    let mut replies = Vec::new();
    let mut rest = Vec::new();
    for step in &exchange.steps {
        let Until::Delimiter(delimiter) = &step.until else { panic!("{:?}", step.until) };
        if stream.write_all(&step.send).is_err() {
            return ExchangeEnd::Reset(PartialReplies { replies, rest });
        }
        let reply = loop {
            if let Some(at) = rest.windows(delimiter.len()).position(|part| part == delimiter.as_slice()) {
                let after = rest.split_off(at + delimiter.len());
                break std::mem::replace(&mut rest, after);
            }
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => return ExchangeEnd::Reset(PartialReplies { replies, rest }),
                Ok(count) => rest.extend(&buffer[..count]),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    return ExchangeEnd::Timeout(PartialReplies { replies, rest });
                }
                Err(_) => return ExchangeEnd::Reset(PartialReplies { replies, rest }),
            }
        };
        let holds = |bytes: &Vec<u8>| reply.windows(bytes.len()).any(|part| part == bytes.as_slice());
        let expected = step.expect.iter().all(holds);
        replies.push(reply);
        if !expected {
            return ExchangeEnd::Unexpected(PartialReplies { replies, rest });
        }
    }
    ExchangeEnd::Replies(replies)
}
