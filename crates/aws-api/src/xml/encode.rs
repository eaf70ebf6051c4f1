//! Shapes to elements.

use super::reader::is_xml_character;
use crate::scalar;
use crate::shape::{Location, Member, Ref, Structure, StructureSchema};

/// Encodes a structure's body members as a document with the root element `root`.
pub(crate) fn encode(root: &str, namespace: &str, structure: &dyn Structure) -> String {
    let mut writer = Writer::new();
    writer.open_root(root, namespace);
    writer.members(structure);
    writer.close(root);
    writer.finish()
}

/// Writes a document, one element after the other.
pub(crate) struct Writer {
    document: String,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { document: "<?xml version=\"1.0\"?>\n".to_owned() }
    }

    pub(crate) fn open_root(&mut self, name: &str, namespace: &str) {
        self.document.push('<');
        self.document.push_str(name);
        self.document.push_str(" xmlns=\"");
        self.document.push_str(namespace);
        self.document.push_str("\">");
    }

    pub(crate) fn open(&mut self, name: &str) {
        self.document.push('<');
        self.document.push_str(name);
        self.document.push('>');
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.document.push_str("</");
        self.document.push_str(name);
        self.document.push('>');
    }

    /// An element that holds only text.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// Each body member of a structure as an element.
    pub(crate) fn members(&mut self, structure: &dyn Structure) {
        let schema = structure.schema();
        for (member, value) in schema.members.iter().zip(structure.members()) {
            let value = value.get();
            if member.location == Location::Body && !is_omitted(schema, member, &value) {
                self.value(member.wire_name, member.item_name, &value);
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        self.document
    }

    fn value(&mut self, name: &str, item_name: &str, value: &Ref<'_>) {
        match value {
            Ref::Absent => {}
            Ref::Structure(structure) => {
                self.open(name);
                self.members(*structure);
                self.close(name);
            }
            Ref::List(list) => {
                self.open(name);
                for item in list.items() {
                    self.value(item_name, item_name, &item.get());
                }
                self.close(name);
            }
            single => {
                if let Some(text) = scalar::write(single) {
                    self.leaf(name, &text);
                }
            }
        }
    }

    /// Text with what XML must not see escaped. A character that XML cannot carry at all, which only an echo of
    /// a hostile request could bring here, is replaced.
    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.document.push_str("&amp;"),
                '<' => self.document.push_str("&lt;"),
                '>' => self.document.push_str("&gt;"),
                '\r' => self.document.push_str("&#13;"),
                character if is_xml_character(character) => self.document.push(character),
                _ => self.document.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }
}

/// CloudFront writes an empty list as its quantity alone, without `Items`.
fn is_omitted(schema: &StructureSchema, member: &Member, value: &Ref<'_>) -> bool {
    let Ref::List(list) = value else { return false };
    !member.required && list.is_empty() && schema.body_member("Quantity").is_some()
}
