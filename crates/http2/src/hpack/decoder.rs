//! Header blocks that arrive.

use field_compression::{FieldSection, Reader, Text, Unreadable};

use super::static_table;
use super::table::DynamicTable;
use crate::limits::HEADER_TABLE_BYTES_MAX;

/// Reads the header blocks of one connection, in their order.
#[derive(Debug)]
pub struct HeaderDecoder {
    table: DynamicTable,
    /// What an entry of the table is put together in.
    scratch: Vec<u8>,
}

impl Default for HeaderDecoder {
    fn default() -> Self {
        Self { table: DynamicTable::new(), scratch: Vec::new() }
    }
}

/// Patterns of a field's first byte, and how many bits they leave for a number (RFC 7541 section 6).
const INDEXED: (u8, u32) = (0b1000_0000, 7);
const LITERAL_INDEXED: (u8, u32) = (0b0100_0000, 6);
const TABLE_SIZE: (u8, u32) = (0b0010_0000, 5);
/// Without indexing, or never indexed: for who reads, the two are alike.
const LITERAL_BITS: u32 = 4;

impl HeaderDecoder {
    /// Reads a block into a section without fields. What the section has no room for is read all the same, so that the
    /// table stays what the other side takes it for.
    pub fn decode(&mut self, block: &[u8], section: &mut FieldSection) -> Result<(), Unreadable> {
        let mut reader = Reader::new(block);
        // Section 4.2: only at the beginning.
        while let Some(first) = reader.peek()
            && first & 0b1110_0000 == TABLE_SIZE.0
        {
            self.resize(reader.integer(TABLE_SIZE.1)?)?;
        }
        while let Some(first) = reader.peek() {
            self.field(&mut reader, first, section)?;
        }
        Ok(())
    }

    fn resize(&mut self, size: u64) -> Result<(), Unreadable> {
        // Section 6.3: not above what SETTINGS say, which is what they say from the beginning.
        let size = usize::try_from(size).ok().filter(|size| *size <= HEADER_TABLE_BYTES_MAX);
        self.table.resize(size.ok_or(Unreadable)?);
        Ok(())
    }

    fn field(
        &mut self,
        reader: &mut Reader<'_>,
        first: u8,
        section: &mut FieldSection,
    ) -> Result<(), Unreadable> {
        if first & INDEXED.0 != 0 {
            let (name, value) = self.entry(reader.integer(INDEXED.1)?)?;
            section.push(Some(name), Some(value));
        } else if first & LITERAL_INDEXED.0 != 0 {
            self.indexed_literal(reader, section)?;
        } else if first & TABLE_SIZE.0 != 0 {
            return Err(Unreadable);
        } else {
            let name = match reader.integer(LITERAL_BITS)? {
                0 => reader.string(7, section)?,
                index => Some(self.entry(index)?.0),
            };
            let value = reader.string(7, section)?;
            section.push(name, value);
        }
        Ok(())
    }

    /// Section 6.2.1: a field that becomes an entry.
    fn indexed_literal(
        &mut self,
        reader: &mut Reader<'_>,
        section: &mut FieldSection,
    ) -> Result<(), Unreadable> {
        self.scratch.clear();
        let known_name = match reader.integer(LITERAL_INDEXED.1)? {
            0 => {
                reader.string_into(7, &mut self.scratch)?;
                None
            }
            index => Some(self.entry(index)?.0),
        };
        let name_length = self.scratch.len();
        reader.string_into(7, &mut self.scratch)?;
        let (name, value) = self.scratch.split_at(name_length);
        let length = known_name.as_ref().map_or(name, |name| section.text(name)).len() + value.len();
        if self.table.has_room(length) {
            let name = known_name.unwrap_or_else(|| Text::Shared(name.into()));
            let value = Text::Shared(value.into());
            self.table.insert(name.clone(), value.clone(), length);
            section.push(Some(name), Some(value));
        } else {
            self.table.clear();
            let name = known_name.or_else(|| section.write(name));
            let value = section.write(value);
            section.push(name, value);
            // It may have been a large one.
            self.scratch = Vec::new();
        }
        Ok(())
    }

    /// Section 2.3.3: the static table's entries, and behind them the dynamic table's.
    fn entry(&self, index: u64) -> Result<(Text, Text), Unreadable> {
        let index = usize::try_from(index).map_err(|_| Unreadable)?;
        if let Some((name, value)) = static_table::entry(index) {
            return Ok((Text::Static(name), Text::Static(value)));
        }
        let behind = index.checked_sub(static_table::LENGTH + 1).ok_or(Unreadable)?;
        let (name, value) = self.table.entry(behind).ok_or(Unreadable)?;
        Ok((name.clone(), value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use field_compression::{Bounds, TooLarge};
    use proptest::prelude::*;

    use super::super::HeaderWriter;
    use super::*;

    const BOUNDS: Bounds = Bounds { fields: 10, bytes: 300 };

    fn text(section: &FieldSection) -> String {
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        section
            .fields()
            .flat_map(|(name, value)| [lossy(name), "=".into(), lossy(value), ";".into()])
            .collect()
    }

    fn decode(decoder: &mut HeaderDecoder, block: &[u8]) -> Result<String, Unreadable> {
        let mut section = FieldSection::new(BOUNDS);
        decoder.decode(block, &mut section)?;
        section.check().unwrap();
        Ok(text(&section))
    }

    fn check(decoder: &mut HeaderDecoder, block: &[u8], expect: &str) {
        assert_eq!(decode(decoder, block).as_deref(), Ok(expect), "{block:x?}");
    }

    fn check_unreadable(block: &[u8]) {
        assert_eq!(decode(&mut HeaderDecoder::default(), block), Err(Unreadable), "{block:x?}");
    }

    /// RFC 7541 appendix C.2, each form once.
    #[test]
    fn every_form_is_read() {
        let mut decoder = HeaderDecoder::default();
        check(&mut decoder, b"\x40\x0acustom-key\x0dcustom-header", "custom-key=custom-header;");
        check(&mut decoder, &[0xbe], "custom-key=custom-header;");
        check(&mut decoder, b"\x04\x0c/sample/path", ":path=/sample/path;");
        check(&mut decoder, b"\x10\x08password\x06secret", "password=secret;");
        check(&mut decoder, &[0x82], ":method=GET;");
        check(&mut decoder, &[0xbe, 0x0f, 0x2f, 1, b'x'], "custom-key=custom-header;custom-key=x;");
        check(&mut decoder, &[], "");
    }

    /// RFC 7541 appendix C.4: three requests of one connection, in Huffman's code.
    #[test]
    fn requests_share_a_table() {
        let mut decoder = HeaderDecoder::default();
        let first = [
            0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
            0xff,
        ];
        check(&mut decoder, &first, ":method=GET;:scheme=http;:path=/;:authority=www.example.com;");
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        check(
            &mut decoder,
            &second,
            ":method=GET;:scheme=http;:path=/;:authority=www.example.com;cache-control=no-cache;",
        );
        let third = [
            0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25,
            0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
        ];
        check(
            &mut decoder,
            &third,
            ":method=GET;:scheme=https;:path=/index.html;:authority=www.example.com;custom-key=custom-value;",
        );
    }

    #[test]
    fn a_table_forgets_the_oldest_and_can_be_made_smaller() {
        let mut decoder = HeaderDecoder::default();
        // Two entries of 32 + 1 + 1 bytes have room, and not three.
        check(&mut decoder, &[0x3f, 0x25, 0x40, 1, b'a', 1, b'1', 0x40, 1, b'b', 1, b'2'], "a=1;b=2;");
        check(&mut decoder, &[0xbf, 0xbe], "a=1;b=2;");
        check(&mut decoder, &[0x40, 1, b'c', 1, b'3', 0xbe, 0xbf], "c=3;c=3;b=2;");
        assert_eq!(decode(&mut decoder, &[0xc0]), Err(Unreadable));
        check(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f], "");
        assert_eq!(decode(&mut decoder, &[0xbe]), Err(Unreadable));
    }

    #[test]
    fn an_entry_without_room_empties_the_table() {
        let mut decoder = HeaderDecoder::default();
        check(&mut decoder, &[0x40, 1, b'a', 1, b'1'], "a=1;");
        let large = [&[0x40, 1, b'b', 0x7f, 0xe1, 0x1e][..], &[b'x'; 4064]].concat();
        let mut section = FieldSection::new(Bounds { fields: 10, bytes: 5000 });
        decoder.decode(&large, &mut section).unwrap();
        assert_eq!((section.size(), section.check()), (4065, Ok(())));
        assert_eq!(decode(&mut decoder, &[0xbe]), Err(Unreadable));
    }

    #[test]
    fn what_is_too_large_leaves_the_table_as_the_other_side_has_it() {
        let mut decoder = HeaderDecoder::default();
        let block =
            [&[0x00, 1, b'a', 0x7f, 0xad, 0x02][..], &[b'x'; 428], &[0x40, 1, b'b', 1, b'2']].concat();
        let mut section = FieldSection::new(BOUNDS);
        decoder.decode(&block, &mut section).unwrap();
        assert_eq!((section.check(), section.count()), (Err(TooLarge), 0));
        check(&mut decoder, &[0xbe], "b=2;");
    }

    #[test]
    fn what_is_cut_off_or_out_of_bounds_cannot_be_read() {
        for block in [
            &[0x80][..],
            &[0xbe],
            &[0xff, 0x80],
            &[0x7f, 0x80],
            &[0x40],
            &[0x40, 1],
            &[0x40, 1, b'a', 2, b'b'],
            &[0x0f],
            &[0x00, 0x81, 0xff, 0],
            // A larger table than was granted, and a size behind a field.
            &[0x3f, 0xe2, 0x1f],
            &[0x82, 0x20],
        ] {
            check_unreadable(block);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            status in 100..600_u16,
            fields in prop::collection::vec(("[a-z-]{1,40}", prop::collection::vec(any::<u8>(), 0..300)), 0..10),
        ) {
            let mut out = Vec::new();
            let mut writer = HeaderWriter::new(&mut out);
            writer.status(status);
            for (name, value) in &fields {
                let (one, other) = value.split_at(value.len() / 2);
                writer.field(name.as_bytes(), &[one, other]);
            }
            let mut section = FieldSection::new(Bounds { fields: 100, bytes: 100_000 });
            HeaderDecoder::default().decode(&out, &mut section).unwrap();
            let status = status.to_string();
            let expect = std::iter::once((&b":status"[..], status.as_bytes()))
                .chain(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())));
            prop_assert!(section.fields().eq(expect));
        }

        #[test]
        fn nothing_that_arrives_is_too_odd(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
            let mut decoder = HeaderDecoder::default();
            for block in blocks {
                let mut section = FieldSection::new(BOUNDS);
                if decoder.decode(&block, &mut section).is_ok() {
                    prop_assert!(section.size() <= BOUNDS.bytes && section.count() <= BOUNDS.fields);
                }
            }
        }
    }
}
