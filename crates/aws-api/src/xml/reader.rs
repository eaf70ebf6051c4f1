//! A pull reader for the XML that APIs exchange: elements and text in UTF-8. What documents can attack with is
//! refused, not expanded: document types, entities of their own, other encodings, deep nesting, attributes
//! without end. It looks at each byte a constant number of times and never recurses.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::decode_error::Fault;
use crate::limits::{REQUEST_BODY_BYTES_MAX, XML_ATTRIBUTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX};

/// The next piece of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// An element begins.
    Start(&'a str),
    /// The innermost element ends.
    End,
    /// Text inside an element; one run of text may come in several pieces.
    Text(Cow<'a, str>),
    /// The document is complete.
    Finish,
}

/// Reads one document from its beginning to its end.
pub(crate) struct Reader<'a> {
    input: &'a str,
    position: usize,
    namespace: &'a str,
    open: Vec<&'a str>,
    elements: usize,
    /// Whether the innermost element was written `<Name/>` and its end is still to be told.
    ends_at_once: bool,
}

impl<'a> Reader<'a> {
    /// A reader of a document whose elements are in `namespace`, or in none.
    pub(crate) fn new(bytes: &'a [u8], namespace: &'a str) -> Result<Self, Fault> {
        if bytes.len() > REQUEST_BODY_BYTES_MAX {
            return Err(Fault::Limit("The document is too large"));
        }
        let input = str::from_utf8(bytes).map_err(|_| Fault::Syntax("The document is not UTF-8"))?;
        if input.chars().any(|character| !is_xml_character(character)) {
            return Err(Fault::Syntax("The document contains a character that XML does not permit"));
        }
        let input = input.strip_prefix('\u{FEFF}').unwrap_or(input);
        let mut reader =
            Self { input, position: 0, namespace, open: Vec::new(), elements: 0, ends_at_once: false };
        reader.skip_declaration()?;
        Ok(reader)
    }

    /// The next event; after `Finish`, `Finish` again.
    pub(crate) fn next(&mut self) -> Result<Event<'a>, Fault> {
        if self.ends_at_once {
            self.ends_at_once = false;
            self.open.pop();
            return Ok(Event::End);
        }
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return self.finish();
            }
            if !rest.starts_with('<') {
                if let Some(text) = self.text()? {
                    return Ok(Event::Text(text));
                }
            } else if rest.starts_with("<!--") {
                self.skip_past("-->")?;
            } else if rest.starts_with("<![CDATA[") {
                return self.character_data();
            } else if rest.starts_with("<!") {
                return Err(Fault::Syntax("Document types and entities are not accepted"));
            } else if rest.starts_with("<?") {
                self.skip_past("?>")?;
            } else if rest.starts_with("</") {
                return self.end_tag();
            } else {
                return self.start_tag();
            }
        }
    }

    /// All text up to the end of the element that has just begun. Nested elements are refused.
    pub(crate) fn element_text(&mut self) -> Result<Cow<'a, str>, Fault> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.next()? {
                Event::Text(text) if whole.is_empty() => whole = text,
                Event::Text(text) => whole.to_mut().push_str(&text),
                Event::End => return Ok(whole),
                Event::Start(_) => return Err(Fault::WrongType("a single value")),
                Event::Finish => return Err(UNFINISHED),
            }
        }
    }

    /// Skips the rest of the element that has just begun, whatever is in it.
    pub(crate) fn skip_element(&mut self) -> Result<(), Fault> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()? {
                Event::Start(_) => depth += 1,
                Event::End => depth -= 1,
                Event::Text(_) => {}
                Event::Finish => return Err(UNFINISHED),
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        &self.input[self.position..]
    }

    fn finish(&self) -> Result<Event<'a>, Fault> {
        if self.open.is_empty() && self.elements > 0 { Ok(Event::Finish) } else { Err(UNFINISHED) }
    }

    /// The XML declaration may name no other encoding than UTF-8.
    fn skip_declaration(&mut self) -> Result<(), Fault> {
        if !self.rest().starts_with("<?xml") {
            return Ok(());
        }
        let begin = self.position;
        self.skip_past("?>")?;
        let declaration = self.input[begin..self.position].to_ascii_lowercase();
        if declaration.contains("encoding")
            && !declaration.contains("\"utf-8\"")
            && !declaration.contains("'utf-8'")
        {
            return Err(Fault::Syntax("The document is not UTF-8"));
        }
        Ok(())
    }

    fn skip_past(&mut self, terminator: &str) -> Result<&'a str, Fault> {
        let rest = self.rest();
        let end = memmem::find(rest.as_bytes(), terminator.as_bytes()).ok_or(UNFINISHED)?;
        self.position += end + terminator.len();
        Ok(&rest[..end])
    }

    /// Text up to the next tag; nothing where it is the white space around the root element.
    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        let rest = self.rest();
        let end = memchr(b'<', rest.as_bytes()).unwrap_or(rest.len());
        self.position += end;
        let text = &rest[..end];
        if !self.open.is_empty() {
            return unescape(text).map(Some);
        }
        if is_blank(text) { Ok(None) } else { Err(Fault::Syntax("There is text outside the root element")) }
    }

    fn character_data(&mut self) -> Result<Event<'a>, Fault> {
        if self.open.is_empty() {
            return Err(Fault::Syntax("There is text outside the root element"));
        }
        self.position += "<![CDATA[".len();
        Ok(Event::Text(with_line_feeds(self.skip_past("]]>")?)))
    }

    fn end_tag(&mut self) -> Result<Event<'a>, Fault> {
        self.position += "</".len();
        let name = self.skip_past(">")?.trim_end_matches(is_space);
        if self.open.pop() == Some(name) {
            Ok(Event::End)
        } else {
            Err(Fault::Syntax("An end tag does not match its start tag"))
        }
    }

    fn start_tag(&mut self) -> Result<Event<'a>, Fault> {
        if self.open.is_empty() && self.elements > 0 {
            return Err(Fault::Syntax("There is more than one root element"));
        }
        if self.open.len() >= XML_DEPTH_MAX {
            return Err(Fault::Limit("The document is nested too deeply"));
        }
        if self.elements >= XML_ELEMENTS_MAX {
            return Err(Fault::Limit("The document has too many elements"));
        }
        self.position += "<".len();
        let name = self.take_while(|character| !is_space(character) && !matches!(character, '/' | '>'));
        check_element_name(name)?;
        self.attributes()?;
        self.open.push(name);
        self.elements += 1;
        Ok(Event::Start(name))
    }

    /// Reads attributes and the end of the tag. Attributes say nothing in these documents, save the namespace.
    fn attributes(&mut self) -> Result<(), Fault> {
        for _ in 0..=XML_ATTRIBUTES_MAX {
            let space = self.take_while(is_space);
            let rest = self.rest();
            if rest.starts_with('>') {
                self.position += ">".len();
                return Ok(());
            }
            if rest.starts_with("/>") {
                self.position += "/>".len();
                self.ends_at_once = true;
                return Ok(());
            }
            if space.is_empty() {
                return Err(MALFORMED_TAG);
            }
            let (name, value) = self.attribute()?;
            if name == "xmlns" && !value.is_empty() && value != self.namespace {
                return Err(Fault::Syntax("The document is in another namespace"));
            }
        }
        Err(Fault::Limit("An element has too many attributes"))
    }

    fn attribute(&mut self) -> Result<(&'a str, &'a str), Fault> {
        let name =
            self.take_while(|character| !is_space(character) && !matches!(character, '=' | '/' | '>' | '<'));
        self.take_while(is_space);
        self.expect('=')?;
        self.take_while(is_space);
        let quote =
            self.rest().chars().next().filter(|first| matches!(first, '"' | '\'')).ok_or(MALFORMED_TAG)?;
        self.expect(quote)?;
        let value = self.take_while(|character| character != quote && character != '<');
        self.expect(quote)?;
        if name.is_empty() { Err(MALFORMED_TAG) } else { Ok((name, value)) }
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    fn expect(&mut self, character: char) -> Result<(), Fault> {
        if !self.rest().starts_with(character) {
            return Err(MALFORMED_TAG);
        }
        self.position += character.len_utf8();
        Ok(())
    }
}

const UNFINISHED: Fault = Fault::Syntax("The document ends too early");
const MALFORMED_TAG: Fault = Fault::Syntax("A tag is malformed");
const UNKNOWN_ENTITY: Fault = Fault::Syntax("An entity or a character reference is unknown");

/// The longest reference: `&#x10FFFF;`, with leading zeros to spare.
const REFERENCE_BYTES_MAX: usize = 16;

pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// XML 1.0, production 2.
pub(crate) fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A prefix would need its namespace looked up; no client of these services writes one.
fn check_element_name(name: &str) -> Result<(), Fault> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if !begins
        || !characters.all(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '.'))
    {
        return Err(Fault::Syntax("An element's name is malformed or has a prefix"));
    }
    Ok(())
}

/// Line ends become line feeds (XML 1.0, section 2.11).
fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if memchr(b'\r', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Resolves the five entities of XML and character references, after the line ends.
fn unescape(text: &str) -> Result<Cow<'_, str>, Fault> {
    let text = with_line_feeds(text);
    if memchr(b'&', text.as_bytes()).is_none() {
        return Ok(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let window = &after.as_bytes()[..after.len().min(REFERENCE_BYTES_MAX)];
        let end = memchr(b';', window).ok_or(UNKNOWN_ENTITY)?;
        plain.push(referenced_character(&after[..end])?);
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    Ok(Cow::Owned(plain))
}

fn referenced_character(name: &str) -> Result<char, Fault> {
    let code = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or(UNKNOWN_ENTITY)?,
    };
    let (digits, radix) = code.strip_prefix('x').map_or((code, 10), |digits| (digits, 16));
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(UNKNOWN_ENTITY);
    }
    let number = u32::from_str_radix(digits, radix).map_err(|_| UNKNOWN_ENTITY)?;
    char::from_u32(number).filter(|character| is_xml_character(*character)).ok_or(UNKNOWN_ENTITY)
}
