//! Formatting of numbers for people.

/// Formats bytes as GiB with one decimal, rounded to the nearest.
pub fn gib(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 29)) >> 30;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// Formats a number with a comma after every three digits.
pub fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted() {
        assert_eq!([gib(0), gib(16_060_522_496), gib(u64::MAX)], ["0.0 GiB", "15.0 GiB", "17179869184.0 GiB"]);
        assert_eq!([group_digits(0), group_digits(999), group_digits(444_622)], ["0", "999", "444,622"]);
    }
}
