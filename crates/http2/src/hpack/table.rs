//! The dynamic table of what the other side sends (RFC 7541 section 2.3.2).

use std::collections::VecDeque;

use field_compression::Text;

use crate::limits::HEADER_TABLE_BYTES_MAX;

/// What an entry counts beyond its bytes (RFC 7541 section 4.1).
const ENTRY_BYTES: usize = 32;

#[derive(Debug)]
pub(super) struct DynamicTable {
    /// The newest first.
    entries: VecDeque<(Text, Text, usize)>,
    size: usize,
    size_max: usize,
}

impl DynamicTable {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, size_max: HEADER_TABLE_BYTES_MAX }
    }

    /// The entry of an index, of which the newest has 0.
    pub(super) fn entry(&self, index: usize) -> Option<(&Text, &Text)> {
        self.entries.get(index).map(|(name, value, _)| (name, value))
    }

    /// RFC 7541 section 4.3.
    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict(0);
    }

    /// Whether a field has room whose name and value are this long, alone if need be.
    pub(super) fn has_room(&self, length: usize) -> bool {
        length + ENTRY_BYTES <= self.size_max
    }

    /// Adds an entry that has room, with the length of its name and value.
    pub(super) fn insert(&mut self, name: Text, value: Text, length: usize) {
        let size = length + ENTRY_BYTES;
        self.evict(size);
        self.size += size;
        self.entries.push_front((name, value, size));
    }

    /// RFC 7541 section 4.4: what an entry without room does.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.size = 0;
    }

    /// Makes room for an entry.
    fn evict(&mut self, size: usize) {
        while self.size + size > self.size_max
            && let Some((_, _, size)) = self.entries.pop_back()
        {
            self.size -= size;
        }
    }
}
