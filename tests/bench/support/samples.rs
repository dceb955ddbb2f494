//! What single measurements say together.

use std::time::Duration;

/// The value below which this share of the samples lies, in microseconds. It sorts
/// them.
pub(crate) fn percentile_us(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    let rank = (samples.len() as f64 * share).ceil() as usize;
    let sample = samples.get(rank.saturating_sub(1)).copied().unwrap_or_default();
    sample.as_secs_f64() * 1e6
}
