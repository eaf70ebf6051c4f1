//! Field sections that arrive.

use field_compression::{Bounds, FieldSection, Reader, Text, TooLarge, Unreadable};

use super::static_table;

/// Why a field section is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSectionError {
    /// It cannot be read: an error of the whole connection (RFC 9204 section 2.2).
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It says more than it may.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Reads a field section, as far as it keeps within `bounds`.
pub fn decode_field_section(encoded: &[u8], bounds: Bounds) -> Result<FieldSection, FieldSectionError> {
    let mut section = FieldSection::new(bounds);
    let mut reader = Reader::new(encoded);
    prefix(&mut reader)?;
    while let Some(first) = reader.peek() {
        field(&mut reader, first, &mut section)?;
        section.check()?;
    }
    Ok(section)
}

/// RFC 9204 section 4.5.1: nothing of the dynamic table is needed, and a base below it is invalid.
fn prefix(reader: &mut Reader<'_>) -> Result<(), Unreadable> {
    let required_insert_count = reader.integer(8)?;
    let base_is_negative = reader.peek().is_some_and(|first| first & 0x80 != 0);
    let _delta_base = reader.integer(7)?;
    if required_insert_count == 0 && !base_is_negative { Ok(()) } else { Err(Unreadable) }
}

/// RFC 9204 sections 4.5.2 to 4.5.6; what refers to the dynamic table refers to nothing.
fn field(reader: &mut Reader<'_>, first: u8, section: &mut FieldSection) -> Result<(), Unreadable> {
    let (name, value) = match first >> 4 {
        0b1100..=0b1111 => {
            let (name, value) = entry(reader, 6)?;
            (Some(name), Some(value))
        }
        0b0101 | 0b0111 => (Some(entry(reader, 4)?.0), reader.string(7, section)?),
        0b0010 | 0b0011 => (reader.string(3, section)?, reader.string(7, section)?),
        _ => return Err(Unreadable),
    };
    section.push(name, value);
    Ok(())
}

fn entry(reader: &mut Reader<'_>, prefix_bits: u32) -> Result<(Text, Text), Unreadable> {
    let (name, value) = static_table::entry(reader.integer(prefix_bits)?).ok_or(Unreadable)?;
    Ok((Text::Static(name), Text::Static(value)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FieldSectionWriter;
    use super::*;

    fn decode(encoded: &[u8]) -> Result<String, FieldSectionError> {
        let section = decode_field_section(encoded, Bounds { fields: 4, bytes: 100 })?;
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
        assert_eq!(decode(encoded), Err(Unreadable.into()), "{encoded:x?}");
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
        let too_large = Err(TooLarge.into());
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
            let section = decode_field_section(&out, Bounds { fields: 100, bytes: 100_000 }).unwrap();
            let status = status.to_string();
            let expect = std::iter::once((&b":status"[..], status.as_bytes()))
                .chain(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())));
            prop_assert!(section.fields().eq(expect));
        }

        #[test]
        fn nothing_that_arrives_is_too_odd(encoded in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(section) = decode_field_section(&encoded, Bounds { fields: 10, bytes: 200 }) {
                prop_assert!(section.size() <= 200 && section.fields().count() <= 10);
            }
        }
    }
}
