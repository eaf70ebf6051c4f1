//! Every operation's input and output, filled at random, encodes and decodes to itself.

use proptest::prelude::*;
use proptest::sample::select;

use super::every_operation;
use super::random::Random;
use super::requests::OwnedRequest;
use crate::client::{decode_answer, encode_request};
use crate::exchange::{decode_into, encode_from};
use crate::json;
use crate::route::{AnyOperation, route};

/// How many values are tried for each shape.
const SEEDS: u64 = 12;

#[test]
fn every_input_decodes_to_what_was_encoded() {
    for operation in every_operation() {
        (0..SEEDS).for_each(|seed| input_survives(operation, seed));
    }
}

fn input_survives(operation: AnyOperation, seed: u64) {
    let (mut sent, _) = operation.blanks();
    let (mut received, _) = operation.blanks();
    Random::new(seed).fill(&mut *sent);
    let request =
        encode_request(operation.schema(), &*sent).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    let request = OwnedRequest::from(request);
    let routed = route(&request.lend()).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    assert_eq!(routed.operation, operation);
    decode_into(operation.schema(), &request.lend(), &routed.labels, &mut *received)
        .unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    assert_eq!(json::encode(&*received), json::encode(&*sent), "{operation:?}");
}

#[test]
fn every_output_decodes_to_what_was_encoded() {
    for operation in every_operation() {
        (0..SEEDS).for_each(|seed| output_survives(operation, seed));
    }
}

fn output_survives(operation: AnyOperation, seed: u64) {
    let (_, mut sent) = operation.blanks();
    let (_, mut received) = operation.blanks();
    Random::new(seed).fill(&mut *sent);
    let answer = encode_from(operation.schema(), &*sent, "id")
        .unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    assert_eq!(answer.status(), operation.schema().status);
    decode_answer(operation.schema(), &answer, &mut *received)
        .unwrap_or_else(|error| panic!("{operation:?}: {error}"));
    assert_eq!(json::encode(&*received), json::encode(&*sent), "{operation:?}");
}

#[test]
fn the_form_for_records_is_lossless() {
    for operation in every_operation() {
        let (mut kept, _) = operation.blanks();
        let (mut read, _) = operation.blanks();
        Random::new(99).fill(&mut *kept);
        json::decode(&crate::to_json(&*kept), &mut *read).unwrap();
        assert_eq!(json::encode(&*read), json::encode(&*kept), "{operation:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_and_a_server_understand_each_other(
        seed in any::<u64>(),
        operation in select(every_operation()),
    ) {
        input_survives(operation, seed);
        output_survives(operation, seed);
    }
}
