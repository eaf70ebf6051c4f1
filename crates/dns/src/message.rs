//! Questions, and what messages say about them (RFC 1035 section 4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::{ALIASES_MAX, POINTERS_MAX, RECORDS_MAX};
use crate::name::Name;

/// The class of the Internet.
const CLASS_IN: u16 = 1;
/// An alias.
const TYPE_CNAME: u16 = 5;
/// The start of a zone's authority: in it how long there being nothing may be remembered.
const TYPE_SOA: u16 = 6;
/// Recursion is desired.
const FLAG_RD: u16 = 0x0100;
/// The answer is cut off.
const FLAG_TC: u16 = 0x0200;
/// It is a response.
const FLAG_QR: u16 = 0x8000;
/// The kind of query; that of ours is 0.
const OPCODE: u16 = 0x7800;
/// How it went.
const RCODE: u16 = 0x000f;
const RCODE_NXDOMAIN: u8 = 3;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4.
    A,
    /// IPv6 (RFC 3596).
    Aaaa,
}

impl RecordType {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }

    fn address(self, data: &[u8]) -> Option<IpAddr> {
        match self {
            Self::A => <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into()),
            Self::Aaaa => <[u8; 16]>::try_from(data).ok().map(|octets| Ipv6Addr::from(octets).into()),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A number that the answer must have too: not to be guessed by others.
    pub id: u16,
    /// Of what.
    pub name: Name,
    /// What of it.
    pub record_type: RecordType,
}

/// What a message says about the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
    /// More than fits; TCP has all of it.
    Truncated,
    /// The server cannot say, and this is its response code.
    Failed(u8),
}

/// What there is of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its addresses; at least one.
    Addresses {
        /// In the server's order.
        addresses: Vec<IpAddr>,
        /// For how many seconds they may be used, all aliases on the way included.
        ttl: u32,
    },
    /// It is an alias of one about which the message says nothing.
    Alias {
        /// That name.
        name: Name,
        /// For how many seconds it is.
        ttl: u32,
    },
    /// There is nothing.
    Nothing(Negative),
}

/// How there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negative {
    /// The name itself exists, without such an address.
    pub name_exists: bool,
    /// For how many seconds that may be remembered (RFC 2308 section 5), where the server says it.
    pub ttl: Option<u32>,
}

/// Why a message says nothing about the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// It answers something else; the answer may still come.
    #[error("the message answers another question")]
    AnotherQuestion,
    /// It repeats the question, and the rest of it is damaged.
    #[error("the answer is damaged")]
    Malformed,
}

impl Question {
    /// The message that asks it.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(64);
        for number in [self.id, FLAG_RD, 1, 0, 0, 0] {
            message.extend_from_slice(&number.to_be_bytes());
        }
        self.name.write(&mut message);
        message.extend_from_slice(&self.record_type.number().to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        message
    }

    /// What a message says about this question.
    pub fn read_reply(&self, message: &[u8]) -> Result<Reply, ReplyError> {
        let mut reader = Reader { message, at: 0 };
        let header = reader.header().ok_or(ReplyError::AnotherQuestion)?;
        if header.id != self.id || header.flags & (FLAG_QR | OPCODE) != FLAG_QR {
            return Err(ReplyError::AnotherQuestion);
        }
        let [_, response_code] = (header.flags & RCODE).to_be_bytes();
        let has_failed = !matches!(response_code, 0 | RCODE_NXDOMAIN);
        let is_repeated = header.questions == 1 && self.is_next_in(&mut reader);
        // Who did not understand the question need not repeat it.
        let is_not_understood = header.questions == 0 && has_failed;
        if !is_repeated && !is_not_understood {
            return Err(ReplyError::AnotherQuestion);
        }
        if has_failed {
            return Ok(Reply::Failed(response_code));
        }
        if header.flags & FLAG_TC != 0 {
            return Ok(Reply::Truncated);
        }
        self.read_sections(&mut reader, &header, response_code).map(Reply::Answer)
    }

    fn is_next_in(&self, reader: &mut Reader<'_>) -> bool {
        let asked = reader.name().zip(reader.number()).zip(reader.number());
        asked.is_some_and(|((name, record_type), class)| {
            name == self.name && record_type == self.record_type.number() && class == CLASS_IN
        })
    }

    fn read_sections(
        &self,
        reader: &mut Reader<'_>,
        header: &Header,
        response_code: u8,
    ) -> Result<Answer, ReplyError> {
        let mut answers = Vec::new();
        for _ in 0..usize::from(header.answers).min(RECORDS_MAX) {
            answers.extend(self.read_answer(reader)?);
        }
        let (name, alias_ttl) = follow_aliases(&self.name, &answers).ok_or(ReplyError::Malformed)?;
        let (mut addresses, mut ttl) = (Vec::new(), alias_ttl);
        for answer in answers.iter().filter(|answer| answer.name == name) {
            if let Content::Address(address) = answer.content {
                addresses.push(address);
                ttl = ttl.min(answer.ttl);
            }
        }
        // The code is about the last alias's target (RFC 6604 section 3).
        let exists = response_code != RCODE_NXDOMAIN;
        if exists && !addresses.is_empty() {
            return Ok(Answer::Addresses { addresses, ttl });
        }
        if exists && name != self.name {
            return Ok(Answer::Alias { name, ttl });
        }
        let is_whole = usize::from(header.answers) <= RECORDS_MAX;
        let ttl = if is_whole { read_negative_ttl(reader, header)? } else { None };
        Ok(Answer::Nothing(Negative { name_exists: exists, ttl }))
    }

    /// The next record, if it matters.
    fn read_answer(&self, reader: &mut Reader<'_>) -> Result<Option<AnswerRecord>, ReplyError> {
        let record = reader.record().ok_or(ReplyError::Malformed)?;
        let content = match record.kind {
            TYPE_CNAME => record.data.clone().name().map(Content::Alias),
            number if number == self.record_type.number() => {
                self.record_type.address(record.data_bytes).map(Content::Address)
            }
            _ => return Ok(None),
        };
        if record.class != CLASS_IN {
            return Ok(None);
        }
        let content = content.ok_or(ReplyError::Malformed)?;
        Ok(Some(AnswerRecord { name: record.name, ttl: record.ttl, content }))
    }
}

/// For how long there being nothing may be remembered, out of the section behind the answers.
fn read_negative_ttl(reader: &mut Reader<'_>, header: &Header) -> Result<Option<u32>, ReplyError> {
    for _ in 0..usize::from(header.authorities).min(RECORDS_MAX) {
        let record = reader.record().ok_or(ReplyError::Malformed)?;
        if record.kind == TYPE_SOA && record.class == CLASS_IN {
            // The last of the five numbers behind two names.
            let minimum = record.data_bytes.last_chunk().ok_or(ReplyError::Malformed)?;
            return Ok(Some(record.ttl.min(seconds(u32::from_be_bytes(*minimum)))));
        }
    }
    Ok(None)
}

/// A record of the answers that matters.
struct AnswerRecord {
    name: Name,
    ttl: u32,
    content: Content,
}

enum Content {
    Alias(Name),
    Address(IpAddr),
}

/// The name that a name stands for in the end, and for how long; none where aliases go on for too long, as
/// they do in a circle.
fn follow_aliases(name: &Name, answers: &[AnswerRecord]) -> Option<(Name, u32)> {
    let (mut name, mut ttl) = (name, u32::MAX);
    for _ in 0..=ALIASES_MAX {
        let alias = answers.iter().find_map(|answer| match &answer.content {
            Content::Alias(target) if answer.name == *name => Some((target, answer.ttl)),
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else { return Some((name.clone(), ttl)) };
        (name, ttl) = (target, ttl.min(alias_ttl));
    }
    None
}

/// A time to live: with its first bit set it counts as none (RFC 2181 section 8).
fn seconds(ttl: u32) -> u32 {
    if ttl > u32::MAX / 2 { 0 } else { ttl }
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
}

struct Record<'a> {
    name: Name,
    kind: u16,
    class: u16,
    ttl: u32,
    /// At the data; names in it may lead back into the message.
    data: Reader<'a>,
    data_bytes: &'a [u8],
}

/// A place in a message.
#[derive(Clone)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.message.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.bytes(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn header(&mut self) -> Option<Header> {
        let (id, flags) = (self.number()?, self.number()?);
        let (questions, answers, authorities) = (self.number()?, self.number()?, self.number()?);
        self.number()?;
        Some(Header { id, flags, questions, answers, authorities })
    }

    fn record(&mut self) -> Option<Record<'a>> {
        let name = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let ttl = self.bytes(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
        let length = self.number()?;
        let data = self.clone();
        let data_bytes = self.bytes(length.into())?;
        Some(Record { name, kind, class, ttl: seconds(ttl), data, data_bytes })
    }

    /// A name. Where it goes on elsewhere, that is further in front each time (RFC 1035 section 4.1.4: "a
    /// prior occurance").
    fn name(&mut self) -> Option<Name> {
        let mut name = Name::default();
        let mut elsewhere = None;
        let mut begun_at = self.at;
        for _ in 0..=POINTERS_MAX {
            let reader = elsewhere.as_mut().unwrap_or(&mut *self);
            let Some(at) = reader.labels(&mut name)? else { return Some(name) };
            if at >= begun_at {
                return None;
            }
            begun_at = at;
            elsewhere = Some(Reader { message: self.message, at });
        }
        None
    }

    /// Labels of a name up to its end, or up to where it goes on, which is returned.
    #[expect(clippy::option_option, reason = "none is damage, as everywhere here; none within is the end")]
    fn labels(&mut self, name: &mut Name) -> Option<Option<usize>> {
        loop {
            let [length] = *self.bytes(1)?.first_chunk()?;
            match length {
                0 => return Some(None),
                1..0x40 => name.push(self.bytes(length.into())?).ok()?,
                0xc0.. => {
                    let [low] = *self.bytes(1)?.first_chunk()?;
                    return Some(Some(u16::from_be_bytes([length & 0x3f, low]).into()));
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> Question {
        Question { id: 7, name: Name::parse("api.test").unwrap(), record_type: RecordType::A }
    }

    /// A response to the question with these flags, and records behind it.
    fn response(flags: u16, answers: &[Vec<u8>], authorities: &[Vec<u8>]) -> Vec<u8> {
        let asked = question().message();
        let mut message = Vec::new();
        let counts = [answers.len(), authorities.len()].map(|count| u16::try_from(count).unwrap());
        for number in [7, FLAG_QR | flags, 1, counts[0], counts[1], 0] {
            message.extend_from_slice(&number.to_be_bytes());
        }
        message.extend_from_slice(&asked[12..]);
        answers.iter().chain(authorities).for_each(|record| message.extend_from_slice(record));
        message
    }

    fn record(name: &[u8], record_type: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let numbers = [record_type.to_be_bytes(), CLASS_IN.to_be_bytes()].concat();
        [name, &numbers, &ttl.to_be_bytes(), &length, data].concat()
    }

    fn wire(name: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        Name::parse(name).unwrap().write(&mut wire);
        wire
    }

    /// To the name in the question.
    const ASKED: &[u8] = b"\xc0\x0c";

    fn a(name: &[u8], ttl: u32, last: u8) -> Vec<u8> {
        record(name, 1, ttl, &[192, 0, 2, last])
    }

    fn found(last: &[u8], ttl: u32) -> Reply {
        let addresses = last.iter().map(|last| Ipv4Addr::new(192, 0, 2, *last).into()).collect();
        Reply::Answer(Answer::Addresses { addresses, ttl })
    }

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better so")]
    fn check(message: &[u8], expect: Result<Reply, ReplyError>) {
        assert_eq!(question().read_reply(message), expect, "{}", message.escape_ascii());
    }

    #[test]
    fn a_question_is_written_as_rfc_1035_has_it() {
        let written = question().message();
        assert_eq!(written, b"\x00\x07\x01\x00\x00\x01\0\0\0\0\0\0\x03api\x04test\0\x00\x01\x00\x01");
    }

    #[test]
    fn addresses_come_with_the_shortest_time() {
        check(&response(0, &[a(ASKED, 60, 1), a(&wire("API.test"), 30, 2)], &[]), Ok(found(&[1, 2], 30)));
    }

    #[test]
    fn aliases_are_followed_whatever_the_order_and_nothing_else_is() {
        let alias = |from: &str, to: &str, ttl| record(&wire(from), TYPE_CNAME, ttl, &wire(to));
        let chain =
            [a(&wire("c.test"), 60, 1), alias("b.test", "c.test", 5), alias("api.test", "b.test", 300)];
        check(&response(0, &chain, &[]), Ok(found(&[1], 5)));
        let stranger = [alias("api.test", "b.test", 300), a(&wire("evil.test"), 60, 66), a(ASKED, 60, 67)];
        let target = Name::parse("b.test").unwrap();
        check(&response(0, &stranger, &[]), Ok(Reply::Answer(Answer::Alias { name: target, ttl: 300 })));
        let circle = [alias("api.test", "b.test", 300), alias("b.test", "api.test", 300)];
        check(&response(0, &circle, &[]), Err(ReplyError::Malformed));
    }

    #[test]
    fn there_being_nothing_is_an_answer_and_has_its_time() {
        let zone = |ttl, minimum: u32| {
            let numbers = [[0; 16].as_slice(), &minimum.to_be_bytes()].concat();
            record(&wire("test"), TYPE_SOA, ttl, &[wire("ns.test"), wire("me.test"), numbers].concat())
        };
        for (flags, authorities, name_exists, ttl) in [
            (3, vec![zone(60, 20)], false, Some(20)),
            (0, vec![zone(10, 20)], true, Some(10)),
            (0, vec![], true, None),
        ] {
            let nothing = Reply::Answer(Answer::Nothing(Negative { name_exists, ttl }));
            check(&response(flags, &[], &authorities), Ok(nothing));
        }
        let of_other_family = record(ASKED, 28, 60, &[0; 16]);
        let nothing = Reply::Answer(Answer::Nothing(Negative { name_exists: true, ttl: None }));
        check(&response(0, &[of_other_family], &[]), Ok(nothing));
    }

    #[test]
    fn a_server_may_fail_or_have_more_to_say() {
        check(&response(2, &[], &[]), Ok(Reply::Failed(2)));
        check(b"\x00\x07\x80\x01\0\0\0\0\0\0\0\0", Ok(Reply::Failed(1)));
        check(&response(FLAG_TC, &[], &[]), Ok(Reply::Truncated));
    }

    #[test]
    fn answers_to_other_questions_are_none() {
        let right = response(0, &[a(ASKED, 60, 1)], &[]);
        // The id, the response's bit, the operation, the name, the type, the class.
        for (at, value) in [(1, 8), (2, 0), (2, 0x88), (13, b'b'), (23, 28), (25, 3)] {
            let mut wrong = right.clone();
            wrong[at] = value;
            check(&wrong, Err(ReplyError::AnotherQuestion));
        }
        check(&right[..11], Err(ReplyError::AnotherQuestion));
        check(b"", Err(ReplyError::AnotherQuestion));
        check(b"\x00\x07\x80\x00\0\0\0\0\0\0\0\0", Err(ReplyError::AnotherQuestion));
    }

    #[test]
    fn damaged_answers_end() {
        let after_question = u8::try_from(response(0, &[], &[]).len()).unwrap();
        for name in [
            // To itself, forward, out of the message, a label of no known kind, nothing.
            vec![0xc0, after_question],
            vec![0xc0, after_question + 2],
            vec![0xff, 0xff],
            vec![0x80, 0],
            vec![],
        ] {
            check(&response(0, &[a(&name, 60, 1)], &[]), Err(ReplyError::Malformed));
        }
        check(&response(0, &[record(ASKED, 1, 60, &[1, 2, 3])], &[]), Err(ReplyError::Malformed));
        let right = response(0, &[a(ASKED, 60, 1)], &[]);
        for length in 26..right.len() {
            check(&right[..length], Err(ReplyError::Malformed));
        }
    }

    #[test]
    fn pointers_that_lead_to_pointers_end() {
        // Pointers each of which leads to the one before, the first one to the name, in a record's data behind a
        // name of 8 bytes and 10 bytes of numbers.
        let of = |count: u16| {
            let data_at = response(0, &[], &[]).len() + 8 + 10;
            let offset = |number: u16| u16::try_from(data_at).unwrap() + number * 2;
            let chain: Vec<u8> = (0..count)
                .flat_map(|number| (0xc000 | if number == 0 { 12 } else { offset(number - 1) }).to_be_bytes())
                .collect();
            let last = (0xc000 | offset(count - 1)).to_be_bytes();
            response(0, &[record(&wire("x.test"), 99, 0, &chain), a(&last, 60, 1)], &[])
        };
        check(&of(10), Ok(found(&[1], 60)));
        check(&of(200), Err(ReplyError::Malformed));
    }

    #[test]
    fn no_more_records_are_read_than_the_limit() {
        let many: Vec<_> = (0..RECORDS_MAX + 500).map(|_| a(ASKED, 60, 1)).collect();
        let reply = question().read_reply(&response(0, &many, &[])).unwrap();
        let Reply::Answer(Answer::Addresses { addresses, .. }) = reply else { panic!("{reply:?}") };
        assert_eq!(addresses.len(), RECORDS_MAX);
    }

    #[test]
    fn a_time_with_its_first_bit_set_is_none() {
        check(&response(0, &[a(ASKED, 0x8000_0001, 1)], &[]), Ok(found(&[1], 0)));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_to_an_end(behind in prop::collection::vec(any::<u8>(), 0..300), counts in any::<[u8; 4]>()) {
            let mut message = response(0, &[], &[]);
            message[6..10].copy_from_slice(&counts);
            message.extend_from_slice(&behind);
            let _ = question().read_reply(&message);
        }
    }
}
