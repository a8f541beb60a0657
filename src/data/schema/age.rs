//! Ages as people write them: `90s`, `15m`, `36h`, `2d`.

const SECOND: i64 = 1_000_000;
const UNITS: [(&str, i64); 4] = [
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
];

/// Microseconds of `36h`; none for anything else.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (unit, length) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let age = number * length as f64;
    (number > 0.0 && age < i64::MAX as f64).then_some(age as i64)
}

/// Microseconds as people write them, rounded.
pub fn text(age: i64) -> String {
    for (unit, length) in UNITS {
        if age >= 2 * length {
            return format!("{}{unit}", (age + length / 2) / length);
        }
    }
    format!("{}s", age / SECOND)
}

/// What may be expected where data of this age was seen: three times as much, and two days at least.
pub fn limit_for(age: i64) -> String {
    let days = (3 * age).div_euclid(UNITS[0].1) + 1;
    format!("{}d", days.max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_written() {
        assert_eq!(parse("36h"), Some(36 * 3_600 * SECOND));
        assert_eq!(parse("1.5 d"), Some(36 * 3_600 * SECOND));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-3h"), None);
        assert_eq!(text(36 * 3_600 * SECOND), "36h");
        assert_eq!(text(5 * SECOND), "5s");
        assert_eq!(limit_for(3_600 * SECOND), "2d");
        assert_eq!(limit_for(3 * 86_400 * SECOND), "10d");
    }
}
