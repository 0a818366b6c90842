//! Numbers from text, exactly or not at all.

/// Reads a whole number: an optional sign and ASCII digits, within 64 bits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Reads a finite floating-point number; words such as `inf` and `nan` are refused.
pub(crate) fn float(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: f64 = plain.then(|| text.parse().ok()).flatten()?;
    number.is_finite().then_some(number)
}

/// Reads a decimal number of at most `precision` digits, `scale` of them after the point, times
/// ten to the power of `scale`.
///
/// Nothing is rounded: digits beyond the scale must be zeros.
pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let scale = usize::from(scale);
    let (kept, beyond) = fraction.split_at_checked(scale).unwrap_or((fraction, ""));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let mut number: i128 = 0;
    for byte in whole.bytes().chain(kept.bytes()) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    for _ in kept.len()..scale {
        number = number.checked_mul(10)?;
    }
    let fits = number < 10_i128.pow(u32::from(precision));
    fits.then_some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, expected) in [
            ("12.50", Some(1250)),
            ("-0.01", Some(-1)),
            ("+7", Some(700)),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("1.500", Some(150)),
            ("999.99", Some(99_999)),
            ("1000", None),
            ("1.005", None),
            ("1,000", None),
            ("1e2", None),
            ("12 3", None),
            ("", None),
            ("-", None),
            (".", None),
            ("--1", None),
            ("1.-5", None),
            ("\u{ff11}", None),
            ("1.\u{ff11}", None),
        ] {
            assert_eq!(decimal(text, 5, 2), expected, "{text}");
        }
        let largest = "9".repeat(38);
        assert_eq!(decimal(&largest, 38, 0), largest.parse().ok());
        assert_eq!(decimal(&format!("{largest}0"), 38, 0), None);
    }

    #[test]
    fn floats_are_finite_and_written_in_digits() {
        assert_eq!(float("-1.5e3"), Some(-1500.0));
        for text in ["nan", "inf", "1e999", "infinity", "1,5", "0x10", "e", ""] {
            assert_eq!(float(text), None, "{text}");
        }
    }
}
