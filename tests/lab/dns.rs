//! Asks a name server one question: enough to know whether it answers.

use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A server on this machine that takes longer is not ready.
const TIMEOUT: Duration = Duration::from_millis(500);
const IDENTITY: [u8; 2] = [0x4f, 0x70];

/// Whether `server` says that `name` has the address `expected`.
pub(crate) fn resolves(server: Ipv4Addr, name: &str, expected: Ipv4Addr) -> bool {
    ask(server, name).is_ok_and(|answer| holds(&answer, expected))
}

fn ask(server: Ipv4Addr, name: &str) -> Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(SocketAddr::from((server, 53)))?;
    socket.send(&question(name)?)?;
    let mut answer = vec![0; 512];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// A query for the address of a name: RFC 1035, section 4.
fn question(name: &str) -> Result<Vec<u8>> {
    let mut packet = IDENTITY.to_vec();
    // Recursion desired, one question, nothing else.
    packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        packet.push(u8::try_from(label.len())?);
        packet.extend(label.as_bytes());
    }
    // The root; type A; class IN.
    packet.extend([0, 0, 1, 0, 1]);
    Ok(packet)
}

/// No error, an answer, and the address as the data of one.
fn holds(answer: &[u8], expected: Ipv4Addr) -> bool {
    let good = answer.starts_with(&IDENTITY) && answer.get(3).is_some_and(|flags| flags & 0xf == 0);
    let mut data = vec![0, 4];
    data.extend(expected.octets());
    good && answer.windows(data.len()).any(|window| window == data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_laid_out_as_the_rfc_says() {
        let packet = question("a.bc").unwrap();
        assert_eq!(packet[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }

    #[test]
    fn only_an_answer_without_error_counts() {
        let address = Ipv4Addr::new(10, 210, 128, 1);
        let mut answer = question("a").unwrap();
        assert!(!holds(&answer, address));
        answer.extend([0, 4, 10, 210, 128, 1]);
        assert!(holds(&answer, address));
        answer[3] |= 3;
        assert!(!holds(&answer, address), "NXDOMAIN was taken for an answer");
    }
}
