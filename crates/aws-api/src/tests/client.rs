//! What a client tells apart in answers, and what it refuses to send.

use crate::client::{AnswerError, EncodeError, decode_output, encode_input};
use crate::cloudfront::operation::GetDistribution;
use crate::cloudfront::{ErrorCode, GetDistributionRequest};
use crate::exchange::Answer;
use crate::{Protocol, acm, wafv2};

fn refusal(code: &str, message: &str, status: u16) -> AnswerError {
    AnswerError::Refused { code: code.into(), message: message.into(), status }
}

#[test]
fn an_error_is_read_as_it_was_written() {
    let error = ErrorCode::NoSuchDistribution.with_message("There is no <E1> & no E2.");
    let expected = refusal("NoSuchDistribution", "There is no <E1> & no E2.", 404);
    assert_eq!(decode_output::<GetDistribution>(&error.answer(Protocol::RestXml, "id")), Err(expected));
    let error = acm::ErrorCode::ResourceNotFoundException.with_message("none");
    let answer = error.answer(Protocol::Json, "id");
    let expected = refusal("ResourceNotFoundException", "none", error.status);
    assert_eq!(decode_output::<acm::operation::DescribeCertificate>(&answer), Err(expected.clone()));
    assert_eq!(expected.code(), Some("ResourceNotFoundException"));
}

#[test]
fn an_error_that_is_no_document_keeps_its_status() {
    let answer = |body: &str| {
        let mut answer = Answer::new(body.as_bytes().to_vec());
        *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
        answer
    };
    for body in ["", "<html>", "{}", "<ErrorResponse><Error><Code>"] {
        let expected = refusal("502 Bad Gateway", "", 502);
        assert_eq!(decode_output::<GetDistribution>(&answer(body)), Err(expected.clone()));
        assert_eq!(decode_output::<wafv2::operation::ListWebACLs>(&answer(body)), Err(expected));
    }
}

#[test]
fn an_answer_of_another_shape_is_malformed() {
    for body in [" ", "<Distribution/>", "<DistributionConfig/>", "{}"] {
        let decoded = decode_output::<GetDistribution>(&Answer::new(body.as_bytes().to_vec()));
        assert!(matches!(decoded, Err(AnswerError::Malformed(_))), "{body}: {decoded:?}");
    }
}

#[test]
fn an_id_cannot_become_another_path() {
    let path = |id: &str| {
        encode_input::<GetDistribution>(&GetDistributionRequest { id: id.into() })
            .map(|request| request.uri().to_string())
    };
    assert_eq!(path("E1"), Ok("/2020-05-31/distribution/E1".into()));
    assert_eq!(path("a/../b?c"), Ok("/2020-05-31/distribution/a%2F..%2Fb%3Fc".into()));
    assert_eq!(path(".."), Ok("/2020-05-31/distribution/%2E%2E".into()));
    assert_eq!(path(""), Err(EncodeError::EmptyLabel("Id")));
}
