//! Texts in XML documents, found by the names of the elements around them.

use std::ops::Range;

use anyhow::{Context, Result};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// The text at a path such as `Distribution/DomainName`. The root element counts.
pub(crate) fn text_at(document: &str, path: &str) -> Result<String> {
    let place = place_of(document, path)?;
    let text = quick_xml::escape::unescape(&document[place]).context("an answer of the API is malformed")?;
    Ok(text.into_owned())
}

/// Every text at a path, where elements stand side by side.
pub(crate) fn texts_at(document: &str, path: &str) -> Result<Vec<String>> {
    let mut reader = Reader::from_str(document);
    let (mut open, mut texts, mut start) = (Vec::<String>::new(), Vec::new(), 0);
    loop {
        let before = position(&reader);
        match reader.read_event().context("an answer of the API is not XML")? {
            Event::Start(element) => {
                open.push(element.local_name().as_ref().to_owned());
                start = position(&reader);
            }
            Event::End(_) => {
                if open.join("/") == path {
                    let text = quick_xml::escape::unescape(&document[start..before]);
                    texts.push(text.context("an answer of the API is malformed")?.into_owned());
                }
                open.pop();
            }
            Event::Eof => return Ok(texts),
            _ => {}
        }
    }
}

/// The document with another text at `path`. The text is one that needs no escaping.
pub(crate) fn with_text_at(document: &str, path: &str, text: &str) -> Result<String> {
    let place = place_of(document, path)?;
    Ok([&document[..place.start], text, &document[place.end..]].concat())
}

/// Where the text of an element without children lies.
fn place_of(document: &str, path: &str) -> Result<Range<usize>> {
    let mut reader = Reader::from_str(document);
    let (mut open, mut start) = (Vec::<String>::new(), 0);
    loop {
        let before = position(&reader);
        match reader.read_event().context("an answer of the API is not XML")? {
            Event::Start(element) => {
                open.push(element.local_name().as_ref().to_owned());
                start = position(&reader);
            }
            Event::End(_) if open.join("/") == path => return Ok(start..before),
            Event::End(_) => {
                open.pop();
            }
            Event::Eof => anyhow::bail!("an answer of the API lacks {path}"),
            _ => {}
        }
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    // A position in a document that is in memory fits.
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "<?xml version=\"1.0\"?>\n<C xmlns=\"urn:x\"><Logging><Enabled>false</Enabled></Logging>\
                          <Comment>a &amp; b</Comment><Empty/><Enabled>false</Enabled></C>";

    #[test]
    fn a_text_is_found_by_its_whole_path() {
        assert_eq!(text_at(CONFIG, "C/Comment").unwrap(), "a & b");
        assert_eq!(text_at(CONFIG, "C/Logging/Enabled").unwrap(), "false");
        assert!(text_at(CONFIG, "Comment").unwrap_err().to_string().contains("lacks Comment"));
        assert!(text_at("{}", "C").is_err());
    }

    #[test]
    fn texts_side_by_side_are_found_in_order() {
        let list = "<L><I><Id>a</Id><X><Id>no</Id></X></I><I><Id>b&amp;</Id></I><Id>no</Id></L>";
        assert_eq!(texts_at(list, "L/I/Id").unwrap(), ["a", "b&"]);
        assert_eq!(texts_at(list, "L/J").unwrap(), [""; 0]);
    }

    #[test]
    fn only_the_text_at_the_path_is_replaced() {
        let changed = with_text_at(CONFIG, "C/Enabled", "true").unwrap();
        assert_eq!(text_at(&changed, "C/Enabled").unwrap(), "true");
        assert_eq!(text_at(&changed, "C/Logging/Enabled").unwrap(), "false");
        assert_eq!(changed.len(), CONFIG.len() - 1);
    }
}
