//! The order in which people count: `frame9.png` before `frame10.png`.

use std::cmp::Ordering;

/// Compares two names. Runs of digits are compared as numbers, and all else by its bytes. Where the numbers are equal, as `7` and
/// `07`, the bytes decide, so that only equal names are equal.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        match (left.first(), right.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let numbers = [number(&mut left), number(&mut right)];
                // Without leading zeros, the longer number is the larger one, however long they are.
                let order = numbers[0].len().cmp(&numbers[1].len()).then(numbers[0].cmp(numbers[1]));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[1..], &right[1..]),
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

/// Takes the digits from the beginning of a name, and gives them without leading zeros.
fn number<'a>(name: &mut &'a [u8]) -> &'a [u8] {
    let end = name.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(name.len());
    let (digits, rest) = name.split_at(end);
    *name = rest;
    &digits[digits.iter().position(|&byte| byte != b'0').unwrap_or(end)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut names =
            ["b10", "b9", "b", "b009", "a100000000000000000000000", "b9a", "a99999999999999999999999", "b09"];
        names.sort_by(|a, b| compare(a.as_bytes(), b.as_bytes()));
        let sorted = ["a99999999999999999999999", "a100000000000000000000000", "b", "b009", "b09", "b9", "b9a", "b10"];
        assert_eq!(names, sorted);
    }
}
