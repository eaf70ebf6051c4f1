//! Field sections that arrive.

use std::ops::Range;

use super::integer::{self, Integer};
use super::{huffman, static_table};

/// Why a field section is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSectionError {
    /// It cannot be read: an error of the whole connection (RFC 9204 section 2.2).
    #[error("the field section cannot be read")]
    Unreadable,
    /// It says more than it may.
    #[error("the field section is too large")]
    TooLarge,
}

/// A field section's fields, in their order, as they were meant.
#[derive(Debug, Default)]
pub struct FieldSection {
    bytes: Vec<u8>,
    fields: Vec<FieldPlace>,
}

#[derive(Debug)]
struct FieldPlace {
    name: Range<usize>,
    value: Range<usize>,
}

impl FieldSection {
    /// Reads one of at most `fields_max` fields that have at most `bytes_max` bytes.
    ///
    /// The static table makes fifty bytes of one, and Huffman's code eight of five, so it is what comes out that is
    /// counted, and before it is written.
    pub fn decode(encoded: &[u8], fields_max: usize, bytes_max: usize) -> Result<Self, FieldSectionError> {
        let mut reader = Reader { encoded, bytes: Vec::with_capacity(encoded.len()), bytes_max };
        reader.prefix()?;
        let mut fields = Vec::new();
        while let Some(first) = reader.encoded.first().copied() {
            if fields.len() >= fields_max {
                return Err(FieldSectionError::TooLarge);
            }
            fields.push(reader.field(first)?);
        }
        Ok(Self { bytes: reader.bytes, fields })
    }

    /// The fields: each one's name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.fields.iter().map(move |field| (part(&field.name), part(&field.value)))
    }

    /// The bytes of all names and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

struct Reader<'a> {
    encoded: &'a [u8],
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Reader<'_> {
    /// RFC 9204 section 4.5.1: nothing of the dynamic table is needed, and a base below it is invalid.
    fn prefix(&mut self) -> Result<(), FieldSectionError> {
        let required_insert_count = self.integer(8)?;
        let base_is_negative = self.encoded.first().is_some_and(|first| first & 0x80 != 0);
        let _delta_base = self.integer(7)?;
        if required_insert_count == 0 && !base_is_negative {
            Ok(())
        } else {
            Err(FieldSectionError::Unreadable)
        }
    }

    /// RFC 9204 sections 4.5.2 to 4.5.6; what refers to the dynamic table refers to nothing.
    fn field(&mut self, first: u8) -> Result<FieldPlace, FieldSectionError> {
        match first >> 4 {
            0b1100..=0b1111 => {
                let (name, value) = self.entry(6)?;
                Ok(FieldPlace { name: self.write(name)?, value: self.write(value)? })
            }
            0b0101 | 0b0111 => {
                let (name, _) = self.entry(4)?;
                Ok(FieldPlace { name: self.write(name)?, value: self.string(7)? })
            }
            0b0010 | 0b0011 => Ok(FieldPlace { name: self.string(3)?, value: self.string(7)? }),
            _ => Err(FieldSectionError::Unreadable),
        }
    }

    fn integer(&mut self, prefix_bits: u32) -> Result<u64, FieldSectionError> {
        let Integer::Whole(value, length) = integer::decode(self.encoded, prefix_bits) else {
            return Err(FieldSectionError::Unreadable);
        };
        self.encoded = self.encoded.get(length..).unwrap_or_default();
        Ok(value)
    }

    fn entry(&mut self, prefix_bits: u32) -> Result<(&'static [u8], &'static [u8]), FieldSectionError> {
        static_table::entry(self.integer(prefix_bits)?).ok_or(FieldSectionError::Unreadable)
    }

    fn write(&mut self, text: &[u8]) -> Result<Range<usize>, FieldSectionError> {
        let begin = self.bytes.len();
        if begin + text.len() > self.bytes_max {
            return Err(FieldSectionError::TooLarge);
        }
        self.bytes.extend_from_slice(text);
        Ok(begin..self.bytes.len())
    }

    /// A string whose length has `prefix_bits` bits in the first byte, behind the one that says whether it is in
    /// Huffman's code.
    fn string(&mut self, prefix_bits: u32) -> Result<Range<usize>, FieldSectionError> {
        let is_huffman = self.encoded.first().is_some_and(|first| first >> prefix_bits & 1 == 1);
        let length = self.integer(prefix_bits)?;
        let length = usize::try_from(length).map_err(|_| FieldSectionError::Unreadable)?;
        let (text, rest) = self.encoded.split_at_checked(length).ok_or(FieldSectionError::Unreadable)?;
        self.encoded = rest;
        if !is_huffman {
            return self.write(text);
        }
        let begin = self.bytes.len();
        // The shortest code has five bits.
        if begin + text.len() * 8 / 5 > self.bytes_max {
            return Err(FieldSectionError::TooLarge);
        }
        huffman::decode(text, &mut self.bytes).map_err(|_| FieldSectionError::Unreadable)?;
        Ok(begin..self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FieldSectionWriter;
    use super::*;

    fn decode(encoded: &[u8]) -> Result<String, FieldSectionError> {
        let section = FieldSection::decode(encoded, 4, 100)?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(section
            .fields()
            .flat_map(|(name, value)| [text(name), "=".into(), text(value), ";".into()])
            .collect())
    }

    fn check(encoded: &[u8], expect: &str) {
        assert_eq!(decode(encoded).as_deref(), Ok(expect), "{encoded:x?}");
    }

    fn check_unreadable(encoded: &[u8]) {
        assert_eq!(decode(encoded), Err(FieldSectionError::Unreadable), "{encoded:x?}");
    }

    /// RFC 9204 appendix B.1, and each form once.
    #[test]
    fn every_form_is_read() {
        check(b"\0\0\x51\x0b/index.html", ":path=/index.html;");
        check(&[0, 0, 0xd1, 0xd7], ":method=GET;:scheme=https;");
        check(b"\0\0\x23abc\x02de", "abc=de;");
        check(b"\0\0\x33abc\x02de", "abc=de;");
        check(&[0, 0, 0x71, 0x82, 0x64, 0x02], ":path=302;");
        check(b"\0\0\x27\x01abcdefgh\0", "abcdefgh=;");
        check(&[0, 0x05], "");
    }

    #[test]
    fn there_is_no_dynamic_table() {
        for encoded in [
            &[1, 0, 0xd1][..],
            &[0, 0x80, 0xd1],
            &[0, 0, 0x80],
            &[0, 0, 0x41, 0],
            &[0, 0, 0x10],
            &[0, 0, 0x01, 0],
        ] {
            check_unreadable(encoded);
        }
    }

    #[test]
    fn what_is_cut_off_or_out_of_bounds_cannot_be_read() {
        for encoded in [
            &[][..],
            &[0],
            // The 99th entry, and an index that never ends.
            &[0, 0, 0xff, 0x24],
            &[0, 0, 0xff, 0x80],
            &[0, 0, 0x51],
            &[0, 0, 0x51, 2, b'/'],
            &[0, 0, 0x23, b'a'],
            // Padding of a whole byte.
            &[0, 0, 0x51, 0x81, 0xff],
        ] {
            check_unreadable(encoded);
        }
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let too_large = Err(FieldSectionError::TooLarge);
        assert_eq!(decode(&[0, 0, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1]), too_large);
        // content-security-policy with its value has 76 bytes.
        assert_eq!(decode(&[0, 0, 0xff, 22, 0xff, 22]), too_large);
        assert_eq!(decode(&[&[0, 0, 0x51, 101][..], &[b'a'; 101]].concat()), too_large);
        assert_eq!(decode(&[&[0, 0, 0x51, 0x80 | 0x46][..], &[0; 70]].concat()), too_large);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            status in 100..600_u16,
            fields in prop::collection::vec(("[a-z-]{1,40}", prop::collection::vec(any::<u8>(), 0..300)), 0..10),
        ) {
            let mut out = Vec::new();
            let mut writer = FieldSectionWriter::begin(&mut out);
            writer.status(status);
            for (name, value) in &fields {
                let (one, other) = value.split_at(value.len() / 2);
                writer.field(name.as_bytes(), &[one, other]);
            }
            let section = FieldSection::decode(&out, 100, 100_000).unwrap();
            let status = status.to_string();
            let expect = std::iter::once((&b":status"[..], status.as_bytes()))
                .chain(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())));
            prop_assert!(section.fields().eq(expect));
        }

        #[test]
        fn nothing_that_arrives_is_too_odd(encoded in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(section) = FieldSection::decode(&encoded, 10, 200) {
                prop_assert!(section.size() <= 200 && section.fields().count() <= 10);
            }
        }
    }
}
