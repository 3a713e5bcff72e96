//! Figures as people read them.

/// The middle value, or the mean of the two in the middle; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// A share as a percentage that is 100% only when it is all.
pub fn percent(share: f64) -> String {
    let shown = if share < 1.0 { share.min(0.9999) } else { share };
    format!("{:.2}%", 100.0 * shown)
}

/// Seconds with a unit that fits.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_one_is_not_all() {
        assert_eq!(percent(1.0), "100.00%");
        assert_eq!(percent(0.999_999_9), "99.99%");
        assert_eq!(percent(0.5), "50.00%");
    }
}
