//! Finding bytes in bytes.

/// Up to here comparing at each place is bounded well enough, and fastest.
const SHORT: usize = 32;

/// Where `needle` begins first. Both come from strangers, so the time is
/// proportional to their length together, whatever they hold.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle.len() {
        0 => Some(0),
        length if length > haystack.len() => None,
        length if length <= SHORT => haystack.windows(length).position(|window| window == needle),
        _ => find_long(haystack, needle),
    }
}

/// The algorithm of Knuth, Morris and Pratt.
fn find_long(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // For each length of a match: that of the next shorter one to go on with.
    let mut shorter = Vec::with_capacity(needle.len() + 1);
    shorter.extend([0, 0]);
    let advance = |shorter: &[usize], mut matched: usize, byte: u8| loop {
        if needle.get(matched) == Some(&byte) {
            return matched + 1;
        }
        if matched == 0 {
            return 0;
        }
        matched = shorter.get(matched).copied().unwrap_or_default();
    };
    let mut matched = 0;
    for byte in needle.iter().skip(1) {
        matched = advance(&shorter, matched, *byte);
        shorter.push(matched);
    }
    let mut matched = 0;
    for (at, byte) in haystack.iter().enumerate() {
        matched = advance(&shorter, matched, *byte);
        if matched == needle.len() {
            return Some(at + 1 - matched);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find;

    /// A few letters only, so that there are many near misses.
    fn letters(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'a' + u8::try_from(state % 16 / 15).unwrap()
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn it_finds_what_comparing_at_each_place_finds() {
        for seed in 0..2_000 {
            let haystack = letters(seed, 200);
            let length = 1 + usize::try_from(seed).unwrap() % 60;
            let at = usize::try_from(seed).unwrap() % 120;
            for needle in [letters(seed + 7, length), haystack[at..at + length].to_vec()] {
                let expected = haystack.windows(length).position(|window| window == needle);
                assert_eq!(find(&haystack, &needle), expected, "{haystack:?} {needle:?}");
            }
        }
        assert_eq!(find(b"", b""), Some(0));
        assert_eq!(find(b"a", b"ab"), None);
    }

    #[test]
    fn a_needle_made_to_be_slow_is_not() {
        let haystack = vec![b'a'; 1 << 20];
        let mut needle = vec![b'a'; 1 << 19];
        needle.push(b'b');
        let begin = std::time::Instant::now();
        assert_eq!(find(&haystack, &needle), None);
        assert!(begin.elapsed() < std::time::Duration::from_secs(1), "{:?}", begin.elapsed());
    }
}
