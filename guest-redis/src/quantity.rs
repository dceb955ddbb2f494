//! Quantities as Kubernetes writes them: `512Mi`, `1.5G`, `2e9`.

/// Bytes, rounded down; none for what is no quantity or far too large.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unscaled: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (multiplier, divisor) = factor(suffix)?;
    let bytes = unscaled.checked_mul(multiplier)? / scale.checked_mul(divisor)?;
    u64::try_from(bytes).ok()
}

/// What a suffix multiplies and divides by.
fn factor(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1024_u128.pow(power), 1));
    let decimal = |power: u32| Some((1000_u128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "m" => Some((1, 1000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => exponent(suffix),
    }
}

fn exponent(suffix: &str) -> Option<(u128, u128)> {
    let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((10_u128.checked_pow(power)?, 1))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(bytes(text), expected, "{text}");
    }

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        check("0", Some(0));
        check("1024", Some(1024));
        check("512Mi", Some(512 << 20));
        check("1.5Gi", Some(3 << 29));
        check(".5G", Some(500_000_000));
        check("2e9", Some(2_000_000_000));
        check("128974848000m", Some(128_974_848));
        check("16Ei", None);
        check("", None);
        check("Gi", None);
        check("-1", None);
        check("1.5.2", None);
        check("1GiB", None);
        check("1e99999", None);
    }
}
