//! Documents that attack their reader are refused, and quickly.

use std::time::{Duration, Instant};

use crate::cloudfront::{DistributionConfig, Tags};
use crate::decode_error::{DecodeError, Fault};
use crate::xml;

const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// Far above what a linear reader needs for two megabytes, far below what a quadratic one does.
const QUICK: Duration = Duration::from_secs(2);

fn decode_tags(document: &[u8]) -> Result<Tags, DecodeError> {
    let mut tags = Tags::default();
    let begin = Instant::now();
    let decoded = xml::decode(document, NAMESPACE, "Tags", &mut tags);
    assert!(begin.elapsed() < QUICK, "reading took {:?}", begin.elapsed());
    decoded.map(|()| tags)
}

fn refused(document: impl AsRef<[u8]>) {
    let shown: String = String::from_utf8_lossy(document.as_ref()).chars().take(80).collect();
    assert!(decode_tags(document.as_ref()).is_err(), "accepted: {shown}");
}

fn accepted(document: &str) -> Tags {
    decode_tags(document.as_bytes()).unwrap_or_else(|error| panic!("{document}: {error}"))
}

#[test]
fn entities_and_document_types_are_refused() {
    refused("<!DOCTYPE Tags [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><Tags>&b;</Tags>");
    refused("<!DOCTYPE Tags SYSTEM \"file:///etc/passwd\"><Tags/>");
    refused("<Tags><!ENTITY x \"y\"></Tags>");
    for reference in ["&x;", "&#0;", "&#xD800;", "&#x110000;", "&#;", "&;", "&", "&#+65;", "&#xFFFE;"] {
        refused(format!("<Tags><Items><Tag><Key>{reference}</Key></Tag></Items></Tags>"));
    }
}

fn numbered(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

#[test]
fn floods_are_refused() {
    refused(format!("<Tags{}/>", numbered(80_000, |number| format!(" a{number}=\"\""))));
    refused(format!("<Tags{}/>", numbered(80_000, |number| format!(" xmlns:n{number}=\"u\""))));
    refused(numbered(1_000_000, |number| format!("<a xmlns=\"{number}\"/>")));
    refused(format!("<Tags>{}", "<a xmlns=\"\">".repeat(10_000)));
    refused(format!("<Tags>{}</Tags>", "<a>".repeat(10_000) + &"</a>".repeat(10_000)));
    refused(format!("<Tags>{}</Tags>", "<a/>".repeat(200_000)));
    refused("<".repeat(1_000_000));
    refused("<!--".repeat(500_000));
    refused("<![CDATA[".repeat(200_000));
    refused(format!("<Tags>{}", "&amp".repeat(400_000)));
    refused("a".repeat(3_000_000));
    refused(format!("<{}", "T".repeat(2_000_000)));
}

#[test]
fn large_honest_documents_are_read_quickly() {
    let tag = "<Tag><Key>k</Key><Value>v&amp;</Value></Tag><!-- a --><![CDATA[ ]]>";
    let document = format!("<Tags><Items>{}</Items></Tags>", tag.repeat(25_000));
    assert_eq!(accepted(&document).items.unwrap().len(), 25_000);
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "\u{FEFF}<Tags/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(utf16);
    refused("<?xml version=\"1.0\" encoding=\"UTF-16\"?><Tags/>");
    refused("<?xml version=\"1.0\" encoding=\"latin1\"?><Tags/>");
    refused(b"<Tags>\xff</Tags>");
    refused("<Tags>\0</Tags>");
    refused("<Tags>\u{FFFF}</Tags>");
    accepted("\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<Tags/>\n");
}

#[test]
fn damaged_documents_are_refused() {
    let whole =
        "<?xml version=\"1.0\"?><!-- c --><Tags xmlns=\"\"><Items><Tag><Key>a&lt;</Key></Tag></Items></Tags>";
    accepted(whole);
    for length in 0..whole.len() {
        refused(&whole[..length]);
    }
    for document in [
        "<Tags></tags>",
        "<Tags/><Tags/>",
        "<Tags/>text",
        "text<Tags/>",
        "<Tags a/>",
        "<Tags a=b/>",
        "<Tags a=\"1\"b=\"2\"/>",
        "<Tags a=\"<\"/>",
        "< Tags/>",
        "</Tags>",
        "<n:Tags xmlns:n=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"/>",
        "<Tags xmlns=\"http://example.org/\"/>",
        "<Other/>",
        "<Tags>text</Tags>",
        "<Tags><Items>text</Items></Tags>",
        "<Tags><Items/><Items/></Tags>",
        "<Tags><Items><Tag><Key><b/></Key></Tag></Items></Tags>",
    ] {
        refused(document);
    }
}

#[test]
fn tolerated_things_are_ignored() {
    let tags = accepted(
        "<Tags xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\" xmlns:xsi='x' xsi:nil=\"false\">\n\
         <New><Nested>1</Nested></New> <?hint?> <Items><Other/><Tag><Key>a<!-- c -->b<![CDATA[<&]]></Key></Tag></Items></Tags>",
    );
    assert_eq!(tags.items.unwrap()[0].key, "ab<&");
}

#[test]
fn faults_name_the_member() {
    let check = |document: &str, path: &str, fault| {
        let mut config = DistributionConfig::default();
        let error =
            xml::decode(document.as_bytes(), NAMESPACE, "DistributionConfig", &mut config).unwrap_err();
        assert_eq!((error.path().as_str(), error.fault()), (path, fault));
    };
    check("<DistributionConfig/>", "DistributionConfig.CallerReference", Fault::Missing);
    check(
        "<DistributionConfig><Origins><Items><Origin><Id>a</Id></Origin></Items></Origins></DistributionConfig>",
        "DistributionConfig.Origins.Items[0].DomainName",
        Fault::Missing,
    );
    check(
        "<DistributionConfig><PriceClass>PriceClass_7</PriceClass></DistributionConfig>",
        "DistributionConfig.PriceClass",
        Fault::UnknownValue,
    );
    check(
        "<DistributionConfig><Enabled>yes</Enabled></DistributionConfig>",
        "DistributionConfig.Enabled",
        Fault::WrongType("true or false"),
    );
    check(
        "<DistributionConfig><Aliases><Quantity/></Aliases></DistributionConfig>",
        "DistributionConfig.Aliases.Quantity",
        Fault::WrongType("an integer"),
    );
}
