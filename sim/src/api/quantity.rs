//! Quantities in the form in which Kubernetes writes them.
//!
//! The rules are those of `resource.Quantity` of Kubernetes' apimachinery: no fraction, the
//! largest suffix without one, and binary stays binary.

/// The decimal suffixes and the powers of ten that they stand for.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

/// The binary suffixes and the powers of two that they stand for.
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

/// The smallest part of one that a quantity can tell apart.
const SMALLEST: i32 = -9;

/// The quantity as it is kept; nothing if it is none.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let sign = if negative && digits != 0 { "-" } else { "" };
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        let shifted = digits.checked_mul(1 << power)?;
        let scale = 10_i128.checked_pow(u32::try_from(places).ok()?)?;
        // What is less than one is rounded up.
        let value = (shifted + scale - 1) / scale;
        return Some(format!("{sign}{}", binary(value)));
    }
    let exponent = match DECIMAL.iter().find(|(known, _)| *known == suffix) {
        Some((_, power)) => *power,
        None => suffix.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    let shift = exponent - places - SMALLEST;
    let value = if shift >= 0 {
        digits.checked_mul(10_i128.checked_pow(u32::try_from(shift).ok()?)?)?
    } else {
        let scale = 10_i128.checked_pow(u32::try_from(-shift).ok()?)?;
        (digits + scale - 1) / scale
    };
    Some(format!("{sign}{}", decimal(value)))
}

fn binary(value: i128) -> String {
    let fits = |power: u32| value != 0 && value % (1 << power) == 0;
    match BINARY.iter().find(|(_, power)| fits(*power)) {
        Some((suffix, power)) => format!("{}{suffix}", value >> power),
        None => value.to_string(),
    }
}

/// A value in the smallest parts.
fn decimal(value: i128) -> String {
    let unit = |power: i32| 10_i128.pow(u32::try_from(power - SMALLEST).unwrap_or_default());
    let fits = |power: i32| value != 0 && value % unit(power) == 0;
    match DECIMAL.iter().find(|(_, power)| fits(*power)) {
        Some((suffix, power)) => format!("{}{suffix}", value / unit(*power)),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn a_quantity_is_written_without_a_fraction_and_with_the_largest_suffix() {
        // From the documentation of the type.
        check("1.5", "1500m");
        check("1.5Gi", "1536Mi");
        check("1024Mi", "1Gi");
        check("1000m", "1");
        check("1000", "1k");
        check("1e3", "1k");
        check("0.1", "100m");
        check("0", "0");
        check("0Gi", "0");
        check("-0.5", "-500m");
        check("100", "100");
        check("1025Ki", "1025Ki");
    }

    #[test]
    fn what_is_no_quantity_is_left_alone() {
        for text in ["", "a", "1x", "1.2.3", "50%"] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
