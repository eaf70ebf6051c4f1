//! What name servers answer, and the files that say whom to ask.

use std::sync::LazyLock;

use dns::limits::{NAME_SERVERS_MAX, NDOTS_MAX, RECORDS_MAX, SEARCH_DOMAINS_MAX, TIMEOUT_MAX};
use dns::{Answer, Name, Question, RecordType, Reply, ReplyError, ResolvConf, addresses_in_hosts};

const NAME: &str = "api.fuzz.test";

static ASKED: LazyLock<Name> = LazyLock::new(|| Name::parse(NAME).unwrap());

/// A message is about the question that it repeats, and about no other; what it says of addresses is of the
/// family that was asked for.
pub fn dns_reply(data: &[u8]) {
    let (choice, data) = super::choose(data, 4);
    let record_type = if choice % 2 == 0 { RecordType::A } else { RecordType::Aaaa };
    let question = Question { id: 7, name: ASKED.clone(), record_type };
    let message = if choice < 2 { data.to_vec() } else { behind_question(&question, data) };
    let other = Question { id: 8, ..question.clone() };
    let is_of_other = message.starts_with(&[0, 8]);
    assert!(is_of_other || other.read_reply(&message) == Err(ReplyError::AnotherQuestion));
    match question.read_reply(&message) {
        Ok(Reply::Answer(Answer::Addresses { addresses, ttl })) => {
            assert!(!addresses.is_empty() && addresses.len() <= RECORDS_MAX && ttl <= u32::MAX / 2);
            assert!(addresses.iter().all(|ip| ip.is_ipv4() == (record_type == RecordType::A)));
        }
        Ok(Reply::Answer(Answer::Alias { name, .. })) => assert_ne!(name, question.name),
        Ok(Reply::Failed(code)) => assert!(code != 0 && code != 3),
        Ok(_) | Err(ReplyError::AnotherQuestion | ReplyError::Malformed) => {}
    }
}

/// The input's first bytes are the flags and counts of a message with the right id and question.
fn behind_question(question: &Question, data: &[u8]) -> Vec<u8> {
    let (head, records) = data.split_at_checked(8).unwrap_or((&[0; 8], data));
    let asked = question.message();
    [&asked[..2], &[head[0] | 0x80, head[1]], &[0, 1], &head[2..8], &asked[12..], records].concat()
}

/// What the files of a machine say is bounded, and a name is asked for as it is once.
pub fn dns_files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = ResolvConf::parse(&text);
    assert!((1..=NAME_SERVERS_MAX).contains(&parsed.servers.len()));
    assert!(parsed.search.len() <= SEARCH_DOMAINS_MAX && parsed.ndots <= NDOTS_MAX);
    assert!(!parsed.timeout.is_zero() && parsed.timeout <= TIMEOUT_MAX && parsed.attempts >= 1);
    let candidates = parsed.candidates(&ASKED);
    assert_eq!(candidates.iter().filter(|name| **name == *ASKED).count(), 1);
    let upper = addresses_in_hosts(&text, &NAME.to_ascii_uppercase());
    assert_eq!(addresses_in_hosts(&text, NAME), upper);
    assert!(upper.len() <= text.lines().count());
}
