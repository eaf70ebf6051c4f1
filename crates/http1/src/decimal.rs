//! Decimal numbers, written without the formatting machinery.

const DIGITS_MAX: usize = 20;

/// A number's decimal digits, on the stack.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    digits: [u8; DIGITS_MAX],
    start: usize,
}

/// The decimal digits of `number`.
pub fn decimal(mut number: u64) -> Decimal {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(number % 10);
        start -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    Decimal { digits, start }
}

#[expect(clippy::cast_possible_truncation, reason = "a digit is below ten")]
const fn digit_of(digit: u64) -> u8 {
    b'0' + digit as u8
}

impl AsRef<[u8]> for Decimal {
    fn as_ref(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, 1_000_000_007, u64::MAX - 1, u64::MAX] {
            assert_eq!(decimal(number).as_ref(), number.to_string().as_bytes());
        }
    }
}
