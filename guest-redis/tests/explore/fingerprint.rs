//! 128 bits that stand for a state. With 10^8 states two of them meet with a
//! probability of about 10^-23.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The fingerprint of a value.
pub fn fingerprint<T: Hash>(value: &T) -> u128 {
    let mut hasher = Two(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344);
    value.hash(&mut hasher);
    let mix = |mut lane: u64| {
        lane ^= lane >> 32;
        lane = lane.wrapping_mul(0xd6e8_feb8_6659_fd93);
        lane ^ (lane >> 32)
    };
    (u128::from(mix(hasher.0)) << 64) | u128::from(mix(hasher.1))
}

/// Two independent lanes, each a multiplication folded upon itself.
struct Two(u64, u64);

fn fold(lane: u64, word: u64, factor: u64) -> u64 {
    let product = u128::from(lane ^ word) * u128::from(factor);
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high.rotate_left(23) ^ lane.rotate_left(31)
}

impl Hasher for Two {
    fn write_u64(&mut self, word: u64) {
        self.0 = fold(self.0, word, 0x9e37_79b9_7f4a_7c15);
        self.1 = fold(self.1, word, 0xc2b2_ae3d_27d4_eb4f);
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A fingerprint is spread evenly already.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn write_u128(&mut self, print: u128) {
        // Any 64 of the bits will do.
        self.0 = print as u64;
    }

    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A set of fingerprints.
pub type Prints = std::collections::HashSet<u128, BuildHasherDefault<Identity>>;
