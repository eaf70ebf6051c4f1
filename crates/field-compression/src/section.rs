//! The list of fields that comes out.

use std::ops::Range;
use std::rc::Rc;

use crate::reader::Unreadable;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Fields.
    pub fields: usize,
    /// The bytes of all names and values.
    pub bytes: usize,
}

/// A section says more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field section is too large")]
pub struct TooLarge;

/// A name or a value.
#[derive(Clone, Debug)]
pub enum Text {
    /// Of a table that everybody has.
    Static(&'static [u8]),
    /// Of a table of the connection.
    Shared(Rc<[u8]>),
    /// Where it is in the section that it came with.
    Own(Range<usize>),
}

/// A field section's fields, in their order, as they were meant.
#[derive(Debug)]
pub struct FieldSection {
    bounds: Bounds,
    own: Vec<u8>,
    fields: Vec<(Text, Text)>,
    size: usize,
    /// The name of the first field that there was no room for, as far as it is known.
    too_large: Option<Box<[u8]>>,
}

impl FieldSection {
    /// One without fields.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, own: Vec::new(), fields: Vec::new(), size: 0, too_large: None }
    }

    /// Forgets all fields, and keeps the room that they had.
    pub fn clear(&mut self) {
        self.own.clear();
        self.fields.clear();
        (self.size, self.too_large) = (0, None);
    }

    /// The fields: each one's name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.fields.iter().map(|(name, value)| (self.text(name), self.text(value)))
    }

    /// The bytes of all names and values.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many fields there are.
    pub fn count(&self) -> usize {
        self.fields.len()
    }

    /// Whether something was left out for want of room.
    pub fn check(&self) -> Result<(), TooLarge> {
        if self.too_large.is_some() { Err(TooLarge) } else { Ok(()) }
    }

    /// The name of the first field that was left out, as far as there was room for that.
    pub fn left_out(&self) -> Option<&[u8]> {
        self.too_large.as_deref()
    }

    /// What a text says.
    pub fn text<'a>(&'a self, text: &'a Text) -> &'a [u8] {
        match text {
            Text::Static(text) => text,
            Text::Shared(text) => text,
            Text::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
        }
    }

    /// Adds a field; without a part that there was no room for, it is left out like everything behind it.
    pub fn push(&mut self, name: Option<Text>, value: Option<Text>) {
        let (name, value) = match (name, value) {
            (Some(name), Some(value)) => (name, value),
            (name, _) => return self.overflow(name.as_ref()),
        };
        let size = self.size + self.text(&name).len() + self.text(&value).len();
        if self.too_large.is_some() || self.fields.len() >= self.bounds.fields || size > self.bounds.bytes {
            return self.overflow(Some(&name));
        }
        self.size = size;
        self.fields.push((name, value));
    }

    /// Keeps a text that came with the section, if there is room for it.
    pub fn write(&mut self, text: &[u8]) -> Option<Text> {
        let begin = self.own.len();
        if !self.has_room(text.len()) {
            return None;
        }
        self.own.extend_from_slice(text);
        Some(Text::Own(begin..self.own.len()))
    }

    /// As [`write`](Self::write), what `write` writes: at most `length_max` bytes. Whether that can be written shows
    /// even where there is no room for it.
    pub(crate) fn write_with(
        &mut self,
        length_max: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Unreadable>,
    ) -> Result<Option<Text>, Unreadable> {
        let begin = self.own.len();
        if !self.has_room(length_max) {
            // Room of its own, and only for as long as this takes.
            return write(&mut Vec::new()).map(|()| None);
        }
        write(&mut self.own)?;
        Ok(Some(Text::Own(begin..self.own.len())))
    }

    fn has_room(&self, more: usize) -> bool {
        self.too_large.is_none() && self.own.len() + more <= self.bounds.bytes
    }

    fn overflow(&mut self, name: Option<&Text>) {
        let name = name.map_or(&[][..], |name| self.text(name)).into();
        self.too_large.get_or_insert(name);
        self.fields.clear();
        self.own.clear();
        self.size = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(section: &mut FieldSection, text: &str) -> Option<Text> {
        section.write(text.as_bytes())
    }

    #[test]
    fn fields_come_out_in_their_order() {
        let mut section = FieldSection::new(Bounds { fields: 2, bytes: 20 });
        let name = own(&mut section, "x-a");
        section.push(name, Some(Text::Shared(b"1".as_slice().into())));
        section.push(Some(Text::Static(b":path")), Some(Text::Static(b"/")));
        assert!(section.fields().eq([(&b"x-a"[..], &b"1"[..]), (b":path", b"/")]));
        assert_eq!((section.size(), section.count(), section.check()), (10, 2, Ok(())));
        section.clear();
        assert_eq!((section.size(), section.count()), (0, 0));
    }

    #[test]
    fn what_has_no_room_leaves_nothing_behind() {
        let field = (Some(Text::Static(b"a")), Some(Text::Static(b"b")));
        let mut section = FieldSection::new(Bounds { fields: 1, bytes: 20 });
        section.push(field.0.clone(), field.1.clone());
        section.push(field.0.clone(), field.1.clone());
        assert_eq!((section.check(), section.count()), (Err(TooLarge), 0));
        let mut section = FieldSection::new(Bounds { fields: 9, bytes: 3 });
        section.push(field.0.clone(), field.1.clone());
        section.push(field.0.clone(), field.1.clone());
        assert_eq!((section.check(), section.count()), (Err(TooLarge), 0));
        section.push(field.0, field.1);
        assert_eq!(section.check(), Err(TooLarge));
    }

    #[test]
    fn a_text_without_room_is_not_kept() {
        let mut section = FieldSection::new(Bounds { fields: 9, bytes: 3 });
        let (name, value) = (own(&mut section, "abc"), own(&mut section, "d"));
        assert!(value.is_none());
        section.push(name, value);
        section.push(None, None);
        assert_eq!((section.check(), section.left_out()), (Err(TooLarge), Some(&b"abc"[..])));
        section.clear();
        assert_eq!((section.check(), section.left_out()), (Ok(()), None));
    }
}
